"""One approval: what it is about, and the answers that people give to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from concertmaster.contracts import Answer, Approval, Approve, Edit, Reject, Respond, now
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ApprovalError, ApprovalStale, ConcertmasterError, ToolError
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.caller import host_of
from concertmaster.serving.console.case import Case, gather
from concertmaster.serving.console.difference import changes
from concertmaster.serving.console.edited import Edited, edited, from_json
from concertmaster.serving.console.entries import filters_of, query_of
from concertmaster.serving.console.fields import Field, Unreadable, form_of
from concertmaster.serving.console.page import PageRoute, path_of, render, see_other
from concertmaster.serving.console.standing import standing
from concertmaster.serving.console.visitor import Posted, Sender, Viewer, Visitor
from concertmaster.serving.problems import status_of
from concertmaster.serving.visible import approval_for

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, prefix="/approvals/{workflow}/{id}")

_KINDS = ("approve", "edit", "reject", "respond")


@router.get("", name="console_approval")
async def show(request: Request, who: Viewer, workflow: str, id: str) -> Response:
    """Show an approval."""
    desk, approval = await _one(request, who, workflow, id)
    return await _page(request, who, desk, approval)


@router.post("/claim", name="console_claim")
async def claim(request: Request, sent: Sender, workflow: str, id: str) -> Response:
    """Take an approval on, or keep it longer."""
    return await _held(request, sent, workflow, id, Desk.claim)


@router.post("/release", name="console_release")
async def release(request: Request, sent: Sender, workflow: str, id: str) -> Response:
    """Let go of it."""
    return await _held(request, sent, workflow, id, Desk.release)


@router.post("/edit", name="console_edit")
async def edit(request: Request, sent: Sender, workflow: str, id: str) -> Response:
    """Show what an edit would change, before it is sent."""
    desk, approval = await _one(request, sent.visitor, workflow, id)
    case = await gather(desk, approval)
    try:
        found = edited(case, sent.form)
    except (Unreadable, ToolError) as error:
        told = error.message if isinstance(error, ToolError) else str(error)
        return await _page(
            request, sent.visitor, desk, approval, status=422, edit_error=told, given=sent.form
        )
    return _confirmation(request, sent, case, found)


@router.post("/decide", name="console_decide")
async def decide(request: Request, sent: Sender, workflow: str, id: str) -> Response:
    """Give an answer. The same answer sent twice is given once."""
    desk, approval = await _one(request, sent.visitor, workflow, id)
    kind = sent.form.get("answer", "")
    if _given_before(approval, sent.visitor, kind):
        return see_other(path_of(request, "approval", workflow=workflow, id=id))
    try:
        if sent.form.get("seen") != approval.digest:
            raise ApprovalStale(
                f"approval {approval.id} is not what you looked at",
                hint="read it again below; nothing was changed by this answer",
            )
        answer = _answer(await gather(desk, approval), kind, sent.form)
        await desk.background.answer(approval.id, answer, principal=sent.visitor.principal)
    except (ApprovalError, Unreadable, ToolError) as error:
        return await _again(request, sent.visitor, desk, approval.id, error, given=sent.form)
    return see_other(path_of(request, "approval", workflow=workflow, id=id))


async def _held(
    request: Request, sent: Posted, workflow: str, id: str, change: Callable[..., Awaitable[object]]
) -> Response:
    """Change who holds an approval, by a method of the desk, and go back to where one was."""
    desk, approval = await _one(request, sent.visitor, workflow, id)
    try:
        await change(desk, approval.id, principal=sent.visitor.principal)
    except ApprovalError as error:
        return await _again(request, sent.visitor, desk, approval.id, error)
    return see_other(_back(request, sent, workflow, id))


def _answer(case: Case, kind: str, form: dict[str, str]) -> Answer:
    reason = form.get("reason", "").replace("\r\n", "\n").strip()
    match kind:
        case "approve":
            return Approve(reason=reason)
        case "reject":
            return Reject(reason=_words(reason, "a rejection"))
        case "respond":
            text = form.get("text", "").replace("\r\n", "\n").strip()
            return Respond(text=_words(text, "a response"))
        case "edit":
            found = from_json(case, form.get("arguments", ""))
            return Edit(arguments=found.arguments, reason=_words(reason, "an edit"))
    raise ApprovalError("this is no answer", hint=f"answers are: {', '.join(_KINDS)}")


def _words(text: str, what: str) -> str:
    if not text:
        raise ApprovalError(f"{what} needs a reason in words", hint="write one and send it again")
    return text


def _given_before(approval: Approval, who: Visitor, kind: str) -> bool:
    return any(v.by == who.principal.id and v.answer.kind == kind for v in approval.votes)


async def _one(request: Request, who: Visitor, workflow: str, id: str) -> tuple[Desk, Approval]:
    """Return an approval that this person may see.

    Raises:
        UnknownWorkflow, ApprovalUnknown: there is none, or not for them.
    """
    desk = host_of(request).desk(workflow)
    await desk.approvals()  # What is over by now takes effect before it is shown.
    return desk, await approval_for(desk, who.principal, id)


async def _again(
    request: Request,
    who: Visitor,
    desk: Desk,
    id: str,
    error: Exception,
    *,
    given: dict[str, str] | None = None,
) -> Response:
    """Show the approval as it is now, with the refusal's own sentence."""
    approval = await approval_for(desk, who.principal, id)
    known = isinstance(error, ConcertmasterError)
    return await _page(
        request,
        who,
        desk,
        approval,
        status=status_of(error) if known and isinstance(error, ApprovalError) else 422,
        refused=error.message if isinstance(error, ConcertmasterError) else str(error),
        hint=(error.hint or "") if isinstance(error, ConcertmasterError) else "",
        given=given,
    )


async def _page(
    request: Request,
    who: Visitor,
    desk: Desk,
    approval: Approval,
    *,
    status: int = 200,
    refused: str = "",
    hint: str = "",
    edit_error: str = "",
    given: dict[str, str] | None = None,
) -> Response:
    case = await gather(desk, approval)
    fields: tuple[Field, ...] = ()
    if case.tool is not None:
        fields = form_of(case.tool.schema(), approval.action.arguments)
    return render(
        request,
        "approval.html",
        status=status,
        case=case,
        fields=fields,
        standing=standing(approval, who.principal, utc(now())),
        refused=refused,
        refused_hint=hint,
        edit_error=edit_error,
        given=given or {},
    )


def _confirmation(request: Request, sent: Posted, case: Case, found: Edited) -> Response:
    return render(
        request,
        "edit.html",
        case=case,
        changes=changes(case.approval.action.arguments, found.arguments),
        found=found,
        reason=sent.form.get("reason", ""),
    )


def _back(request: Request, sent: Posted, workflow: str, id: str) -> str:
    if sent.form.get("back") == "queue":
        query = query_of(filters_of(dict(parse_qsl(sent.form.get("query", "")))))
        return path_of(request, "queue") + (f"?{query}" if query else "")
    return path_of(request, "approval", workflow=workflow, id=id)
