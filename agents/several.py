"""Which requests one message holds, by reading its clauses one by one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from concertmaster.agents.splitting import joins, split_message

if TYPE_CHECKING:
    from concertmaster.models.classifier import Scores

__all__ = ["Part", "requests_in"]

_SURE = 0.6
_LEAD = 0.3
_ONE = 0.9
_MOST = 3


@dataclass(frozen=True)
class Part:
    """One request: its words in the message, and what the classifier makes of them."""

    text: str
    scores: Scores

    @property
    def intent(self) -> str:
        """The likeliest intent."""
        return self.scores.ranked[0][0]


def requests_in(text: str, whole: Scores, predict: Callable[[str], Scores]) -> tuple[Part, ...]:
    """Return the requests of a message, if there are several with different intents; else none.

    A message that reads clearly as one intent is one request, unless it joins clauses by words
    such as "also". Each clause has to be read with confidence by itself; what is not, such as a
    greeting or a reason, belongs to the request before. At most three are returned.
    """
    if whole.in_scope and whole.ranked[0][1] >= _ONE and not joins(text):
        return ()
    clauses = split_message(text)
    if len(clauses) < 2:
        return ()
    parts: list[Part] = []
    for clause in clauses:
        scores = predict(clause)
        if not _sure(scores):
            continue
        if not any(p.intent == scores.ranked[0][0] for p in parts):
            parts.append(Part(clause, scores))
    return tuple(parts[:_MOST]) if len(parts) > 1 else ()


def _sure(scores: Scores) -> bool:
    first = scores.ranked[0][1]
    second = scores.ranked[1][1] if len(scores.ranked) > 1 else 0.0
    return scores.in_scope and first >= _SURE and first - second >= _LEAD
