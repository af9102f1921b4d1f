"""What the trail is told of approvals: events that name the call by its digest alone."""

from __future__ import annotations

from builtins import list as list_
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import Approval, AuditEvent, Claim, Edit, digest
from concertmaster.policies.deadlines import missing
from concertmaster.policies.endorsement import endorsers, endorses, unproven_values

__all__ = ["ApprovalEvents"]

_HOST = "concertmaster"


class ApprovalEvents:
    """Makes the events of approvals; storing them is the caller's, with what they tell of."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def requested(self, approval: Approval) -> AuditEvent:
        """Return the event of an approval that was asked for."""
        return self._event(
            "approval.requested",
            approval,
            why="; ".join(approval.reasons) or f"{approval.action.tool} needs a review",
            actor=_HOST,
            step=approval.action.step,
            needs=[need.model_dump() for need in approval.needs],
            evidence=list(approval.evidence),
            bundle=approval.bundle,
            **_term(approval),
        )

    def answered(self, approval: Approval) -> AuditEvent:
        """Return the event of the last answer."""
        vote = approval.votes[-1]
        answer = vote.answer
        edited = {"tool": approval.action.tool, "arguments": getattr(answer, "arguments", None)}
        return self._event(
            "approval.answered",
            approval,
            why=getattr(answer, "reason", "") or f"{vote.by} answered: {answer.kind}",
            actor=vote.by,
            answer=answer.kind,
            role=vote.role,
            status=approval.status,
            **({"edited_call": digest(edited)} if isinstance(answer, Edit) else {}),
        )

    def endorsed(self, approval: Approval) -> list_[AuditEvent]:
        """Tell whose word now stands for values that nothing else proved; never the values."""
        unproven = unproven_values(approval) if endorses(approval) else ()
        if not unproven:
            return []
        reviewers = endorsers(approval)
        return [
            self._event(
                "value.endorsed",
                approval,
                why=f"{' and '.join(reviewers)} let values through that nothing else proves",
                actor=reviewers[-1],
                reviewers=list(reviewers),
                values=[{"path": v.path, "origin": v.origin} for v in unproven],
                edited=approval.status == "edited",
            )
        ]

    def _event(self, type_: Any, approval: Approval, **fields: Any) -> AuditEvent:
        """Return an event about an approval, which names the call by its digest alone."""
        return self._trail.event(
            type_,
            run=approval.run,
            thread=approval.thread,
            on_behalf_of=approval.requester,
            approval=approval.id,
            tool=approval.action.tool,
            position=approval.position,
            call=approval.action.call_digest(),
            digest=approval.digest,
            **fields,
        )

    def voided(self, approval: Approval, why: str) -> AuditEvent:
        """Return the event of an approval that became void."""
        return self._event("approval.voided", approval, why=why, actor=_HOST)

    def overdue(self, closed: Approval, successor: Approval | None) -> AuditEvent:
        """Return the event of a deadline that passed, with its consequence."""
        then = f"{successor.needs[0].role} decides instead" if successor else "it is rejected"
        return self._event(
            "approval.overdue",
            closed,
            why=f"{missing(closed)}; {then}",
            actor=_HOST,
            status=closed.status,
            due=closed.due,
            successor=successor.id if successor else None,
        )

    def claimed(self, approval: Approval, claim: Claim) -> AuditEvent:
        """Return the event of a claim."""
        return self._event(
            "approval.claimed",
            approval,
            why=f"{claim.by} looks at it as {claim.role}",
            actor=claim.by,
            role=claim.role,
            until=claim.until,
        )

    def released(self, approval: Approval, by: str) -> AuditEvent:
        """Return the event of a claim that was given up."""
        return self._event("approval.released", approval, why=f"{by} let go of it", actor=by)


def _term(approval: Approval) -> dict[str, Any]:
    """Return until when people have time; nothing where there is no deadline."""
    if approval.deadline is None:
        return {}
    term = {"due": approval.due, "at_deadline": approval.deadline.then}
    return term | ({"replaces": approval.replaces} if approval.replaces else {})
