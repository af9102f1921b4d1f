"""What happened in runs, in words."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.audit.telling import tell
from concertmaster.contracts import AuditEvent, RunRecord
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.api.pages import Page, cut
from concertmaster.serving.api.shapes import TimelineEntry

__all__ = ["timeline"]


async def timeline(
    desk: Desk, records: Sequence[RunRecord], limit: int, cursor: str | None
) -> Page[TimelineEntry]:
    """Return a page of what happened in runs, in the order in which it happened.

    Raises:
        RequestError: the cursor is none.
    """
    entries: list[tuple[int, TimelineEntry]] = []
    for record in records:
        events = await desk.events(run=record.id)
        places = {event.id: _seq(event) for event in events}
        for said in tell(events, asked=record.text):
            entry = TimelineEntry(
                id=said.event,
                run_id=record.id,
                time=said.time,
                part=said.part,
                type=said.type,
                text=said.text,
            )
            entries.append((places[said.event], entry))
    page, more = cut(entries, lambda pair: (f"{pair[0]:018d}",), limit, cursor)
    return Page(data=[entry for _, entry in page], next=more)


def _seq(event: AuditEvent) -> int:
    return event.seq or 0
