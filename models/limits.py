"""The declared rates of models, kept by all threads and event loops of a desk together."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from concertmaster.contracts.model import RateSpec
from concertmaster.errors import ModelError
from concertmaster.models.bucket import Bucket

__all__ = ["Limits", "Place"]

_LOOK_AGAIN = 1.0
_NO_LIMIT = RateSpec()


@dataclass
class Place:
    """The right to ask. `sent` counts requests, `used` is in tokens, None if nobody knows."""

    sent: int = 0
    used: int | None = None

    def send(self) -> None:
        """Note a request that is about to be sent."""
        self.sent += 1


@dataclass
class _Gate:
    """What one model has left, and who waits for a request to end."""

    requests: Bucket | None
    tokens: Bucket | None
    under_way: int = 0
    waiting: deque[Callable[[], None]] = field(default_factory=deque)


class Limits:
    """Places for requests, within each model's `RateSpec`.

    A request takes a place before it is sent, with the tokens that it is expected to take; they are
    put right when it has ended.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gates: dict[str, _Gate] = {}

    @asynccontextmanager
    async def place(
        self, key: str, name: str, rate: RateSpec, tokens: int, *, patience: float = 0.0
    ) -> AsyncIterator[Place]:
        """Hold a place for one request; wait for it if need be.

        Args:
            key: under which the model is known; models of one key share their limits.
            name: what people call the model.
            rate: its limits.
            tokens: what the request is expected to take, the answer included.
            patience: for how many seconds to wait at most.

        Raises:
            ModelError: of the kind `limited`: a limit is reached and there is no place in that
                time. `rest` is in how many seconds there may be one, if that is known.
        """
        if rate == _NO_LIMIT:
            yield Place()
            return
        until = self._clock() + patience
        while True:
            woken = asyncio.Event()
            full = self._take(key, rate, tokens, _waker(woken))
            if full is None:
                break
            await self._wait(key, name, full, until, woken)
        place = Place()
        try:
            yield place
        finally:
            self._leave(key, tokens, place)

    async def _wait(
        self, key: str, name: str, full: _Full, until: float, woken: asyncio.Event
    ) -> None:
        left = until - self._clock()
        if left <= 0 or (full.seconds is not None and full.seconds > left):
            self._forget(key, full.waker)
            soon = "" if full.seconds is None else f", free in {full.seconds:.1f} s"
            raise ModelError(
                f"{name} has reached its limit of {full.what}{soon}",
                kind="limited",
                rest=full.seconds,
            )
        pause = _LOOK_AGAIN if full.seconds is None else full.seconds
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, left)):
                    await woken.wait()
        finally:
            self._forget(key, full.waker)

    def _take(
        self, key: str, rate: RateSpec, tokens: int, waker: Callable[[], None]
    ) -> _Full | None:
        """Take a place, or return which limit is reached, with the waker in its queue."""
        with self._lock:
            now = self._clock()
            gate = self._gates.setdefault(key, _opened(rate, now))
            full = _full(gate, rate, tokens, now, waker)
            if full is not None:
                if full.seconds is None:
                    gate.waiting.append(waker)
                return full
            gate.under_way += 1
            if gate.requests is not None:
                gate.requests = gate.requests.taken(1, now=now)
            if gate.tokens is not None:
                gate.tokens = gate.tokens.taken(tokens, now=now)
            return None

    def _leave(self, key: str, tokens: int, place: Place) -> None:
        """Free a place, and put right what was taken: one request and the expected tokens."""
        with self._lock:
            gate, now = self._gates[key], self._clock()
            gate.under_way -= 1
            if gate.requests is not None:
                gate.requests = gate.requests.taken(place.sent - 1, now=now)
            used = place.used if place.sent else 0
            if gate.tokens is not None and used is not None:
                gate.tokens = gate.tokens.taken(used - tokens, now=now)
            waker = gate.waiting.popleft() if gate.waiting else None
        if waker is not None:
            waker()

    def _forget(self, key: str, waker: Callable[[], None]) -> None:
        """Take a waker out of the queue. Whoever missed a call looks again by itself soon."""
        with self._lock:
            gate = self._gates[key]
            if waker in gate.waiting:
                gate.waiting.remove(waker)


@dataclass(frozen=True)
class _Full:
    """A limit that is reached; `seconds` until there is room, None if that is not known."""

    what: str
    seconds: float | None
    waker: Callable[[], None]


def _opened(rate: RateSpec, now: float) -> _Gate:
    requests, tokens = rate.requests_per_minute, rate.tokens_per_minute
    return _Gate(
        requests=None if requests is None else Bucket.full(requests, now=now),
        tokens=None if tokens is None else Bucket.full(tokens, now=now),
    )


def _full(
    gate: _Gate, rate: RateSpec, tokens: int, now: float, waker: Callable[[], None]
) -> _Full | None:
    if rate.parallel is not None and gate.under_way >= rate.parallel:
        return _Full(f"{rate.parallel} requests at the same time", None, waker)
    if gate.requests is not None:
        wait = gate.requests.wait(1, now=now)
        if wait > 0:
            return _Full(f"{gate.requests.size:.0f} requests a minute", wait, waker)
    if gate.tokens is not None:
        wait = gate.tokens.wait(tokens, now=now)
        if wait > 0:
            return _Full(f"{gate.tokens.size:.0f} tokens a minute", wait, waker)
    return None


def _waker(event: asyncio.Event) -> Callable[[], None]:
    """Return what wakes a waiter from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        # Where its event loop was closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(event.set)

    return wake
