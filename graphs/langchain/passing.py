"""A proposed call in the form in which it would run, and what can come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from concertmaster.contracts import Action, Approval, Duty
from concertmaster.graphs.langchain.journal import Outcome, Question, Row
from concertmaster.graphs.langchain.proposed import Proposed
from concertmaster.graphs.langchain.reading import Reading
from concertmaster.tools.declaration import Tool

__all__ = [
    "STEP",
    "Asked",
    "Cleared",
    "Entered",
    "Passing",
    "Refused",
    "Replayed",
    "Told",
    "Waiting",
]

STEP = "agent"
"""What policies see as the step: other people's graphs have none."""


@dataclass(frozen=True, kw_only=True)
class Passing:
    """A call on its way through the gate: its arguments are those that would run, no others."""

    proposed: Proposed
    tool: Tool
    arguments: Mapping[str, Any]
    reading: Reading

    @cached_property
    def action(self) -> Action:
        """The call as reviewers, the trail and the journal know it."""
        return Action(
            position=0,
            step=STEP,
            tool=self.tool.name,
            arguments=dict(self.arguments),
            key=self.tool.name,
            why=f"an agent proposes {self.tool.name}",
            call_id=self.proposed.call_id,
        )

    @cached_property
    def call(self) -> str:
        """The digest of what would run."""
        return self.action.call_digest()

    @cached_property
    def key(self) -> str:
        """The journal's name of exactly this call, for this principal, at this place."""
        return self.proposed.key(self.call)

    def edited(self, arguments: Mapping[str, Any]) -> Self:
        """Return the call with a reviewer's arguments: another call, which nobody allowed yet.

        Raises:
            ToolError: they do not fit.
        """
        return replace(self, arguments=self.tool.validate(arguments))

    def row(self, outcome: Outcome, result: Any = None) -> Row:
        """Return the journal's row of this call."""
        return Row(
            key=self.key,
            thread=self.proposed.place,
            turn=self.proposed.turn,
            tool=self.tool.name,
            consequential=self.tool.consequential,
            outcome=outcome,
            result=result,
        )


@dataclass(frozen=True)
class Asked:
    """A question of the present task with its approval."""

    question: Question
    approval: Approval


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """The call may run now, exactly so."""

    passing: Passing
    duties: tuple[Duty, ...] = ()
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The call may run once people approve it."""

    passing: Passing
    approval: Approval
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True)
class Refused:
    """The call must not run."""

    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """The call does not run: a reviewer answered in its place, or it was found to be done."""

    text: str


@dataclass(frozen=True)
class Replayed:
    """The call took effect before; this was kept of its result."""

    kept: Mapping[str, Any] | None


Entered = Cleared | Waiting | Refused | Told | Replayed
