"""What must happen besides when a call runs: fields are taken out, people are told."""

from __future__ import annotations

from concertmaster.agents.notices import Notice
from concertmaster.contracts import Action, ActionResult, Allow, Notify, Redact, Review
from concertmaster.graphs.grounds import Grounds

__all__ = ["notify", "withheld_fields"]


def withheld_fields(decision: Allow | Review) -> tuple[str, ...]:
    """Return the fields that must be taken out of the call's result."""
    return tuple(duty.field for duty in decision.duties if isinstance(duty, Redact))


def notify(
    grounds: Grounds, action: Action, decision: Allow | Review, result: ActionResult
) -> None:
    """Tell the people whom policies want to know that the call took place, or may have."""
    if result.status not in ("done", "in_doubt"):
        return
    took = "took place" if result.status == "done" else "may have taken place"
    for duty in decision.duties:
        if isinstance(duty, Notify):
            _tell(grounds, action, duty.role, result.status, took)


def _tell(grounds: Grounds, action: Action, role: str, status: str, took: str) -> None:
    session = grounds.session
    grounds.services.trail.emit(
        "policy.notice",
        why=f"{role} is told that {action.tool} {took}",
        actor="act",
        run=session.run,
        thread=session.thread,
        on_behalf_of=session.principal.id,
        role=role,
        tool=action.tool,
        position=action.position,
        status=status,
    )
    grounds.services.notices.tell(
        Notice(
            role=role,
            tool=action.tool,
            status=status,
            run=session.run,
            thread=session.thread,
            position=action.position,
            on_behalf_of=session.principal.id,
        )
    )
