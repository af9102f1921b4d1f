"""What one person may do with an approval now, and in which sentence they may not. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.contracts import Approval, Approve, Claim, Principal, Reject, Vote
from concertmaster.errors import ApprovalError
from concertmaster.policies.ballot import check_open, role_for
from concertmaster.policies.slots import live

__all__ = ["Standing", "standing"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where one person stands. `refusal` says why they cannot answer at all."""

    approves: bool
    answers: bool
    refusal: str = ""
    hint: str = ""
    own_claim: Claim | None = None
    other_claims: tuple[Claim, ...] = ()
    own_vote: Vote | None = None
    mine: bool = False
    """Whether this person asked for the call."""


def standing(approval: Approval, who: Principal, at: str) -> Standing:
    """Return what a person may do with an approval at a moment.

    Whoever decides looks at it again; this is for showing it.
    """
    claims = live(approval, at) if approval.status == "pending" else ()
    own = next((claim for claim in claims if claim.by == who.id), None)
    vote = next((vote for vote in approval.votes if vote.by == who.id), None)
    approves, refused = _may(approval, Approve(), who, at)
    answers, also = _may(approval, Reject(), who, at)
    error = None if approves or answers else refused or also
    return Standing(
        approves=approves,
        answers=answers,
        refusal=error.message if error else "",
        hint=(error.hint or "") if error else "",
        own_claim=own,
        other_claims=tuple(claim for claim in claims if claim.by != who.id),
        own_vote=vote,
        mine=approval.requester == who.id,
    )


def _may(
    approval: Approval, answer: Approve | Reject, who: Principal, at: str
) -> tuple[bool, ApprovalError | None]:
    try:
        check_open(approval, at)
        role_for(approval, answer, who, at=at)
    except ApprovalError as error:
        return False, error
    return True, None
