"""What is told of a run that has not ended: what it waits for, or that it goes on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.contracts import Approval

__all__ = ["goes_on", "waits_for"]


def waits_for(pending: Sequence[Approval]) -> str:
    """Return the approvals that a run waits for, with their ids, in words."""
    lines = []
    for approval in pending:
        needs = " and ".join(
            need.role if need.count == 1 else f"{need.count} of {need.role}"
            for need in approval.needs
        )
        lines.append(f"Waiting for approval {approval.id}: {approval.action.tool}, by {needs}.")
    return "\n".join(lines)


def goes_on(id: str) -> str:
    """Return what is told when an answer is not there in time."""
    return f"This takes longer and goes on without you; ask for {id} in a while."
