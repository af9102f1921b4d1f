"""The duties that ride on a policy, from text to type."""

from __future__ import annotations

import re
from collections.abc import Iterable

from concertmaster.contracts import ReviewNeed

__all__ = ["KNOWN_FORMS", "merge_needs", "parse_obligation", "split_obligations"]

KNOWN_FORMS = '"review:ROLE" or "review:N-of:ROLE"'
"""The forms that are understood, for messages."""

_REVIEW = re.compile(r"review:(?:([1-9][0-9]?)-of:)?([A-Za-z0-9_-]{1,64})")


def split_obligations(text: str) -> tuple[str, ...]:
    """Return the single obligations of an annotation, in which commas separate them."""
    return tuple(part.strip() for part in text.split(","))


def parse_obligation(text: str) -> ReviewNeed | None:
    """Return the need that an obligation states, or None if it is not understood.

    >>> parse_obligation("review:2-of:risk")
    ReviewNeed(role='risk', count=2)
    """
    match = _REVIEW.fullmatch(text)
    if match is None:
        return None
    return ReviewNeed(role=match[2], count=int(match[1] or 1))


def merge_needs(needs: Iterable[ReviewNeed]) -> tuple[ReviewNeed, ...]:
    """Return the union: one need a role, with the highest count, ordered by role."""
    counts: dict[str, int] = {}
    for need in needs:
        counts[need.role] = max(need.count, counts.get(need.role, 0))
    return tuple(ReviewNeed(role=role, count=counts[role]) for role in sorted(counts))
