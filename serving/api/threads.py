"""Threads: one's conversations, and those that one decides about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from concertmaster.contracts import Principal, RunRecord
from concertmaster.errors import UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.api.pages import Cursor, Limit, Page, cut, place, written
from concertmaster.serving.api.problem import answers
from concertmaster.serving.api.shapes import RunView, ThreadState, ThreadView, TimelineEntry
from concertmaster.serving.api.signing_in import Caller, Workflow
from concertmaster.serving.api.timeline import timeline
from concertmaster.serving.api.views import run_view, seen_on
from concertmaster.serving.threads import named, shown
from concertmaster.serving.visible import concerns, owns, unknown_run

__all__ = ["router"]

router = APIRouter(tags=["threads"], responses=answers(404))

Thread = Annotated[
    str,
    Path(
        description="The conversation, as the caller calls it; reviewers give the id that its "
        "approvals show.",
        examples=["t-1"],
    ),
]


@router.get(
    "/workflows/{workflow}/threads",
    operation_id="list_threads",
    response_model=Page[ThreadView],
)
async def list_threads(
    who: Caller, desk: Workflow, limit: Limit = 50, cursor: Cursor = None
) -> Page[ThreadView]:
    """List one's own conversations, the latest first.

    One that goes on while pages are read moves to the front.
    """
    before = None if cursor is None else place(cursor, 2)
    found = await desk.runs.threads(limit + 1, owner=who, before=before)
    page = [
        ThreadView.model_validate(
            {
                "id": shown(who, str(row["id"])),
                "workflow": desk.name,
                **{name: row[name] for name in ("status", "runs", "created", "updated")},
            }
        )
        for row in found[:limit]
    ]
    last = found[limit - 1] if len(found) > limit else None
    more = None if last is None else written(str(last["updated"]), str(last["id"]))
    return Page(data=page, next=more)


@router.get(
    "/workflows/{workflow}/threads/{thread:path}/runs",
    operation_id="list_runs",
    response_model=Page[RunView],
)
async def list_runs(
    who: Caller, desk: Workflow, thread: Thread, limit: Limit = 20, cursor: Cursor = None
) -> Page[RunView]:
    """Return a conversation's runs, the oldest first."""
    records = dict(enumerate(await _runs_of(desk, who, thread)))
    page, more = cut(records.items(), lambda pair: (f"{pair[0]:09d}",), limit, cursor)
    return Page(data=[await run_view(desk, who, record) for _, record in page], next=more)


@router.get(
    "/workflows/{workflow}/threads/{thread:path}/timeline",
    operation_id="get_thread_timeline",
    response_model=Page[TimelineEntry],
)
async def get_thread_timeline(
    who: Caller, desk: Workflow, thread: Thread, limit: Limit = 50, cursor: Cursor = None
) -> Page[TimelineEntry]:
    """Tell what happened in a conversation, in words."""
    return await timeline(desk, await _runs_of(desk, who, thread), limit, cursor)


@router.get(
    "/workflows/{workflow}/threads/{thread:path}",
    operation_id="get_thread",
    response_model=ThreadState,
)
async def get_thread(who: Caller, desk: Workflow, thread: Thread) -> ThreadState:
    """Return how a conversation stands."""
    records = await _runs_of(desk, who, thread)
    latest = records[-1]
    runs = {record.id: record for record in records}
    pending = await desk.services.approvals.list(thread=latest.thread, status="pending")
    return ThreadState(
        id=shown(who, latest.thread),
        workflow=desk.name,
        requester=latest.principal.id,
        status=latest.status,
        runs=len(records),
        latest=await run_view(desk, who, latest),
        pending=[
            view
            for approval in pending
            if approval.run in runs
            for view in seen_on(desk, who, runs[approval.run], [approval])
        ],
    )


async def _runs_of(desk: Desk, who: Principal, thread: str) -> Sequence[RunRecord]:
    """Return the runs of a thread that somebody may see: all of its owner's, else those decided.

    Raises:
        UnknownRun: there is none that it may see.
        RequestError: this is no thread id.
    """
    # A stored id holds a mark of its owner's; reviewers know it so.
    stored = thread if "~" in thread else named(who, thread)
    try:
        records = await desk.runs.of_thread(stored)
    except UnknownRun:
        raise unknown_run(thread) from None
    if all(owns(who, record) for record in records):
        seen = records
    else:
        approvals = await desk.services.approvals.list(thread=stored)
        seen = [
            record
            for record in records
            if any(a.run == record.id and concerns(who, a, record) for a in approvals)
        ]
    if not seen:
        raise unknown_run(thread)
    return seen
