"""Approvals: the queue of whoever decides, and what one's own runs wait for."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Query

from concertmaster.contracts import Answer, Approval, Principal, RunRecord
from concertmaster.contracts.approval import ApprovalStatus
from concertmaster.errors import ApprovalUnknown, UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.policies.approvals import unknown_approval
from concertmaster.serving.api.pages import Cursor, Limit, Page, cut
from concertmaster.serving.api.problem import answers
from concertmaster.serving.api.shapes import ApprovalView, ClaimTime
from concertmaster.serving.api.signing_in import Caller, Served
from concertmaster.serving.api.views import approval_view
from concertmaster.serving.host import Host
from concertmaster.serving.visible import approval_for, concerns, owns

__all__ = ["router"]

router = APIRouter(tags=["approvals"], responses=answers(404))

Id = Annotated[str, Path(examples=["apr-1f2e3d4c"])]
_ANSWERS = {
    "approve": {"summary": "Let it run", "value": {"kind": "approve", "reason": "both seen"}},
    "edit": {
        "summary": "Let it run with other arguments",
        "value": {"kind": "edit", "arguments": {"order_id": 1042, "amount_cents": 3550}},
    },
    "reject": {"summary": "Do not run it", "value": {"kind": "reject", "reason": "too late"}},
    "respond": {
        "summary": "Do not run it, and say this instead",
        "value": {"kind": "respond", "text": "The second charge was a reservation."},
    },
}


@router.get("/approvals", operation_id="list_approvals", response_model=Page[ApprovalView])
async def list_approvals(
    *,
    who: Caller,
    host: Served,
    view: Annotated[
        Literal["queue", "own"],
        Query(description="`queue`: what one decides; `own`: what one's own runs wait for."),
    ] = "queue",
    status: Annotated[ApprovalStatus | Literal["any"], Query()] = "pending",
    workflow: Annotated[str | None, Query(description="Only those of this workflow.")] = None,
    role: Annotated[str | None, Query(description="Only those that need this role.")] = None,
    tool: Annotated[str | None, Query(description="Only calls of this tool.")] = None,
    requester: Annotated[str | None, Query(description="Only those asked for by them.")] = None,
    claimed: Annotated[
        bool | None, Query(description="Only those that somebody has, or nobody has, taken on.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApprovalView]:
    """List approvals over all workflows, the oldest first."""
    found = []
    for desk in host if workflow is None else [host.desk(workflow)]:
        for approval in await desk.approvals(status=None if status == "any" else status, role=role):
            if tool not in (None, approval.action.tool):
                continue
            if requester not in (None, approval.requester):
                continue
            asked = await _asked(desk, who, approval, view)
            if asked is not None:
                found.append(approval_view(desk, who, approval, asked))
    if claimed is not None:
        found = [each for each in found if bool(each.claims) is claimed]
    page, more = cut(
        found, lambda each: (each.created, each.workflow, each.id), limit, cursor, parts=3
    )
    return Page(data=page, next=more)


@router.get("/approvals/{approval}", operation_id="get_approval", response_model=ApprovalView)
async def get_approval(who: Caller, host: Served, approval: Id) -> ApprovalView:
    """Return an approval of one's queue, or of a run of one's own."""
    desk, there = await _found(host, who, approval)
    return await _view(desk, who, there)


@router.post(
    "/approvals/{approval}/decision",
    operation_id="decide",
    response_model=ApprovalView,
    responses=answers(409),
)
async def decide(
    who: Caller,
    host: Served,
    approval: Id,
    answer: Annotated[Answer, Body(openapi_examples=_ANSWERS)],
) -> ApprovalView:
    """Approve, edit, reject or respond; the run goes on in the background.

    Who asked for the call cannot decide it, whatever roles they have.
    """
    desk, there = await _found(host, who, approval)
    return await _view(desk, who, await desk.background.answer(there.id, answer, principal=who))


@router.post(
    "/approvals/{approval}/claim",
    operation_id="claim",
    response_model=ApprovalView,
    responses=answers(409),
)
async def claim(
    who: Caller, host: Served, approval: Id, body: ClaimTime | None = None
) -> ApprovalView:
    """Take an approval on for a while, so that nobody else answers it meanwhile."""
    desk, there = await _found(host, who, approval)
    seconds = (body or ClaimTime()).seconds
    return await _view(desk, who, await desk.claim(there.id, principal=who, seconds=seconds))


@router.post(
    "/approvals/{approval}/release",
    operation_id="release",
    response_model=ApprovalView,
    responses=answers(409),
)
async def release(who: Caller, host: Served, approval: Id) -> ApprovalView:
    """Let go of an approval that one has taken on."""
    desk, there = await _found(host, who, approval)
    return await _view(desk, who, await desk.release(there.id, principal=who))


async def _found(host: Host, who: Principal, approval: str) -> tuple[Desk, Approval]:
    """Return an approval that somebody may see, with its workflow.

    Raises:
        ApprovalUnknown: there is none.
    """
    for desk in host:
        try:
            return desk, await approval_for(desk, who, approval)
        except (ApprovalUnknown, UnknownRun):
            continue
    raise unknown_approval(approval)


async def _view(desk: Desk, who: Principal, approval: Approval) -> ApprovalView:
    return approval_view(desk, who, approval, await desk.runs.get(approval.run))


async def _asked(desk: Desk, who: Principal, approval: Approval, view: str) -> RunRecord | None:
    """Return the run of an approval if it belongs to somebody's view of them."""
    if view == "own" and approval.requester != who.id:
        return None
    try:
        asked = await desk.runs.get(approval.run)
    except UnknownRun:
        return None  # It was erased between two looks.
    fits = owns(who, asked) if view == "own" else concerns(who, approval, asked)
    return asked if fits else None
