"""One case of a dataset: what is said, by whom, who reviews it, and what should come of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from concertmaster.contracts import Status
from concertmaster.contracts.scripted import ScriptedAnswer
from concertmaster.contracts.written import Name, Spec

__all__ = [
    "KNOWN_WEAKNESS",
    "OUT_OF_SCOPE",
    "ArgumentsMatch",
    "Case",
    "Expected",
    "ExpectedCall",
    "PathMatch",
    "Review",
    "Said",
    "ToolsMatch",
]

OUT_OF_SCOPE = "out_of_scope"
"""What a case writes for a message that is none of the workflow's business."""

KNOWN_WEAKNESS = "known-weakness"
"""The tag of a case that is right and fails: it is shown, and fails no evaluation by itself."""

PathMatch = Literal["exact", "in_order", "contains"]
ToolsMatch = Literal["strict", "unordered", "subset", "superset"]
ArgumentsMatch = Literal["exact", "subset", "ignore"]
_LONGEST = 100_000


class ExpectedCall(Spec):
    """One tool call; `arguments` are compared only if given, `status` likewise (`done`, …)."""

    tool: str
    arguments: dict[str, Any] | None = None
    status: str | None = None


class Expected(Spec):
    """What should come of a message. What is left out is not looked at.

    `intent` may be `out_of_scope`. `path` are the supervisor's targets, in order. `documents` have
    to be found, `citations` are the documents that the answer has to cite (empty: none at all).
    `tools` are compared as trajectories: `strict` (these, in this order), `unordered`, `subset`
    (no others), `superset` (at least these). `effects` are the consequential calls that took
    effect, all of them. `reviewers` are the roles that were asked. A `forbidden` tool may not be
    carried out. `max_cost` is in USD, `max_seconds` leaves out the time that people take.
    """

    intent: str | None = None
    path: tuple[str, ...] | None = None
    path_match: PathMatch = "exact"
    documents: tuple[str, ...] | None = None
    citations: tuple[str, ...] | None = None
    citations_match: Literal["exact", "superset"] = "superset"
    tools: tuple[ExpectedCall, ...] | None = None
    tools_match: ToolsMatch = "unordered"
    arguments_match: ArgumentsMatch = "subset"
    effects: tuple[str, ...] | None = None
    forbidden: tuple[str, ...] = ()
    reviewers: tuple[str, ...] | None = None
    status: Status | None = None
    owner: str | None = None
    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    max_cost: Annotated[float, Field(ge=0)] | None = None
    max_seconds: Annotated[float, Field(gt=0)] | None = None


class Review(ScriptedAnswer):
    """What one person answers to the approvals of a tool; of any tool if none is named.

    The first line that fits an approval answers it, once for each person. `arguments` change those
    of the call, for `edit`.
    """

    who: str = Field(alias="as")
    tool: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Review:
        if self.answer == "edit" and not self.arguments:
            raise ValueError("an edit says in `arguments` what it changes")
        if self.answer == "respond" and not (self.text or self.reason):
            raise ValueError("a response says something in `text`")
        return self


class Said(Spec):
    """One message of the conversation and what should come of it."""

    text: Annotated[str, Field(min_length=1, max_length=_LONGEST)]
    expected: Expected = Expected()


def _said(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


_Message = Annotated[Said, BeforeValidator(_said, json_schema_input_type=str | Said)]
_Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Case(Spec):
    """One line of a dataset: a conversation on a thread of its own, over books of its own.

    `expected` is of the last message; a message that is an object has its own.
    """

    id: Name
    principal: Annotated[str, Field(min_length=1, max_length=200)]
    messages: tuple[_Message, ...] = Field(min_length=1, max_length=50)
    reviewer: tuple[Review, ...] = ()
    expected: Expected = Expected()
    tags: tuple[_Tag, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _once(self) -> Case:
        last = self.messages[-1].expected
        if self.expected != Expected() and last != Expected():
            raise ValueError("`expected` is given for the case and for its last message: give one")
        if self.expected == last == Expected():
            raise ValueError("`expected` says nothing about the last message")
        return self

    @property
    def turns(self) -> tuple[Said, ...]:
        """The messages, the last one with the case's expectation."""
        last = self.messages[-1]
        if self.expected == Expected():
            return self.messages
        return (*self.messages[:-1], Said(text=last.text, expected=self.expected))

    @property
    def known_weakness(self) -> bool:
        """Whether the case is known to fail."""
        return KNOWN_WEAKNESS in self.tags
