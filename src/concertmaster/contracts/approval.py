"""A call that waits for people, and the four answers they can give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Annotated, Any, Literal

from pydantic import Field

from concertmaster.contracts.action import Action
from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import Claim, Deadline, Moment
from concertmaster.contracts.decision import ReviewNeed
from concertmaster.contracts.provenance import Provenance, ValueOrigin

__all__ = ["Answer", "Approval", "ApprovalStatus", "Approve", "Edit", "Reject", "Respond", "Vote"]

ApprovalStatus = Literal["pending", "approved", "edited", "rejected", "responded", "void"]

_MOST = 50
_CELL = "text-align:left;vertical-align:top;padding:0 14px 0 0;white-space:pre-wrap"
_COLOURS = {
    "pending": "#bf8700",
    "approved": "#1a7f37",
    "edited": "#1a7f37",
    "rejected": "#cf222e",
    "responded": "#0969da",
    "void": "#6e7781",
}


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
    not bound: the call is decided again when it runs. `provenance` is where its values came from
    when it was asked for.

    `due` is when `deadline` is over. An approval that was escalated there is void; the one that
    takes its place names it in `replaces` and what had been needed in `instead_of`.
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
    provenance: Provenance | None = None
    deadline: Deadline | None = None
    due: Moment | None = None
    replaces: str | None = None
    instead_of: tuple[ReviewNeed, ...] = ()
    claims: tuple[Claim, ...] = ()

    def concerns(self) -> tuple[str, ...]:
        """Return what a reviewer should know of where the call came from, a sentence each."""
        if self.provenance is None:
            return ()
        told = [_concern(value) for value in self.provenance.values]
        unasked = () if self.provenance.asked else ("nobody asked for this effect",)
        return (*dict.fromkeys(sentence for sentence in told if sentence), *unasked)

    def __repr__(self) -> str:
        return f"<Approval {self.id} {self.status}: {self.action.tool} for {self.requester!r}>"

    @staticmethod
    def _list_html_(approvals: Sequence[Approval]) -> str:
        shown = "".join(approval._repr_html_() for approval in approvals[:_MOST])
        left = len(approvals) - _MOST
        return f"<div>{shown}{f'<p>and {left} more</p>' if left > 0 else ''}</div>"

    def _repr_html_(self) -> str:
        """Return a card for notebooks: what would run, for whom, why a person looks, who may."""
        needs = ", ".join(f"{n.count} × {n.role}" for n in self.needs)
        asked = f"waits for {needs}" if self.status == "pending" else f"{self.status} ({needs})"
        rows = "".join(
            f"<tr style='background:none'><td style='{_CELL};opacity:.7'>{_visible(name)}</td>"
            f"<td style='{_CELL}'><code>{_visible(json.dumps(value, ensure_ascii=False))}</code>"
            "</td></tr>"
            for name, value in self.action.arguments.items()
        )
        told = [_visible(reason) for reason in self.reasons or (self.action.why,)]
        told += [_visible(concern) for concern in self.concerns()]
        if self.due and self.status == "pending":
            told.append(f"due {escape(self.due[:16].replace('T', ' '))} UTC")
        told += [f"{_visible(v.by)} ({_visible(v.role)}): {v.answer.kind}" for v in self.votes]
        return (
            f"<div style='border-left:4px solid {_COLOURS[self.status]};padding:8px 14px;"
            "margin:8px 0;background:rgba(191,135,0,.13);border-radius:0 8px 8px 0;"
            "font-family:system-ui,sans-serif;font-size:13px;line-height:1.5;max-width:800px'>"
            f"<b>{escape(asked)}</b>&ensp;<code>{escape(self.id)}</code><br>"
            f"<b>{_visible(self.action.tool)}</b> for {_visible(self.requester)}"
            f"<table style='margin:4px 0;font-size:13px'>{rows}</table>{'<br>'.join(told)}</div>"
        )


def _concern(value: ValueOrigin) -> str:
    """Say of a value that it is not proven; nothing of one that is."""
    what = f"{value.path}: {'something in it ' if value.embedded else ''}"
    match value.origin:
        case "untrusted":
            places = ", ".join(dict.fromkeys(source.split("@")[0] for source in value.sources))
            return f"{what}stands only in untrusted output ({places})"
        case "composed":
            return f"{what}stands nowhere in what was said or read"
    return ""


def _visible(text: str) -> str:
    """Escape a text, and show what is invisible: a mark that reorders text must not mislead."""
    return escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
