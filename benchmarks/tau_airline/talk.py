"""The conversation up to a call: who said what, and what was on the table when the user answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tau_airline.wording import Answer, answer_in

__all__ = ["Talk"]


@dataclass(frozen=True)
class Talk:
    """What user and agent had said when a call was proposed.

    Only what was said up to the user's last message counts: what the agent says afterwards, or
    beside the call, the user has not answered yet.
    """

    user: tuple[str, ...]
    agent: tuple[str, ...]

    @classmethod
    def before(cls, messages: Sequence[Mapping[str, Any]], index: int) -> Talk:
        """Return what was said before the message with this index."""
        said = [
            (m["role"], m.get("content") or "")
            for m in messages[:index]
            if m["role"] in ("user", "assistant")
        ]
        while said and said[-1][0] != "user":
            said.pop()
        return cls(
            user=tuple(text for role, text in said if role == "user"),
            agent=tuple(text for role, text in said if role == "assistant" and text),
        )

    @property
    def answer(self) -> Answer:
        """How the user's last message takes what the agent said before it."""
        return answer_in(self.user[-1]) if self.user and self.agent else "other"

    @property
    def users_words(self) -> str:
        """All that the user said."""
        return "\n".join(self.user)

    @property
    def all_words(self) -> str:
        """All that either of them said."""
        return "\n".join((*self.user, *self.agent))
