"""Decisions that come as `mcp_approval_response`, under the rules of every other decision."""

from __future__ import annotations

from concertmaster.contracts import Approval, Approve, Principal, Reject
from concertmaster.errors import ApprovalStale
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.openai.asked import Decided
from concertmaster.serving.visible import owns

__all__ = ["decide"]


async def decide(desk: Desk, who: Principal, approval: Approval, decided: Decided) -> None:
    """Record a person's answer; the run goes on in the background.

    Nobody approves their own call. Who asked for it may say no: the run is called off, as it may
    be at any time.

    Raises:
        ApprovalForbidden, ApprovalStale, ApprovalUnknown, ApprovalError: it is not taken.
    """
    record = await desk.runs.get(approval.run)
    if owns(who, record) and not decided.approve:
        if approval.status != "pending":
            raise ApprovalStale(
                f"approval {approval.id} is {approval.status} already", hint="look at the run"
            )
        await desk.cancel(approval.run, principal=who, why=decided.reason)
        return
    kind = Approve if decided.approve else Reject
    await desk.background.answer(approval.id, kind(reason=decided.reason), principal=who)
