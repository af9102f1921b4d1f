"""The rules of an approval, over plain records: who may answer, what an answer brings about."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.contracts import (
    Action,
    Answer,
    Approval,
    Approve,
    Decision,
    Edit,
    Principal,
    Review,
    ReviewNeed,
    Vote,
    digest,
)
from concertmaster.contracts.approval import ApprovalStatus
from concertmaster.errors import ApprovalForbidden, ApprovalStale
from concertmaster.policies.deadlines import DEADLINE, overdue
from concertmaster.policies.slots import free, live, told

__all__ = [
    "approval_digest",
    "asks_for",
    "cast",
    "check_open",
    "covers",
    "intact",
    "meets",
    "role_for",
    "satisfies",
    "wrote",
]

_DECIDES: dict[str, ApprovalStatus] = {
    "edit": "edited",
    "reject": "rejected",
    "respond": "responded",
}


def approval_digest(action: Action, requester: str, evidence: Sequence[str]) -> str:
    """Return what an approval is bound to: tool, arguments, requester, evidence.

    Raises:
        ValueError: the arguments are not plain JSON.
    """
    return digest(
        {
            "tool": action.tool,
            "arguments": action.arguments,
            "requester": requester,
            "evidence": list(evidence),
        }
    )


def intact(approval: Approval) -> bool:
    """Tell whether an approval still is about what its digest was made of."""
    try:
        found = approval_digest(approval.action, approval.requester, approval.evidence)
    except ValueError:
        return False
    return found == approval.digest


def covers(votes: Sequence[Vote], needs: Sequence[ReviewNeed], *, besides: str) -> bool:
    """Tell whether the approving votes meet all needs, each by different people.

    Args:
        votes: what was given; only approving votes count, and one of each person.
        needs: what is due.
        besides: the requester, whose votes never count.
    """
    return not _unmet(votes, needs, besides=besides)


def satisfies(approval: Approval, decision: Decision) -> bool:
    """Tell whether an approval holds for what policy asks for now.

    It does if it was approved, is intact, is about exactly the decision's call, and its votes
    cover every need that is due now. An edited approval does not: the edited call is another
    call, which nobody but its author has seen.
    """
    if not isinstance(decision, Review) or approval.status != "approved" or not intact(approval):
        return False
    if approval.action.call_digest() != decision.call:
        return False
    return meets(approval, decision.needs)


def meets(approval: Approval, needs: Sequence[ReviewNeed]) -> bool:
    """Tell whether the votes of an approval meet what is due.

    Those of an escalated one meet what had been needed before: whoever it was escalated to decided
    in place of the others. They meet nothing that is due on top of that.
    """
    if not approval.instead_of:
        return covers(approval.votes, needs, besides=approval.requester)
    complete = covers(approval.votes, approval.needs, besides=approval.requester)
    return complete and asks_for(approval, needs)


def asks_for(approval: Approval, needs: Sequence[ReviewNeed]) -> bool:
    """Tell whether an approval asks for all that is due, itself or in place of others."""
    asked = {need.role: need.count for need in approval.instead_of or approval.needs}
    return all(need.count <= asked.get(need.role, 0) for need in needs)


def cast(approval: Approval, answer: Answer, by: Principal, *, at: str) -> Approval:
    """Return the approval after one person's answer.

    Raises:
        ApprovalStale: it was decided or voided before, or is not what was requested.
        ApprovalForbidden: this person may not answer, or not so.
    """
    check_open(approval, at)
    role = role_for(approval, answer, by, at=at)
    votes = (*approval.votes, Vote(by=by.id, role=role, answer=answer, at=at))
    status = _DECIDES.get(answer.kind, "pending")
    if isinstance(answer, Approve) and covers(votes, approval.needs, besides=approval.requester):
        status = "approved"
    decided = None if status == "pending" else at
    claims = tuple(claim for claim in live(approval, at) if claim.by != by.id)
    return approval.model_copy(
        update={
            "votes": votes,
            "status": status,
            "decided": decided,
            "claims": claims if decided is None else (),
        }
    )


def check_open(approval: Approval, at: str) -> None:
    """Raise ApprovalStale unless an approval can still be answered at this moment."""
    if approval.status != "pending":
        missed = approval.status == "rejected" and approval.votes[-1].by == DEADLINE
        raise ApprovalStale(
            f"approval {approval.id} is no longer pending: it is {approval.status}"
            f"{', its deadline is over' if missed else ''}",
            hint="list the pending ones; nothing was changed by this answer",
        )
    if not intact(approval):
        raise ApprovalStale(
            f"approval {approval.id} is no longer what was requested: its digest does not match",
            hint="the stored row was changed from outside; cancel the run and look into it",
        )
    if overdue(approval, at):
        raise ApprovalStale(
            f"approval {approval.id} is overdue: it was due at {approval.due}",
            hint="`concertmaster approvals list --status all` shows what became of it",
        )


def wrote(approval: Approval, by: Principal, action: Action) -> bool:
    """Tell whether this person, by editing the approval, is the author of this call."""
    return any(
        vote.by == by.id
        and isinstance(vote.answer, Edit)
        and approval.action.tool == action.tool
        and digest(vote.answer.arguments) == digest(action.arguments)
        for vote in approval.votes
    )


def role_for(approval: Approval, answer: Answer, by: Principal, *, at: str) -> str:
    """Return the role in which this person answers.

    It is the one that they claimed, else that of the first unmet need of which a place is free.

    Raises:
        ApprovalForbidden: this person may not answer, or not so, or others have claimed it.
    """
    able = _roles(approval, answer, by)
    for claim in live(approval, at):
        if claim.by == by.id and claim.role in able:
            return claim.role
    for role in able:
        if free(approval, role, by.id, at):
            return role
    raise ApprovalForbidden(
        f"approval {approval.id} is claimed by {told(approval, able, at)}",
        hint="wait until then, or ask for it to be released; a claim ends by itself",
    )


def _roles(approval: Approval, answer: Answer, by: Principal) -> list[str]:
    """Return the roles in which this person could answer, those of unmet needs first."""
    if not by.authenticated:
        raise ApprovalForbidden(
            f"approval {approval.id} needs an authenticated person",
            hint="name the reviewer; the host has to vouch for them",
        )
    if by.id == approval.requester:
        raise ApprovalForbidden(
            f"{by.id} requested approval {approval.id} and may not decide it",
            hint="somebody else with one of the roles has to answer",
        )
    if any(vote.by == by.id for vote in approval.votes):
        raise ApprovalForbidden(
            f"{by.id} has answered approval {approval.id} before",
            hint="each person answers once; the rest is up to others",
        )
    wanted = [need.role for need in approval.needs]
    if not set(wanted) & set(by.roles):
        raise ApprovalForbidden(
            f"{by.id} has none of the roles that approval {approval.id} needs",
            hint=f"it needs {' and '.join(wanted)}",
        )
    unmet = [n.role for n in _unmet(approval.votes, approval.needs, besides=approval.requester)]
    able = [r for r in unmet if r in by.roles]
    if not isinstance(answer, Approve):
        able += [r for r in wanted if r in by.roles and r not in unmet]
    if able:
        return able
    raise ApprovalForbidden(
        f"approval {approval.id} has every approval that {by.id} could give",
        hint=f"what is missing is {' and '.join(unmet)}",
    )


def _unmet(votes: Sequence[Vote], needs: Sequence[ReviewNeed], *, besides: str) -> list[ReviewNeed]:
    roles: dict[str, str] = {}
    for vote in votes:
        if isinstance(vote.answer, Approve) and vote.by != besides:
            roles.setdefault(vote.by, vote.role)
    given = list(roles.values())
    return [need for need in needs if given.count(need.role) < need.count]
