"""From what is stored to what a caller is shown of it."""

from __future__ import annotations

from collections.abc import Iterable

from concertmaster.contracts import Approval, Outcome, Principal, RunRecord
from concertmaster.graphs.terminals import wording
from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.api.shapes import ApprovalView, RunView
from concertmaster.serving.threads import shown
from concertmaster.serving.visible import concerns, owns

__all__ = ["approval_view", "run_view", "seen_on"]


def approval_view(desk: Desk, who: Principal, approval: Approval, asked: RunRecord) -> ApprovalView:
    """Return an approval as somebody sees it who may see it; `asked` is its run."""
    reviewing = concerns(who, approval, asked)
    view = ApprovalView(
        id=approval.id,
        workflow=desk.name,
        run_id=approval.run,
        thread_id=shown(who, approval.thread),
        requester=approval.requester,
        reviewing=reviewing,
        status=approval.status,
        tool=approval.action.tool,
        arguments=approval.action.arguments,
        why=approval.action.why,
        reasons=list(approval.reasons),
        needs=list(approval.needs),
        instead_of=list(approval.instead_of),
        created=approval.created,
        due=approval.due,
        at_deadline=approval.deadline.then if approval.deadline else None,
        decided=approval.decided,
        replaces=approval.replaces,
    )
    if not reviewing:
        return view
    more = {
        "votes": list(approval.votes),
        "claims": list(approval.claims),
        "concerns": list(approval.concerns()),
        "provenance": approval.provenance,
    }
    return view.model_copy(update=more)


async def run_view(desk: Desk, who: Principal, record: RunRecord) -> RunView:
    """Return a run as somebody sees it who may see it."""
    pending = await desk.services.approvals.list(run=record.id, status="pending")
    waiting = wording(desk.services, "queued") if record.status == "queued" else ""
    return RunView(
        id=record.id,
        workflow=desk.name,
        thread_id=shown(who, record.thread),
        requester=record.principal.id,
        text=record.text,
        status=record.status,
        outcome=record.outcome or Outcome(status=record.status, text=waiting),
        pending=seen_on(desk, who, record, pending),
        created=record.created,
        updated=record.updated,
    )


def seen_on(
    desk: Desk, who: Principal, record: RunRecord, approvals: Iterable[Approval]
) -> list[ApprovalView]:
    """Return those of a run's approvals that somebody may see."""
    mine = owns(who, record)
    return [
        approval_view(desk, who, approval, record)
        for approval in approvals
        if mine or concerns(who, approval, record)
    ]
