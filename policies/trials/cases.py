"""A call as people write it down, in JSON or in a row of a table."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from concertmaster.contracts import Confidentiality, History, Label, Past, Principal, Record, Trust
from concertmaster.errors import ConfigError

__all__ = ["CallCase", "CaseError", "LabelCase", "Output", "completed"]


class CaseError(ConfigError):
    """A written call names something that does not exist; `key` says where."""

    def __init__(self, key: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Texts = Annotated[
    tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])
]


class Output(Record):
    """What a tool returned before the call, as plain JSON; the tool says how far it is trusted."""

    tool: str
    output: Any = None


_Who = Annotated[
    Annotated[str, Tag("id")] | Annotated[Principal, Tag("principal")],
    Discriminator(lambda value: "id" if isinstance(value, str) else "principal"),
]


class LabelCase(Record):
    """The label of everything that was read; a part that is not given follows from `results`."""

    trusted: bool | None = None
    confidentiality: Literal["public", "internal", "restricted"] | None = None

    def over(self, label: Label) -> Label:
        """Return a label with the parts that are given in place of its own."""
        trust = label.trust if self.trusted is None else Trust(int(self.trusted))
        level = self.confidentiality
        return label.model_copy(
            update={
                "trust": trust,
                "confidentiality": Confidentiality[level] if level else label.confidentiality,
            }
        )


class CallCase(Record):
    """One call with what was said, read and done before it.

    `principal` is an id that the workspace knows, or a whole principal. `facts` are what the
    tool's fact resolver would find. `said` are the principal's own messages, `documents` passages
    that were found, `results` what tools returned; `history` and `label` follow from the results
    where they are not given. `step` is the step that proposes the call, by default the first one
    that lists the tool.
    """

    tool: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    principal: _Who
    step: str | None = None
    facts: dict[str, Any] | None = None
    said: _Texts = ()
    documents: _Texts = ()
    results: tuple[Output, ...] = ()
    history: History | None = None
    intent: str | None = None
    label: LabelCase | None = None


def completed(history: History, consequential: frozenset[str]) -> History:
    """Return a history with what follows from what it says.

    A tool that is done was called, and what was done in the run was done on its thread.
    """
    run = _counted(history.run, consequential)
    thread = _counted(history.thread, consequential)
    joined = Past(
        done=thread.done | run.done,
        calls=max(thread.calls, run.calls),
        consequential=max(thread.consequential, run.consequential),
        refused=max(thread.refused, run.refused),
    )
    return History(run=run, thread=_counted(joined, consequential))


def _counted(past: Past, consequential: frozenset[str]) -> Past:
    effects = max(past.consequential, len(past.done & consequential))
    reads = len(past.done - consequential)
    return past.model_copy(
        update={"calls": max(past.calls, effects + reads), "consequential": effects}
    )
