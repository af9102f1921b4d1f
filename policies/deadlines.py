"""What follows when nobody has decided in time, over plain records."""

from __future__ import annotations

from datetime import datetime

from concertmaster.contracts import Approval, Approve, Deadline, Reject, ReviewNeed, Vote

__all__ = ["DEADLINE", "lapsed", "overdue"]

DEADLINE = "deadline"
"""Who rejected a call that nobody decided in time; never a person."""


def overdue(approval: Approval, at: str) -> bool:
    """Tell whether an approval is pending and its deadline over; `at` is a moment in UTC."""
    return approval.status == "pending" and approval.due is not None and at >= approval.due


def lapsed(approval: Approval, at: str, successor: str) -> tuple[Approval, Approval | None]:
    """Return what becomes of an overdue approval, and the one that takes its place, if any.

    It is rejected; or, the first time and if so declared, void, and another role is asked
    instead of all that were needed. Votes do not carry over.

    Args:
        approval: the overdue one.
        at: the moment at which this was noticed.
        successor: the id of one that takes its place.
    """
    role = approval.deadline.role if approval.deadline else None
    if approval.deadline is None or role is None:
        missed = Vote(by=DEADLINE, role="", answer=Reject(reason=missing(approval)), at=at)
        votes = (*approval.votes, missed)
        closed = {"status": "rejected", "votes": votes, "decided": at, "claims": ()}
        return approval.model_copy(update=closed), None
    again = Deadline(seconds=approval.deadline.seconds)
    return (
        approval.model_copy(update={"status": "void", "decided": at, "claims": ()}),
        approval.model_copy(
            update={
                "id": successor,
                "needs": (ReviewNeed(role=role),),
                "reasons": (*approval.reasons, f"{missing(approval)}; now {role} decides"),
                "votes": (),
                "claims": (),
                "created": at,
                "deadline": again,
                "due": again.due(datetime.fromisoformat(at)),
                "replaces": approval.id,
                "instead_of": approval.needs,
            }
        ),
    )


def missing(approval: Approval) -> str:
    """Say who did not decide by when."""
    given = [vote.role for vote in approval.votes if isinstance(vote.answer, Approve)]
    short = [
        need.role if need.count == 1 else f"{need.count - given.count(need.role)} of {need.role}"
        for need in approval.needs
        if given.count(need.role) < need.count
    ]
    due = (approval.due or "")[:16].replace("T", " ")
    return f"{' and '.join(short)} did not decide by {due} UTC"
