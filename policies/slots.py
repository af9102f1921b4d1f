"""The places that people can take in deciding an approval, and who has claimed one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from concertmaster.contracts import Approval, Approve, Claim

__all__ = ["free", "live", "told"]

# A clock that was set back must not make a claim last; one that is corrected a little may.
_SKEW = timedelta(minutes=1)


def live(approval: Approval, at: str) -> tuple[Claim, ...]:
    """Return the claims that hold at a moment: not over, and not made in the future."""
    if not approval.claims:
        return ()
    now = datetime.fromisoformat(at)
    return tuple(
        claim
        for claim in approval.claims
        if datetime.fromisoformat(claim.at) - _SKEW <= now < datetime.fromisoformat(claim.until)
    )


def free(approval: Approval, role: str, by: str, at: str) -> bool:
    """Tell whether a role has a place that is neither filled nor claimed by others.

    A role whose need is met has nothing left to claim, and so keeps nobody from rejecting.
    """
    needed = sum(need.count for need in approval.needs if need.role == role)
    given = sum(v.role == role and isinstance(v.answer, Approve) for v in approval.votes)
    if given >= needed:
        return True
    claimed = sum(c.role == role and c.by != by for c in live(approval, at))
    return needed - given - claimed > 0


def told(approval: Approval, roles: Iterable[str], at: str) -> str:
    """Say who has claimed places of these roles, and until when."""
    wanted = frozenset(roles)
    return ", ".join(
        f"{claim.by} as {claim.role} until {claim.until[:16].replace('T', ' ')} UTC"
        for claim in live(approval, at)
        if claim.role in wanted
    )
