"""The conversation up to a call: who said what, until the user answered last."""

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
    def users_words(self) -> str:
        """All that the user said."""
        return "\n".join(self.user)

    @property
    def words(self) -> str:
        """All that either of them said."""
        return "\n".join(text for _, text in self.turns)
