"""Times of many calls in several rounds, and the percentiles that stand for them."""

from __future__ import annotations

import gc
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns, process_time_ns

from report import percentile

__all__ = ["Clock", "Rounds", "collector_off", "progress"]


class Clock:
    """Takes the time of one call after the other: on the wall, and of all cores for this process.

    On a machine that others use as well, the wall's high percentiles tell of the others; the time
    that the processor spent tells of the call.
    """

    def __init__(self) -> None:
        self.wall: list[int] = []
        self.cpu: list[int] = []
        self._wall = self._cpu = 0

    def start(self) -> None:
        """Begin with a call."""
        self._cpu = process_time_ns()
        self._wall = perf_counter_ns()

    def stop(self) -> None:
        """Keep what has passed since the call began."""
        self.wall.append(perf_counter_ns() - self._wall)
        self.cpu.append(process_time_ns() - self._cpu)


class Rounds:
    """Nanoseconds of the calls of each round, told as milliseconds.

    A percentile is taken within each round; the median over the rounds stands for it, so that one
    round in which another program had the processor does not decide.
    """

    def __init__(self) -> None:
        self._wall: list[list[int]] = []
        self._cpu: list[list[int]] = []

    def add(self, wall: list[int], cpu: list[int]) -> None:
        """Keep the times of one round."""
        self._wall.append(wall)
        self._cpu.append(cpu)

    def ms(self, share: float) -> float:
        """Return the median over the rounds of a percentile; 0.0 without rounds."""
        return _median(self._wall, share)

    def cpu_ms(self, share: float) -> float:
        """Return the same of the time that the processor spent."""
        return _median(self._cpu, share)


def _median(rounds: list[list[int]], share: float) -> float:
    found = [percentile([float(n) for n in times], share) for times in rounds]
    return statistics.median(found) / 1e6 if found else 0.0


@contextmanager
def collector_off() -> Iterator[None]:
    """Collect garbage now and not within; rounds would otherwise pay for each other."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def progress(rounds: range, what: str) -> Iterator[int]:
    """Count rounds on stderr. No bar that draws itself: its thread would be measured, too."""
    step = max(1, len(rounds) // 10)
    for number in rounds:
        if number % step == 0:
            print(f"{what} {number}/{len(rounds)}", file=sys.stderr)
        yield number
