"""What was found in a text: spans while it is looked at, kinds and counts afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Finding", "Redacted", "RedactedValue", "Span", "counted", "merge"]

KINDS = ("secret", "card", "iban", "phone", "email")
"""The built-in kinds, the more dangerous first."""

Span = tuple[int, int, str]
"""Start, end and kind of something found."""


@dataclass(frozen=True)
class Finding:
    """How often something of a kind was taken out. Never what it was."""

    kind: str
    count: int


@dataclass(frozen=True)
class Redacted:
    """A text without what was found in it."""

    text: str
    found: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class RedactedValue:
    """Plain JSON without what was found in it."""

    value: Any
    found: tuple[Finding, ...] = ()


def counted(counts: Counter[str]) -> tuple[Finding, ...]:
    """Return the findings of a count, in the order of their kinds' names."""
    return tuple(Finding(kind, counts[kind]) for kind in sorted(counts))


def merge(spans: Iterable[Span], order: Sequence[str]) -> list[Span]:
    """Join spans that overlap, under the kind that comes first in `order`."""
    merged: list[Span] = []
    for start, end, kind in sorted(spans):
        if merged and start < merged[-1][1]:
            first, last, other = merged[-1]
            worse = min(kind, other, key=order.index)
            merged[-1] = (first, max(end, last), worse)
        else:
            merged.append((start, end, kind))
    return merged
