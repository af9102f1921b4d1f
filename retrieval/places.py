"""Where in a document something stands, in words that a person can follow: `p. 3`, `rows 4–9`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

__all__ = ["Mark", "place"]

_PAGE = "page"
_SHORT = {_PAGE: ("p.", "pp.")}
_at = attrgetter("at")


@dataclass(frozen=True, slots=True)
class Mark:
    """From the character offset `at` on, up to the next mark, a text is `kind` number `number`.

    Kinds in use are `page`, `row`, `paragraph` and `table`; any singular noun will do.
    """

    at: int
    kind: str
    number: int


def place(marks: Sequence[Mark], start: int, end: int) -> str:
    """Return where `text[start:end]` stands, given the marks of the text in order; may be empty.

    >>> marks = (Mark(0, "page", 1), Mark(100, "page", 2), Mark(250, "page", 3))
    >>> place(marks, 10, 90), place(marks, 90, 260)
    ('p. 1', 'pp. 1–3')
    """
    first = bisect_right(marks, start, key=_at) - 1
    last = bisect_left(marks, end, key=_at) - 1
    if last < 0:
        return ""
    one, other = marks[max(first, 0)], marks[last]
    if one.kind != other.kind:
        return f"{_named(one)} to {_named(other)}"
    if one.number == other.number:
        return _named(one)
    plural = _SHORT[one.kind][1] if one.kind in _SHORT else f"{one.kind}s"
    return f"{plural} {one.number}–{other.number}"


def _named(mark: Mark) -> str:
    return f"{_SHORT[mark.kind][0] if mark.kind in _SHORT else mark.kind} {mark.number}"
