"""What follows when nobody has decided in time, over plain records."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from concertmaster.contracts import Approval, Approve, Deadline, Reject, ReviewNeed, Vote

__all__ = ["DEADLINE", "in_short", "lapsed", "overdue", "span", "strictest"]

DEADLINE = "deadline"
"""Who rejected a call that nobody decided in time; never a person."""


def strictest(terms: Iterable[Deadline | None]) -> Deadline | None:
    """Return the one deadline that keeps all of them; None where there is none.

    The earliest counts. Of several at the same time one that rejects counts; two that escalate to
    different roles contradict each other, and so reject, too. An escalation lasts as long again,
    but not past the earliest of the others that rejects.

    >>> escalates = Deadline(seconds=3600, then="escalate:manager")
    >>> kept = strictest([Deadline(seconds=5400), escalates])
    >>> kept.then, kept.again.seconds
    ('escalate:manager', 1800.0)
    """
    known = [term for term in terms if term is not None]
    if not known:
        return None
    first = min(term.seconds for term in known)
    ways = {term.then for term in known if term.seconds == first}
    if len(ways) > 1 or ways == {"reject"}:
        return Deadline(seconds=first)
    ends = [term.seconds for term in known if term.role is None]
    ends += [term.end for term in known if term.end is not None]
    return Deadline(seconds=first, then=ways.pop(), end=min(ends, default=None))


def in_short(deadline: Deadline) -> str:
    """Return a deadline as an obligation writes it, without its first word.

    >>> in_short(Deadline(seconds=5400, then="escalate:manager"))
    '90m:escalate:manager'
    """
    return f"{span(deadline.seconds)}:{deadline.then}"


def span(seconds: float) -> str:
    """Return a time as people write it: `90m`, `2h`, `3d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"


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
    again = approval.deadline.again
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
