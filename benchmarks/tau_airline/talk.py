"""The conversation up to a call: who said what, and what was on the table when the user answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tau_airline.wording import Answer, answer_in

__all__ = ["Talk"]

_AGREES = ("yes", "request")


@dataclass(frozen=True)
class Talk:
    """What user and agent had said when a call was proposed.

    Only what was said up to the user's last message counts: what the agent says afterwards, or
    beside the call, the user has not answered yet.
    """

    turns: tuple[tuple[str, str], ...]

    @classmethod
    def before(cls, messages: Sequence[Mapping[str, Any]], index: int) -> Talk:
        """Return what was said before the message with this index."""
        said = [
            (m["role"], m["content"])
            for m in messages[:index]
            if m["role"] in ("user", "assistant") and m.get("content")
        ]
        while said and said[-1][0] != "user":
            said.pop()
        return cls(tuple(said))

    @property
    def user(self) -> tuple[str, ...]:
        """What the user said, in order."""
        return tuple(text for role, text in self.turns if role == "user")

    @property
    def answer(self) -> Answer:
        """How the user's last message takes what the agent said before it."""
        return answer_in(self.turns[-1][1]) if len(self.turns) > 1 else "other"

    @property
    def agreed(self) -> tuple[str, ...]:
        """What the agent said and the user then said yes to, or took up in a request."""
        return tuple(
            text
            for (role, text), (next_role, reply) in pairwise(self.turns)
            if role == "assistant" and next_role == "user" and answer_in(reply) in _AGREES
        )

    @property
    def proposal(self) -> str:
        """What the agent said last before the user's last message."""
        return next((text for role, text in reversed(self.turns) if role == "assistant"), "")

    @property
    def settled(self) -> tuple[str, ...]:
        """What the user said, and what the agent said that the user agreed to."""
        return (*self.user, *self.agreed)
