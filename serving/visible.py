"""Who may see what: one's own runs, and those that one may decide about.

What somebody may not see is answered like what does not exist, so that ids cannot be tried out.
"""

from __future__ import annotations

from concertmaster.contracts import Approval, Principal, RunRecord
from concertmaster.errors import UnknownRun
from concertmaster.orchestrator.desk import Desk
from concertmaster.orchestrator.queue import Wanted, wanted_by
from concertmaster.policies.approvals import unknown_approval

__all__ = [
    "approval_for",
    "concerns",
    "is_reviewer",
    "own_threads",
    "owns",
    "queue_of",
    "run_for",
    "seen_pending",
]


def owns(principal: Principal, record: RunRecord) -> bool:
    """Tell whether a run is this principal's own."""
    return (record.principal.id, record.principal.tenant) == (principal.id, principal.tenant)


def concerns(principal: Principal, approval: Approval, asked: RunRecord) -> bool:
    """Tell whether a principal may look at an approval as one of those who decide it."""
    if asked.principal.tenant != principal.tenant:
        return False
    roles = {need.role for need in (*approval.needs, *approval.instead_of)}
    voted = any(vote.by == principal.id for vote in approval.votes)
    return voted or not roles.isdisjoint(principal.roles)


def is_reviewer(desk: Desk, principal: Principal) -> bool:
    """Tell whether a principal has a role that any policy of the workspace asks to review."""
    return not reviewing_roles(desk).isdisjoint(principal.roles)


def reviewing_roles(desk: Desk) -> frozenset[str]:
    """Return the roles that the workspace's policies and steps ask to decide."""
    roles = set(desk.services.gate.reviewing_roles())
    for step in desk.services.spec.workflow.steps:
        if step.review is not None:
            roles.update(step.review.roles)
            after = step.review.at_deadline or ""
            roles.update([after.removeprefix("escalate:")] if after.startswith("escalate:") else [])
    return frozenset(roles)


async def run_for(desk: Desk, principal: Principal, run: str) -> RunRecord:
    """Return a run that a principal may see: its own, or one with an approval of its queue.

    Raises:
        UnknownRun: there is none that it may see.
    """
    try:
        record = await desk.runs.get(run)
    except UnknownRun:
        # It may have been erased: whose it was is not known any more.
        raise unknown_run(run) from None
    if owns(principal, record):
        return record
    for approval in await desk.services.approvals.list(run=run):
        if concerns(principal, approval, record):
            return record
    raise unknown_run(run)


def unknown_run(run: object) -> UnknownRun:
    """Return the error for a run or thread that is not there, or not for whoever asks."""
    return UnknownRun(f"there is no {str(run)[:60]!r} here", hint="look at the id")


async def approval_for(desk: Desk, principal: Principal, approval: str) -> Approval:
    """Return an approval that a principal may see: one of its queue, or of its own runs.

    Raises:
        ApprovalUnknown: there is none that it may see.
    """
    found = await desk.services.approvals.get(approval)
    asked = await desk.runs.get(found.run)
    if owns(principal, asked) or concerns(principal, found, asked):
        return found
    raise unknown_approval(approval)


async def queue_of(
    desk: Desk, principal: Principal, *, status: str | None = "pending"
) -> list[Approval]:
    """Return the approvals that a principal may decide or has decided, the oldest first.

    The database chooses them by the rule of `concerns`.
    """
    return await wanted_by(principal, desk, Wanted(status=status))


async def seen_pending(desk: Desk, principal: Principal, run: str) -> list[Approval]:
    """Return the approvals that a run waits for, those that a principal may see."""
    asked = await desk.runs.get(run)
    pending = await desk.services.approvals.list(run=run, status="pending")
    own = owns(principal, asked)
    return [a for a in pending if own or concerns(principal, a, asked)]


async def own_threads(
    desk: Desk, principal: Principal, limit: int = 100
) -> list[dict[str, object]]:
    """Return a principal's threads, the latest first."""
    return [dict(t) for t in await desk.runs.threads(limit, owner=principal)]
