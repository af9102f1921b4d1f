"""The threads that somebody may see: their own, and those of their queues."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.contracts import Principal, RunRecord
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.threads import shown
from concertmaster.serving.visible import own_threads, owns, queue_of

__all__ = ["Conversation", "conversations"]

_MOST = 100


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A thread as a line of a list; `run` is the latest one on it that may be seen."""

    workflow: str
    thread: str
    run: str
    who: str
    text: str
    status: str
    updated: str
    runs: int
    own: bool


async def conversations(desk: Desk, who: Principal) -> list[Conversation]:
    """Return the threads of one workflow, in no particular order."""
    seen: dict[str, list[RunRecord]] = {}
    for thread in await own_threads(desk, who, _MOST):
        seen[str(thread["id"])] = await desk.runs.of_thread(str(thread["id"]))
    for approval in (await queue_of(desk, who, status=None))[-_MOST:]:
        of_thread = seen.setdefault(approval.thread, [])
        if all(record.id != approval.run for record in of_thread):
            of_thread.append(await desk.runs.get(approval.run))
    return [
        Conversation(
            workflow=desk.name,
            thread=shown(who, thread),
            run=runs[-1].id,
            who=runs[-1].principal.id,
            text=runs[-1].text,
            status=runs[-1].status,
            updated=runs[-1].updated,
            runs=len(runs),
            own=owns(who, runs[-1]),
        )
        for thread, runs in seen.items()
        if runs
    ]
