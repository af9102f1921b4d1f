"""What people outside are told of an approval: that it waits, not what it is about in detail."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts.approval import Approval
from concertmaster.contracts.base import Record, digest
from concertmaster.contracts.decision import ReviewNeed

__all__ = ["ApprovalNotice"]


class ApprovalNotice(Record):
    """A call waits for people, or they did not decide in time. It holds no argument value.

    `event` is `requested`, `escalated` (others are asked now) or `overdue` (it is rejected).
    `at` is when that was, `due` until when people have time; both in UTC. A notice may be told
    twice; `id` is the same then.
    """

    event: Literal["requested", "escalated", "overdue"]
    workspace: str
    approval: str
    tool: str
    needs: tuple[ReviewNeed, ...]
    due: str | None
    at_deadline: str | None
    reasons: tuple[str, ...]
    run: str
    at: str
    id: str = ""

    @classmethod
    def of(
        cls, approval: Approval, event: Literal["requested", "escalated", "overdue"], workspace: str
    ) -> ApprovalNotice:
        """Return the notice about an approval."""
        return cls(
            event=event,
            workspace=workspace,
            approval=approval.id,
            tool=approval.action.tool,
            needs=approval.needs,
            due=approval.due,
            at_deadline=approval.deadline.then if approval.deadline else None,
            reasons=approval.reasons,
            run=approval.run,
            at=approval.decided or approval.created,
            id=f"ntc-{digest([workspace, approval.id, event])[-16:]}",
        )
