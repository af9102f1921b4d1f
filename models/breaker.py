"""The circuit breaker of one model: when it has failed often enough, it is left alone for a while.

closed → open after `failures` in a row, or `unusable` answers in a row; open → half open when its
rest is over: then one call may probe it, and its success closes the breaker, its failure opens it
again for twice as long. Pure: time comes in as seconds, and every change is a new value.
(Nygard, Release It!, 2007.)

An answer that cannot be used counts apart and for less: the question may have been too hard, and
the next one not; but a model that gives nothing else is of no use, and asking it costs time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["CLOSED", "Breaker", "BreakerRules"]


@dataclass(frozen=True, kw_only=True)
class BreakerRules:
    """When a breaker opens and for how long, in seconds; each rest is twice the one before."""

    failures: int = 3
    unusable: int = 6
    rest: float = 5.0
    longest: float = 300.0
    probe: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """The state between two calls.

    `until` is when the rest ends, `rests` counts rests since the last success, `probing` is until
    when a probe holds the only place of a half-open breaker. `unusable` counts answers in a row
    that could not be used.

    >>> rules = BreakerRules(failures=2, rest=5)
    >>> broken = Breaker().failed(0.0, rules).failed(0.0, rules)
    >>> broken.admits(1.0), broken.admits(5.0)
    (False, True)
    >>> broken.admitted(5.0, rules).admits(5.1), broken.succeeded().admits(5.2)
    (False, True)
    """

    failures: int = 0
    unusable: int = 0
    rests: int = 0
    until: float | None = None
    probing: float = 0.0

    @property
    def closed(self) -> bool:
        """Whether calls pass as usual."""
        return self.until is None

    def admits(self, now: float) -> bool:
        """Tell whether a call may be made."""
        return self.until is None or (now >= self.until and now >= self.probing)

    def admitted(self, now: float, rules: BreakerRules) -> Breaker:
        """Return the state once a call has been let through."""
        return self if self.until is None else replace(self, probing=now + rules.probe)

    def succeeded(self) -> Breaker:
        """Return the state after a call that worked."""
        return CLOSED

    def failed(self, now: float, rules: BreakerRules, rest: float | None = None) -> Breaker:
        """Return the state after a call that did not.

        Args:
            now: seconds on the same clock as ever.
            rules: when it opens.
            rest: how long the provider itself asks to be left alone; opens the breaker at once.
        """
        failures = self.failures + 1
        # A call that was under way when it opened says nothing new.
        under_way = self.until is not None and now < self.until
        if rest is None and (under_way or (self.until is None and failures < rules.failures)):
            return replace(self, failures=failures)
        return self._opened(now, rules, failures, rest)

    def spoiled(self, now: float, rules: BreakerRules) -> Breaker:
        """Return the state after a call whose answer could not be used."""
        if self.until is not None:
            return self.failed(now, rules)
        unusable = self.unusable + 1
        if unusable < rules.unusable:
            # The model is up: what failed before is forgotten.
            return replace(self, failures=0, unusable=unusable)
        return self._opened(now, rules, self.failures, None)

    def _opened(
        self, now: float, rules: BreakerRules, failures: int, rest: float | None
    ) -> Breaker:
        usual = min(rules.rest * 2**self.rests, rules.longest)
        pause = usual if rest is None else min(max(rest, 0.0), rules.longest)
        rests = self.rests + 1 if rest is None else self.rests
        return Breaker(
            failures=failures, rests=min(rests, 20), until=max(now + pause, self.until or 0.0)
        )

    def abandoned(self) -> Breaker:
        """Return the state after a probe that was given up without telling anything."""
        return replace(self, probing=0.0)


CLOSED = Breaker()
"""A breaker of a model that works."""
