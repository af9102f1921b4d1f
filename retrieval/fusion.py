"""Bringing several rankings into one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

__all__ = ["fuse"]

T = TypeVar("T", bound=Hashable)

_K = 60


def fuse(rankings: Sequence[Sequence[T]]) -> list[tuple[T, float]]:
    """Return all items with their reciprocal rank fusion scores, best first.

    An item scores the sum of 1 / (60 + rank) over the rankings that hold it (Cormack, Clarke and
    Büttcher, 2009). Equal scores keep the order in which the items first appear.

    >>> [item for item, _ in fuse([["a", "b"], ["b", "c"]])]
    ['b', 'a', 'c']
    """
    scores: dict[T, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (_K + rank)
    return sorted(scores.items(), key=lambda entry: -entry[1])
