"""A token bucket: how much may be taken now, and when there will be enough. Pure.

It holds what a provider takes in a minute, and fills up again steadily, as providers' own do: full
at first, so that a burst passes, and no more than the rate in the long run. (Turner, New Directions
in Communications, 1986.)
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bucket"]

_MINUTE = 60.0
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """What is left of `size` a minute at a moment, in seconds on the same clock as ever.

    >>> full = Bucket.full(60, now=0.0)
    >>> full.taken(60, now=0.0).wait(2, now=0.0)
    2.0
    """

    size: float
    level: float
    at: float

    @classmethod
    def full(cls, size: float, *, now: float) -> Bucket:
        """Return a bucket from which nothing was taken yet."""
        return cls(size=size, level=size, at=now)

    def wait(self, amount: float, *, now: float) -> float:
        """Return for how many seconds an amount is not there yet.

        What is more than the bucket holds may be taken when it is full; else it never could.
        """
        lacking = min(amount, self.size) - self._level(now)
        return 0.0 if lacking <= _ROUNDING else lacking / self.size * _MINUTE

    def taken(self, amount: float, *, now: float) -> Bucket:
        """Return the bucket without an amount, below nothing if need be; negative gives back."""
        level = min(self._level(now) - amount, self.size)
        return Bucket(size=self.size, level=level, at=max(now, self.at))

    def _level(self, now: float) -> float:
        passed = max(now - self.at, 0.0)
        return min(self.level + passed * self.size / _MINUTE, self.size)
