"""`playbooks.yaml`: deterministic plans with typed slots."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from concertmaster.contracts.written import Name, Spec

__all__ = ["CallSpec", "PlaybookSpec", "PlaybooksFile", "ReplySpec", "SlotSpec"]


class SlotSpec(Spec):
    """A typed value that a playbook needs from the message.

    `money` is read into minor units (cents). `pattern` is a regular expression whose first group
    is the value. A required slot without a value makes the desk ask `question`. With `carry`, a
    value that the principal gave earlier on the thread is used when this message has none.
    """

    name: Name
    type: Literal["integer", "money", "text", "enum", "date", "email"]
    pattern: str | None = None
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    required: bool = True
    carry: bool = False
    question: str | None = None


class CallSpec(Spec):
    """One call of a playbook.

    Argument strings that begin with `=` are CEL over `slots`, `results` (by key), `principal` and
    `request`; all else is literal. `when` is CEL over the same; a call whose `when` is false is
    skipped. `stop` ends the plan with this text when `when` holds and there is no `tool`.
    """

    key: Name
    tool: Name | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    when: str | None = None
    stop: str | None = None
    why: str = ""

    @model_validator(mode="after")
    def _tool_or_stop(self) -> Self:
        if (self.tool is None) == (self.stop is None):
            raise ValueError("a playbook call has exactly one of 'tool' and 'stop'")
        return self


class ReplySpec(Spec):
    """One wording of a playbook's answer."""

    when: str | None = None
    text: str


class PlaybookSpec(Spec):
    """A deterministic plan: slots from the message, then calls in order, then the reply.

    The first `reply` whose `when` holds is the answer; `{=CEL}` in its text is filled in.
    """

    name: Name
    slots: tuple[SlotSpec, ...] = ()
    calls: tuple[CallSpec, ...] = Field(min_length=1)
    reply: tuple[ReplySpec, ...] = ()


class PlaybooksFile(Spec):
    """`playbooks.yaml`."""

    playbooks: tuple[PlaybookSpec, ...] = ()
