"""What a reviewer's answer proves: the values of a call that a person let through. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from concertmaster.contracts import Approval, Approve, Edit
from concertmaster.contracts.provenance import ValueOrigin
from concertmaster.policies.ballot import intact
from concertmaster.policies.provenance import Source

__all__ = ["endorsements", "endorsers", "endorses", "unproven_values"]


def endorses(approval: Approval) -> bool:
    """Tell whether its answers let the values of the call through.

    They do if everybody who was needed approved. An edit does if one person was needed: who edits
    alone what two should have seen has not proven anything yet.
    """
    if not intact(approval):
        return False
    if approval.status == "edited":
        # After an escalation, too, one person alone proves nothing that two should have seen.
        return sum(need.count for need in approval.instead_of or approval.needs) == 1
    return approval.status == "approved"


def endorsers(approval: Approval) -> tuple[str, ...]:
    """Return the people whose answers decided it, in order."""
    kinds = Edit if approval.status == "edited" else Approve
    return tuple(vote.by for vote in approval.votes if isinstance(vote.answer, kinds))


def unproven_values(approval: Approval) -> tuple[ValueOrigin, ...]:
    """Return the values that stood in no trusted place when the approval was asked for."""
    values = approval.provenance.values if approval.provenance else ()
    return tuple(value for value in values if value.origin in ("untrusted", "composed"))


def endorsements(approvals: Iterable[Approval], position: int) -> tuple[Source, ...]:
    """Return the arguments that reviewers let through, as trusted sources.

    Args:
        approvals: of one run.
        position: of the call that is being decided. That people approved it is looked at apart,
            against what is due now; only what they wrote themselves, by editing, counts for it.
    """
    sources = []
    for approval in approvals:
        if not endorses(approval) or not (endorsed_by := endorsers(approval)):
            continue
        name = f"reviewer:{'+'.join(endorsed_by)}"
        if approval.status == "edited":
            answer = approval.votes[-1].answer
            if isinstance(answer, Edit):
                sources.append(Source(name, "trusted", answer.arguments))
        elif approval.position != position:
            sources.append(Source(name, "trusted", approval.action.arguments))
    return tuple(sources)
