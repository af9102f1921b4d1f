"""What a person answers to an approval, written down beforehand: for demos and evaluations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from concertmaster.contracts.approval import Answer, Approval, Approve, Edit, Reject, Respond
from concertmaster.contracts.written import Spec

__all__ = ["ScriptedAnswer"]


class ScriptedAnswer(Spec):
    """One of the four answers; `arguments` change those of the call that is edited."""

    answer: Literal["approve", "edit", "reject", "respond"]
    reason: str = ""
    text: str = ""
    arguments: dict[str, Any] = Field(default_factory=dict)

    def vote(self, approval: Approval) -> Answer:
        """Return the answer to an approval."""
        match self.answer:
            case "approve":
                return Approve(reason=self.reason)
            case "reject":
                return Reject(reason=self.reason)
            case "respond":
                return Respond(text=self.text or self.reason)
        changed = {**approval.action.arguments, **self.arguments}
        return Edit(arguments=changed, reason=self.reason)
