"""How the models of a desk are doing: breakers and measured latency, shared by all its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from concertmaster.contracts.failure import AVAILABILITY, UNUSABLE
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.breaker import CLOSED, Breaker, BreakerRules

__all__ = ["Standing", "Standings"]

_WEIGHT = 0.2


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known of one model. `latency` is in seconds, a moving mean; None until measured."""

    breaker: Breaker = CLOSED
    latency: float | None = None
    calls: int = 0
    failures: int = 0

    def measured(self, seconds: float) -> Standing:
        """Return the standing after a call that worked and took so long."""
        before = self.latency
        mean = seconds if before is None else before + _WEIGHT * (seconds - before)
        return replace(self, breaker=self.breaker.succeeded(), latency=mean, calls=self.calls + 1)

    def failed(self, now: float, rules: BreakerRules, rest: float | None) -> Standing:
        """Return the standing after a call that failed for a reason that lies with the model."""
        broken = self.breaker.failed(now, rules, rest)
        return replace(self, breaker=broken, calls=self.calls + 1, failures=self.failures + 1)

    def spoiled(self, now: float, rules: BreakerRules) -> Standing:
        """Return the standing after a call whose answer could not be used."""
        broken = self.breaker.spoiled(now, rules)
        return replace(self, breaker=broken, calls=self.calls + 1, failures=self.failures + 1)


_UNKNOWN = Standing()


class Standings:
    """The standings by breaker key (model and region). Safe to use from several threads.

    >>> standings = Standings(clock=lambda: 0.0)
    >>> for _ in range(3):
    ...     standings.failed("a")
    >>> standings.admit("a"), standings.admit("b")
    (False, True)
    """

    def __init__(
        self,
        rules: BreakerRules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rules = rules or BreakerRules()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Standing] = {}
        # Replaced whole, so that readers need no lock.
        self._latencies: Mapping[str, float] = {}
        self._disturbed: Mapping[str, Standing] = {}

    def of(self, key: str) -> Standing:
        """Return what is known of a model."""
        return self._known.get(key, _UNKNOWN)

    def resting(self, key: str) -> float | None:
        """Return for how many seconds a model is left alone still; None if it may be asked."""
        breaker = self.of(key).breaker
        if breaker.closed:
            return None
        now = self._clock()
        if breaker.admits(now):
            return None
        return max((breaker.until or now) - now, breaker.probing - now, 0.0)

    @property
    def disturbed(self) -> Mapping[str, Standing]:
        """Return the standings whose breaker is not closed."""
        return self._disturbed

    @property
    def latencies(self) -> Mapping[str, float]:
        """The measured latencies in seconds."""
        return self._latencies

    def admit(self, key: str) -> bool:
        """Take a place for a call, or return False where the breaker lets none through.

        Whoever got a place tells how it ended, with `worked`, `failed` or `left`.
        """
        if self.of(key).breaker.closed:
            return True
        with self._lock:
            standing, now = self.of(key), self._clock()
            if not standing.breaker.admits(now):
                return False
            probing = standing.breaker.admitted(now, self.rules)
            self._set(key, replace(standing, breaker=probing))
            return True

    def worked(self, key: str, seconds: float) -> None:
        """Note a call that worked and how long it took."""
        with self._lock:
            self._set(key, self.of(key).measured(seconds))

    def failed(self, key: str, *, rest: float | None = None) -> None:
        """Note a call that failed for a reason that lies with the model or its provider.

        Args:
            key: the model's.
            rest: seconds that the provider asks to be left alone (`Retry-After`).
        """
        with self._lock:
            self._set(key, self.of(key).failed(self._clock(), self.rules, rest))

    def spoiled(self, key: str) -> None:
        """Note a call that was answered, but with nothing that could be used."""
        with self._lock:
            self._set(key, self.of(key).spoiled(self._clock(), self.rules))

    def ended(self, key: str, error: BaseException) -> None:
        """Note how a call ended that did not work.

        Only what says that the model cannot serve counts against it. A request that it refuses, a
        prompt too long for it, a filter, or too little time says nothing of the next one.
        """
        if not isinstance(error, ModelError):
            self.left(key)
        elif error.kind in AVAILABILITY or (
            error.kind is None and isinstance(error, ModelUnavailable)
        ):
            self.failed(key, rest=error.rest)
        elif error.kind in UNUSABLE:
            self.spoiled(key)
        else:
            self.left(key)

    def left(self, key: str) -> None:
        """Note a call that ended without telling anything of the model, such as a cancelled one."""
        with self._lock:
            standing = self.of(key)
            self._set(key, replace(standing, breaker=standing.breaker.abandoned()))

    def _set(self, key: str, standing: Standing) -> None:
        self._known[key] = standing
        if standing.latency is not None:
            self._latencies = {**self._latencies, key: standing.latency}
        disturbed = {k: s for k, s in self._disturbed.items() if k != key}
        if not standing.breaker.closed:
            disturbed[key] = standing
        self._disturbed = disturbed
