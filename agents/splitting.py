"""Where one message may hold several requests: clauses, by punctuation and joining words. Pure."""

from __future__ import annotations

import re

__all__ = ["joins", "split_message"]

_ALSO = (
    r"and also|also|and then|besides|in addition|additionally|as well as|plus|another thing|"
    r"one more thing|second(?:ly)?|furthermore|by the way"
)
_STARTS = (
    r"i|we|my|our|can|could|would|will|please|what|where|when|why|who|how|which|is|are|do|does|"
    r"did|has|have|tell|give|show|send|let|cancel|refund|change|check|track|return|update|find"
)
_BREAKS = re.compile(
    rf"(?<=[.!?;])\s+|\n+|;\s*|,?\s+(?=(?:{_ALSO})\b)|,?\s+and\s+(?=(?:{_STARTS})\b)",
    re.IGNORECASE,
)
_LEADING = re.compile(rf"^\W*(?:(?:{_ALSO}|and)\b[\s,:]*)+", re.IGNORECASE)
_JOINS = re.compile(rf"\b(?:{_ALSO})\b", re.IGNORECASE)
_FEWEST = 2
_MOST = 8


def split_message(text: str) -> tuple[str, ...]:
    """Return the clauses in which a request of its own may stand, in order, at most eight.

    Clauses of a single word belong to the one before. Every clause but for the joining words
    that it begins with stands in the text as it is.

    >>> split_message("Where is order 12? And also, can I change my address")
    ('Where is order 12?', 'can I change my address')
    """
    clauses: list[str] = []
    start = 0
    for found in [*_BREAKS.finditer(text), None]:
        end = found.start() if found else len(text)
        clause = _LEADING.sub("", text[start:end]).strip()
        if len(clause.split()) >= _FEWEST:
            clauses.append(clause)
        start = found.end() if found else end
    return tuple(clauses[:_MOST])


def joins(text: str) -> bool:
    """Tell whether the message says itself that it holds more than one request."""
    return _JOINS.search(text) is not None
