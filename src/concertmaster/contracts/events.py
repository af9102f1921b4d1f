"""What the trail holds and what a stream carries.

Audit events are append-only facts with a reason; the set of types is closed. Stream events are
what `Desk.stream` yields; that union is closed, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from concertmaster.contracts import html
from concertmaster.contracts.approval import Approval
from concertmaster.contracts.base import Record
from concertmaster.contracts.outcome import Outcome

__all__ = [
    "ActionChanged",
    "ApprovalRequested",
    "AuditEvent",
    "EventType",
    "Hopped",
    "RunEnded",
    "RunStarted",
    "StepStarted",
    "StreamEvent",
    "TextDelta",
]

EventType = Literal[
    "run.received",
    "run.queued",
    "run.started",
    "run.recovered",
    "run.cancelled",
    "run.ended",
    "intake.labelled",
    "route.hop",
    "route.ask",
    "intent.classified",
    "retrieval.done",
    "model.chosen",
    "model.called",
    "model.failed",
    "budget.reached",
    "budget.granted",
    "plan.proposed",
    "policy.decided",
    "policy.notice",
    "value.redacted",
    "value.endorsed",
    "approval.requested",
    "approval.answered",
    "approval.refused",
    "approval.voided",
    "approval.overdue",
    "approval.claimed",
    "approval.released",
    "approval.untold",
    "tool.refused",
    "effect.intended",
    "effect.done",
    "effect.failed",
    "effect.in_doubt",
    "effect.reused",
    "tool.called",
    "step.failed",
    "step.custom",
    "draft.composed",
    "critic.judged",
    "knowledge.ingested",
    "audit.erased",
    "audit.rotated",
    "audit.unsigned",
    "retention.pruned",
    "feedback.given",
    "feedback.reviewed",
    "home.taken",
    "home.restored",
]


class AuditEvent(Record):
    """One fact of the trail: a CloudEvents 1.0 envelope reduced to what varies.

    `seq` is given by the store. `why` is a sentence for people; `data` is plain JSON whose keys
    are documented with each type.
    """

    id: str
    seq: int | None = None
    time: str
    type: EventType
    workspace: str
    thread: str | None = None
    run: str | None = None
    actor: str
    on_behalf_of: str | None = None
    why: str
    data: dict[str, Any] = Field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<AuditEvent {self.seq} {self.type} by {self.actor!r}>"

    @staticmethod
    def _list_html_(events: Sequence[AuditEvent]) -> str:
        from concertmaster.contracts.timeline import timeline

        return html.card(timeline(events))


class _Streamed(Record):
    run: str
    thread: str


class RunStarted(_Streamed):
    """The run is stored and begins."""

    kind: Literal["run_started"] = "run_started"


class Hopped(_Streamed):
    """The supervisor sent the run to a step, with its reason."""

    kind: Literal["hopped"] = "hopped"
    to: str
    why: str


class StepStarted(_Streamed):
    """A step began."""

    kind: Literal["step_started"] = "step_started"
    step: str


class ActionChanged(_Streamed):
    """A proposed call changed its status."""

    kind: Literal["action_changed"] = "action_changed"
    tool: str
    status: str
    why: str


class ApprovalRequested(_Streamed):
    """The run waits for people."""

    kind: Literal["approval_requested"] = "approval_requested"
    approval: Approval


class TextDelta(_Streamed):
    """A part of the answer, sent only after the critic passed it."""

    kind: Literal["text_delta"] = "text_delta"
    text: str


class RunEnded(_Streamed):
    """The run ended or waits; the last event of every stream."""

    kind: Literal["run_ended"] = "run_ended"
    outcome: Outcome


StreamEvent = Annotated[
    RunStarted | Hopped | StepStarted | ActionChanged | ApprovalRequested | TextDelta | RunEnded,
    Field(discriminator="kind"),
]
