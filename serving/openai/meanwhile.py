"""What became of earlier messages of a thread while nobody listened.

A client that was told to wait learns the end with its next message on the thread: chat clients
have no other way. What is told follows from the trail alone, so that it is told the same again.
"""

from __future__ import annotations

from concertmaster.contracts import Principal, RunRecord
from concertmaster.errors import UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.visible import owns

__all__ = ["meanwhile", "quoted"]

_LONGEST_QUOTE = 80


async def meanwhile(desk: Desk, who: Principal, record: RunRecord) -> list[RunRecord]:
    """Return the runs that had to wait and ended between the message before this one and this one.

    Args:
        desk: whose run it is.
        who: to whom it is told; nobody but the thread's owner is told anything.
        record: the run that the message set in motion.
    """
    if not owns(who, record):
        return []
    trail, thread = desk.services.trail, record.thread
    waited = await trail.events(thread=thread, types=["approval.requested", "run.queued"])
    those = {event.run for event in waited} - {record.id}
    if not those:
        return []
    events = await trail.events(thread=thread, types=["run.received", "run.ended"])
    received = [e for e in events if e.type == "run.received"]
    own = next((n for n, e in enumerate(received) if e.run == record.id), 0)
    if not own:
        return []
    since, until = received[own - 1].seq or 0, received[own].seq or 0
    ended = [
        e.run
        for e in events
        if e.type == "run.ended" and e.run in those and since < (e.seq or 0) < until
    ]
    found = []
    for run in dict.fromkeys(ended):
        try:
            found.append(await desk.runs.get(str(run)))
        except UnknownRun:
            continue  # Retention has removed it.
    return found


def quoted(record: RunRecord) -> str:
    """Return what was told of an earlier run: its message in short, and its answer."""
    said = " ".join(record.text.split())
    if len(said) > _LONGEST_QUOTE:
        said = said[: _LONGEST_QUOTE - 1] + "…"
    text = record.outcome.text if record.outcome else ""
    return f"> {said}\n\n{text}\n\n"
