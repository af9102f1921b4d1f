"""The record of one turn, and what a thread remembers between turns.

Both are checkpointed as plain JSON and validated whenever they are read: whoever holds the
compiled graph can write state, so nothing here is authority for an action.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from concertmaster.contracts.action import Action, ActionResult
from concertmaster.contracts.base import Record
from concertmaster.contracts.context import Note, Summary
from concertmaster.contracts.draft import Draft, Verdict
from concertmaster.contracts.evidence import Retrieved
from concertmaster.contracts.intent import Intent
from concertmaster.contracts.labels import Label
from concertmaster.contracts.outcome import Outcome
from concertmaster.contracts.queued import Queued
from concertmaster.contracts.request import Request

__all__ = ["Hop", "Memory", "Message", "StepFailure", "Turn", "Usage"]


class Hop(Record):
    """One decision of the supervisor: where to, and why; `owner` for escalations."""

    to: str
    why: str
    owner: str | None = None
    route: int | None = None


class StepFailure(Record):
    """A step that could not do its part, and where its declared fallback leads."""

    step: str
    why: str
    fallback: str
    owner: str | None = None


class Usage(Record):
    """What a turn spent: model calls, tokens, money (in USD), tool calls.

    `cached_tokens` are those of the input that a provider had in its cache.
    """

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float = 0.0
    tool_calls: int = 0

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(
            model_calls=self.model_calls + other.model_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost=self.cost + other.cost,
            tool_calls=self.tool_calls + other.tool_calls,
        )


class Message(Record):
    """One message of the thread's window; `documents` are `(id, version)` that it quotes.

    `sources` tells people in one line what it cites. `label` is the join of what it was made from;
    without one, nobody knows.
    """

    role: Literal["user", "assistant"]
    text: str
    run: str
    documents: tuple[tuple[str, str], ...] = ()
    sources: str = ""
    label: Label | None = None


class Memory(Record):
    """What a follow-up resolves against: the last topic, intent and slots, the open question.

    `offered` are the intents among which the author was asked to choose, `queued` what else an
    earlier message wanted. `notes` are of the last turns, oldest first; `summary` is a model's.
    `models` are those that answered sticky steps last, by step.
    """

    topic: str = ""
    intent: str | None = None
    slots: dict[str, Any] = Field(default_factory=dict)
    asked: str | None = None
    offered: tuple[str, ...] = ()
    queued: tuple[Queued, ...] = ()
    notes: tuple[Note, ...] = ()
    summary: Summary | None = None
    models: dict[str, str] = Field(default_factory=dict)


class Turn(Record):
    """Everything that one run made of one message; replaced whole at intake.

    `results` is keyed by the action's position as a string (JSON has no other keys). `planned`
    are the ids of executor steps whose plan is complete, `done` those of all finished steps.
    `said` is fixed wording that a plan ended with (a business outcome, a question). `offers` are
    the intents between which the author is asked to choose, `queued` what else the message wants.
    `composed` is the label of everything that models read who wrote something in this turn,
    `summary` what one of them made of the thread's older messages.
    """

    schema_version: Literal[1] = 1
    run: str
    request: Request
    intent: Intent | None = None
    retrieved: Retrieved | None = None
    slots: dict[str, Any] = Field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    results: dict[str, ActionResult] = Field(default_factory=dict)
    planned: tuple[str, ...] = ()
    said: str | None = None
    asks: str | None = None
    offers: tuple[str, ...] = ()
    queued: tuple[Queued, ...] = ()
    data: dict[str, Any] = Field(default_factory=dict)
    models: dict[str, str] = Field(default_factory=dict)
    composed: Label | None = None
    summary: Summary | None = None
    draft: Draft | None = None
    verdict: Verdict | None = None
    revisions: int = 0
    hops: tuple[Hop, ...] = ()
    done: tuple[str, ...] = ()
    failed: StepFailure | None = None
    label: Label = Label()
    usage: Usage = Usage()
    outcome: Outcome | None = None

    @property
    def subject(self) -> str:
        """The words that this turn is about: those of its intent, else the resolved request."""
        own = self.intent.text if self.intent else None
        return own or self.request.resolved

    def settled(self, action: Action) -> bool:
        """Tell whether the action has its result."""
        return str(action.position) in self.results

    def unsettled(self) -> tuple[Action, ...]:
        """Return the proposed actions without a result, in order."""
        return tuple(a for a in self.actions if not self.settled(a))

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of the calls that were done, by key; the later one wins."""
        ordered = sorted(self.results.values(), key=lambda r: r.position)
        return {r.key: r.output for r in ordered if r.status == "done"}

    def unsuccessful(self) -> tuple[ActionResult, ...]:
        """Return the results of calls that did not take place, in order."""
        ordered = sorted(self.results.values(), key=lambda r: r.position)
        return tuple(r for r in ordered if r.status not in ("done", "answered"))
