"""Approvals: the queue of whoever decides, and what one's own runs wait for."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Query

from concertmaster.contracts import Answer, Approval, Principal
from concertmaster.contracts.approval import ApprovalStatus
from concertmaster.errors import ApprovalUnknown, UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.queue import LAST, Place, Wanted, wanted_by
from concertmaster.policies.approvals import unknown_approval
from concertmaster.serving.api.pages import Cursor, Limit, Page, cut, place
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
    wanted = Wanted(
        view=view,
        status=None if status == "any" else status,
        role=role,
        tool=tool,
        requester=requester,
        claimed=claimed,
    )
    before = None if cursor is None else place(cursor, 3)
    found = [
        (desk, approval)
        for desk in (host if workflow is None else [host.desk(workflow)])
        for approval in await wanted_by(
            who, desk, wanted, after=_after(before, desk.name), limit=limit + 1
        )
    ]
    page, more = cut(found, _key, limit, cursor, parts=3)
    seen = [await _seen(desk, who, approval, view) for desk, approval in page]
    return Page(data=[each for each in seen if each is not None], next=more)


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


def _key(found: tuple[Desk, Approval]) -> tuple[str, ...]:
    desk, approval = found
    return approval.created, desk.name, approval.id


def _after(before: tuple[str, ...] | None, workflow: str) -> Place | None:
    """Return behind which place the next page begins in a workflow.

    What was asked for at one moment stands in the order of the workflows' names.
    """
    if before is None:
        return None
    created, last, id_ = before
    if workflow == last:
        return created, id_
    return created, LAST if workflow < last else ""


async def _seen(desk: Desk, who: Principal, approval: Approval, view: str) -> ApprovalView | None:
    """Return an approval of a list as somebody sees it; None if it is not for them.

    What is listed was chosen by the database. Nothing is shown because of that alone.
    """
    try:
        asked = await desk.runs.get(approval.run)
    except UnknownRun:
        return None  # It was erased between two looks.
    own = approval.requester == who.id and owns(who, asked)
    fits = own if view == "own" else concerns(who, approval, asked)
    return approval_view(desk, who, approval, asked) if fits else None
