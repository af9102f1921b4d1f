"""A run told as a response: its events as they come, and the object that they end in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import Principal, RunRecord, Status
from concertmaster.contracts.events import ApprovalRequested, RunEnded, TextDelta
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.openai.meanwhile import meanwhile
from concertmaster.serving.openai.names import ResponseName
from concertmaster.serving.openai.response import Head, approval_item
from concertmaster.serving.openai.response_events import ResponseWriter
from concertmaster.serving.openai.usage import spent
from concertmaster.serving.threads import shown
from concertmaster.serving.visible import unknown_run

__all__ = ["Telling", "telling"]


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A response of one workflow. `after` is the trail's record behind which it begins."""

    desk: Desk
    head: Head
    before: tuple[RunRecord, ...] = ()
    after: int = 0

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield the typed events until the run rests."""
        desk, run, writer = self.desk, self.head.record.id, ResponseWriter(self.head)
        for event in writer.begin():
            yield event
        for earlier in self.before:
            text = earlier.outcome.text if earlier.outcome else ""
            for event in writer.message(f"msg_{earlier.id}", text, earlier.outcome):
                yield event
        async for told in desk.background.follow(run, after=str(self.after)):
            match told.event:
                case ApprovalRequested(approval=approval):
                    written = writer.approval(approval)
                case TextDelta(text=text):
                    written = writer.text(text)
                case RunEnded(outcome=outcome):
                    usage = await spent(desk, run, self.after)
                    written = writer.end(outcome, usage)
                case _:
                    continue
            for event in written:
                yield event

    async def whole(self) -> dict[str, Any]:
        """Return the response as it is once the run rests."""
        last: dict[str, Any] = {}
        async for event in self.events():
            last = event
        response: dict[str, Any] = last["response"]
        return response

    async def present(self) -> dict[str, Any]:
        """Return the response as it is now."""
        record = await self.desk.runs.get(self.head.record.id)
        if record.status != "running" and not await self._between(record):
            return await self.whole()
        asked = await self.desk.services.trail.events(
            run=record.id, types=["approval.requested"], after=self.after
        )
        ids = dict.fromkeys(str(event.data["approval"]) for event in asked)
        approvals = [await self.desk.services.approvals.get(id) for id in ids]
        output = [approval_item(approval, self.head.model) for approval in approvals]
        status: Status = "queued" if record.status == "queued" else "running"
        return self.head.response(status, output)

    async def _between(self, record: RunRecord) -> bool:
        """Tell whether a run that is stored as at rest is about to go on."""
        if record.status == "queued":
            waiting = await self.desk.runs.with_status("awaiting_review", thread=record.thread)
            return not waiting
        if record.status != "awaiting_review":
            return False
        return not await self.desk.services.approvals.list(run=record.id, status="pending")


async def telling(
    desk: Desk,
    who: Principal,
    record: RunRecord,
    name: ResponseName,
    *,
    previous: str | None = None,
    background: bool | None = None,
    begins: bool = False,
) -> Telling:
    """Return what a response tells to whom; `begins` if its run is the first of its thread.

    Raises:
        UnknownRun: it is to begin with an approval that nobody has answered.
    """
    thread = shown(who, record.thread)
    head = Head(
        name=name, record=record, thread=thread, model=desk.name, previous=previous,
        background=background,
    )  # fmt: skip
    if name.approval is None:
        before = [] if begins else await meanwhile(desk, who, record)
        return Telling(desk=desk, head=head, before=tuple(before))
    after = await _answered(desk, name)
    return Telling(desk=desk, head=head, after=after)


async def _answered(desk: Desk, name: ResponseName) -> int:
    """Return the trail's record of the last answer to an approval, else that of its end."""
    ends = await desk.services.trail.events(
        run=name.run, types=["approval.answered", "approval.voided"]
    )
    found = [e for e in ends if e.data.get("approval") == name.approval]
    answers = [e for e in found if e.type == "approval.answered"]
    if not found:
        raise unknown_run(name)
    return (answers or found)[-1].seq or 0
