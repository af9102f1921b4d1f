"""Which messages only make sense as a follow-up, and what they then mean. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from concertmaster.contracts import Memory

__all__ = ["Resolution", "resolve"]

_OPENINGS = re.compile(
    r"^\s*(and|but|so|also|then|or|ok(ay)?|what about|how about|what if|why|when|how long|"
    r"yes|no|sure|please do|the same|same)\b",
    re.IGNORECASE,
)
_POINTERS = re.compile(
    r"\b(it|its|that|this|those|these|they|them|their|there|one|ones|same|other|then)\b",
    re.IGNORECASE,
)
_SHORT = 14


@dataclass(frozen=True)
class Resolution:
    """The text to search with, and, for a follow-up, why it was read as one."""

    text: str
    follows: str | None


def resolve(text: str, memory: Memory) -> Resolution:
    """Join a message that leans on the thread with the thread's last topic.

    A message leans on the thread when the desk's last words were a question, or when it is short
    and opens or points like a follow-up. What the desk answered plays no part: only the
    principal's own earlier words are joined, so no draft or document steers the next turn.
    """
    if not memory.topic:
        return Resolution(text, None)
    if memory.asked:
        return Resolution(f"{memory.topic}\n{text}", f"answers the question about {memory.asked}")
    if len(text.split()) <= _SHORT and (_OPENINGS.search(text) or _POINTERS.search(text)):
        return Resolution(f"{memory.topic}\n{text}", "is short and points back")
    return Resolution(text, None)
