"""Times of many calls in several rounds, and the percentiles that stand for them."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from report import percentile

__all__ = ["Rounds", "collector_off"]


class Rounds:
    """Nanoseconds of the calls of each round, told as milliseconds.

    A percentile is taken within each round; the median over the rounds stands for it, so that one
    round in which another program had the processor does not decide.
    """

    def __init__(self) -> None:
        self._rounds: list[list[int]] = []

    def add(self, nanoseconds: list[int]) -> None:
        """Keep the times of one round."""
        self._rounds.append(nanoseconds)

    def ms(self, share: float) -> float:
        """Return the median over the rounds of a percentile; 0.0 without rounds."""
        if not self._rounds:
            return 0.0
        found = [percentile([float(n) for n in times], share) for times in self._rounds]
        return statistics.median(found) / 1e6

    def all_ms(self, share: float) -> float:
        """Return a percentile of all calls of all rounds together."""
        return percentile([float(n) for times in self._rounds for n in times], share) / 1e6


@contextmanager
def collector_off() -> Iterator[None]:
    """Collect garbage now and not within; rounds would otherwise pay for each other."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
