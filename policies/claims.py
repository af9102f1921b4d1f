"""Taking an approval on for a while, so that two people do not work on the same."""

from __future__ import annotations

from datetime import datetime, timedelta

from concertmaster.contracts import Approval, Approve, Claim, Principal
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ApprovalError, ApprovalForbidden
from concertmaster.policies.ballot import check_open, role_for
from concertmaster.policies.slots import live

__all__ = ["DEFAULT", "LONGEST", "SHORTEST", "claimed", "released"]

DEFAULT, SHORTEST, LONGEST = 900.0, 1.0, 8 * 3600.0
"""Seconds of a claim."""


def claimed(approval: Approval, by: Principal, seconds: float, *, at: str) -> Approval:
    """Return the approval with one place of one role claimed by a person, or claimed longer.

    Raises:
        ApprovalStale: it was decided before, is overdue, or is not what was requested.
        ApprovalForbidden: this person may not answer it, or others have claimed every place.
        ApprovalError: the time is too short or too long.
    """
    if not SHORTEST <= seconds <= LONGEST:
        raise ApprovalError(
            f"an approval cannot be claimed for {seconds:g} seconds",
            hint="a claim holds for a second to 8 hours, 15 minutes by default",
        )
    check_open(approval, at)
    role = role_for(approval, Approve(), by, at=at)
    until = utc(datetime.fromisoformat(at) + timedelta(seconds=seconds))
    claim = Claim(by=by.id, role=role, at=at, until=min(until, approval.due or until))
    others = tuple(c for c in live(approval, at) if c.by != by.id)
    return approval.model_copy(update={"claims": (*others, claim)})


def released(approval: Approval, by: Principal, *, at: str) -> Approval:
    """Return the approval without a person's claim.

    Raises:
        ApprovalStale: it was decided before, is overdue, or is not what was requested.
        ApprovalForbidden: this person has no claim on it.
    """
    check_open(approval, at)
    if not any(claim.by == by.id for claim in live(approval, at)):
        raise ApprovalForbidden(
            f"{by.id} has no claim on approval {approval.id}",
            hint="only whoever claimed it releases it; a claim ends by itself",
        )
    left = tuple(claim for claim in live(approval, at) if claim.by != by.id)
    return approval.model_copy(update={"claims": left})
