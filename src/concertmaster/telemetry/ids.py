"""Trace and span ids that follow from the trail: each way from one to the other, with no table.

A run's first trace has an id made from the run's. A run that waits ends its trace; what wakes it
(a decision, a deadline, a recovery) is an event, and the next trace has an id made from that one's.
A span's id is made from the event that it begins with. So whoever has the trail can tell the trace
of each event, and each span carries the ids of its run and of its event.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from concertmaster.contracts import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Derived", "Part", "Place", "conversation_id", "places", "span_id", "trace_id"]

_WAITS = frozenset({"approval.requested", "run.queued"})
_WAKES = frozenset({"run.started", "approval.answered", "approval.voided", "approval.overdue"})


def trace_id(run: str, woken_by: str = "") -> str:
    """Return the id of a run's trace, 32 hexadecimal digits.

    Args:
        run: its id.
        woken_by: the id of the event that woke it; none for its first trace.

    >>> trace_id("run-1")
    'dc209f1dc96a10c8fe1d77bdb42af76b'
    """
    return _hash(f"trace {run} {woken_by}", 32)


def span_id(event: str) -> str:
    """Return the id of the span that an event begins, 16 hexadecimal digits."""
    return _hash(f"span {event}", 16)


def root_id(run: str, woken_by: str = "") -> str:
    """Return the id of the root span of a run's trace, 16 hexadecimal digits."""
    return _hash(f"root {run} {woken_by}", 16)


def conversation_id(thread: str) -> str:
    """Return how a thread is called outside: its own id may be somebody's words.

    >>> conversation_id("t-1") == conversation_id("t-1") != conversation_id("t-2")
    True
    """
    return "thread-" + _hash(f"thread {thread}", 16)


@dataclass(frozen=True)
class Part:
    """Where a run stands: the event that woke it last, and whether it has begun to wait since."""

    woken_by: str = ""
    waits: bool = False

    def after(self, event: AuditEvent) -> Part:
        """Return where it stands after an event."""
        if event.type == "run.recovered" or (self.waits and _wakes(event)):
            return Part(event.id)
        return Part(self.woken_by, self.waits or event.type in _WAITS)


def _wakes(event: AuditEvent) -> bool:
    return event.type in _WAKES and event.data.get("status") != "pending"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an event of the trail is to be found among traces; `span` only if it begins one."""

    event: str
    type: str
    trace: str
    span: str


def places(events: Iterable[AuditEvent]) -> list[Place]:
    """Return the trace of each event of one run, in its order, from the trail alone.

    `span` is the id that a span has that begins with this event; not every event begins one.
    """
    part, found = Part(), []
    for event in events:
        if event.run is None:
            continue
        part = part.after(event)
        found.append(
            Place(
                event=event.id,
                type=event.type,
                trace=trace_id(event.run, part.woken_by),
                span=span_id(event.id),
            )
        )
    return found


class Derived:
    """An OpenTelemetry `IdGenerator` that gives the ids it was told of, else those of another."""

    def __init__(self, other: Any) -> None:
        self._other = other
        self._next = threading.local()

    @contextmanager
    def giving(self, trace: str, span: str) -> Iterator[None]:
        """Give these ids within, in this thread."""
        self._next.ids = int(trace, 16), int(span, 16)
        try:
            yield
        finally:
            self._next.ids = None

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        return self._given(0, self._other.generate_trace_id)

    def generate_span_id(self) -> int:
        """Return the id of a new span."""
        return self._given(1, self._other.generate_span_id)

    def is_trace_id_random(self) -> bool:
        """Tell samplers that ids are as good as random: they are parts of SHA-256 digests."""
        return True

    def _given(self, place: int, otherwise: Callable[[], int]) -> int:
        ids = getattr(self._next, "ids", None)
        return ids[place] if ids else otherwise()


def _hash(text: str, digits: int) -> str:
    return sha256(f"concertmaster {text}".encode()).hexdigest()[:digits]
