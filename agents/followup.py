"""Which messages only make sense as a follow-up, and what they then mean. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from concertmaster.contracts import Memory

__all__ = ["AGREES", "DECLINES", "MEANS", "QUEUED", "Resolution", "resolve"]

_OPENINGS = re.compile(
    r"^\s*(and|but|so|also|then|or|ok(ay)?|what about|how about|what if|why|when|how long|"
    r"yes|no|sure|please do|the same|same)\b",
    re.IGNORECASE,
)
_POINTERS = re.compile(
    r"\b(it|its|that|this|those|these|they|them|their|there|one|ones|same|other|then)\b",
    re.IGNORECASE,
)
_YES = re.compile(
    r"^\W*(yes|yeah|yep|sure|ok(ay)?|please( do)?|go (on|ahead)|do (it|that|so)|continue|next)\b"
    r"(\W+\w+){0,4}\W*$",
    re.IGNORECASE,
)
_NO = re.compile(r"^\W*(no|nope|not now|no thanks?|never ?mind|leave it)\b(\W+\w+){0,3}\W*$", re.I)
_SHORT = 14
MEANS = "answers which of two requests was meant"
AGREES = "agrees to the other request"
DECLINES = "declines the other request"
QUEUED = "queued"
"""What the desk asks for when it offers to go on with the next request of a message."""


@dataclass(frozen=True)
class Resolution:
    """The text to search with, and, for a follow-up, why it was read as one."""

    text: str
    follows: str | None


def resolve(text: str, memory: Memory) -> Resolution:
    """Join a message that leans on the thread with the thread's last topic.

    The answer to an offer is read first: which of two requests was meant, whether to go on with
    the next one. Else a message leans on the thread when the desk's last words were a question,
    or when it is short and opens or points like a follow-up. What the desk answered plays no
    part: only the principal's own earlier words are joined, so no draft or document steers the
    next turn.
    """
    if not memory.topic:
        return Resolution(text, None)
    if memory.offered:
        return Resolution(f"{memory.topic}\n{text}", MEANS)
    if memory.asked == QUEUED:
        if memory.queued and _YES.match(text):
            return Resolution(memory.queued[0].text, AGREES)
        if _NO.match(text):
            return Resolution(text, DECLINES)
    elif memory.asked:
        return Resolution(f"{memory.topic}\n{text}", f"answers the question about {memory.asked}")
    if len(text.split()) <= _SHORT and (_OPENINGS.search(text) or _POINTERS.search(text)):
        return Resolution(f"{memory.topic}\n{text}", "is short and points back")
    return Resolution(text, None)
