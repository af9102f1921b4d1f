"""A call that waits for people, and the four answers they can give."""

from __future__ import annotations

import json
from html import escape
from typing import Annotated, Any, Literal

from pydantic import Field

from concertmaster.contracts.action import Action
from concertmaster.contracts.base import Record
from concertmaster.contracts.decision import ReviewNeed

__all__ = ["Answer", "Approval", "ApprovalStatus", "Approve", "Edit", "Reject", "Respond", "Vote"]

ApprovalStatus = Literal["pending", "approved", "edited", "rejected", "responded", "void"]


class Approve(Record):
    """Let the call run as it stands."""

    kind: Literal["approve"] = "approve"
    reason: str = ""


class Edit(Record):
    """Let it run with other arguments; the edited call is decided again, the tool stays."""

    kind: Literal["edit"] = "edit"
    arguments: dict[str, Any]
    reason: str = ""


class Reject(Record):
    """Do not run it; the reason is told to the requester."""

    kind: Literal["reject"] = "reject"
    reason: str = ""


class Respond(Record):
    """Do not run it; the agent goes on with this text in place of the tool's result."""

    kind: Literal["respond"] = "respond"
    text: str


Answer = Annotated[Approve | Edit | Reject | Respond, Field(discriminator="kind")]


class Vote(Record):
    """One person's answer, with the role in which it was given."""

    by: str
    role: str
    answer: Answer
    at: str


class Approval(Record):
    """A stored request for a decision, bound by `digest` to action, principal and evidence.

    `id` is what reviewers type; `digest` covers the action (tool and canonical arguments), the
    requester and the digests of the evidence that the reviewer is shown. `bundle` is recorded,
    not bound: the call is decided again when it runs.
    """

    id: str
    run: str
    thread: str
    position: int
    action: Action
    requester: str
    evidence: tuple[str, ...] = ()
    digest: str
    needs: tuple[ReviewNeed, ...]
    reasons: tuple[str, ...] = ()
    bundle: str = ""
    status: ApprovalStatus = "pending"
    votes: tuple[Vote, ...] = ()
    created: str
    decided: str | None = None

    def _repr_html_(self) -> str:
        """Return a card for notebooks: what would run, for whom, why a person looks, who may."""
        needs = ", ".join(f"{n.count} × {n.role}" for n in self.needs)
        arguments = json.dumps(self.action.arguments, indent=2, ensure_ascii=False)
        return (
            "<div style='border-left:4px solid #9a6700;background:#fff8c5;color:#1f2328;"
            "padding:8px 12px;margin:8px 0'>"
            f"<b>{escape(self.status)}</b> <code>{escape(self.id)}</code>:"
            f" <code>{escape(self.action.tool)}</code> for {escape(self.requester)},"
            f" needs {escape(needs)}<br>{escape('; '.join(self.reasons) or self.action.why)}"
            f"<pre style='margin:6px 0 0;white-space:pre-wrap'>{escape(arguments)}</pre></div>"
        )
