"""Measures of a ranking with binary relevance."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence

__all__ = ["interval", "mean", "ndcg", "recall"]


def ndcg(found: Sequence[bool], relevant: int) -> float:
    """Return nDCG@10; the ideal has all relevant documents first, at most ten."""
    gained = sum(1 / math.log2(rank + 2) for rank, hit in enumerate(found[:10]) if hit)
    return gained / sum(1 / math.log2(rank + 2) for rank in range(min(10, relevant)))


def recall(found: Sequence[bool], relevant: int) -> float:
    """Return recall@10: what was found of what ten places can hold."""
    return sum(found[:10]) / min(10, relevant)


def mean(values: Collection[float]) -> float:
    """Return the mean, 0.0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def interval(values: Sequence[float], seed: int = 0) -> list[float]:
    """Return the 95% interval of a mean by the bootstrap (2,000 samples)."""
    chance = random.Random(seed)
    means = sorted(mean(chance.choices(values, k=len(values))) for _ in range(2000))
    return [means[50], means[1949]] if values else [0.0, 0.0]
