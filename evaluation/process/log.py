"""An event log: cases, each a row of activities with their times. All analytics read this form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["OPEN", "PEOPLE", "QUEUE", "Case", "Event", "Log", "Rejected", "finished", "in_order"]

OPEN = "open"
"""In the place of an outcome, for a case that has none yet."""
PEOPLE = "(people)"
"""The activity of waiting for people's decisions; no step is called so."""
QUEUE = "(queue)"
"""The activity of waiting for a free thread or a free worker."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One activity of a case. Times are aware.

    `begun` is None where only one time is known; then the time since the case's event before
    counts as its duration. `away` are seconds between `begun` and `at` that belong to something
    else, such as waiting for people. `cost` is in the currency of the prices.
    """

    activity: str
    at: datetime
    begun: datetime | None = None
    away: float = 0.0
    resource: str | None = None
    cost: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run, or one case of a foreign log; `events` in order of their beginning.

    `outcome` is how a run ended, None while it has not; `retries` and `revisions` are counted by
    who reads the log, where it tells them.
    """

    id: str
    events: tuple[Event, ...]
    outcome: str | None = None
    intent: str | None = None
    retries: int = 0
    revisions: int = 0

    @property
    def begun(self) -> datetime | None:
        """When its first activity began."""
        return min((e.begun or e.at for e in self.events), default=None)

    @property
    def ended(self) -> datetime | None:
        """When its last activity ended."""
        return max((e.at for e in self.events), default=None)

    @property
    def seconds(self) -> float:
        """From the first beginning to the last end."""
        begun, ended = self.begun, self.ended
        return (ended - begun).total_seconds() if begun and ended else 0.0

    @property
    def path(self) -> tuple[str, ...]:
        """The activities in order."""
        return tuple(event.activity for event in self.events)

    def timed(self) -> Iterator[tuple[Event, float]]:
        """Yield the events with their seconds."""
        before: datetime | None = None
        for event in self.events:
            start = event.begun or before or event.at
            yield event, max(0.0, (event.at - start).total_seconds() - event.away)
            before = event.at


@dataclass(frozen=True)
class Rejected:
    """A row or event that could not be read: where it stands, and why."""

    place: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Log:
    """Cases in order of their beginning. `rejected` is capped; `rejected_count` is not.

    `cases` may lie on disk: going through them again reads them again.
    """

    name: str
    cases: Sequence[Case]
    rejected: tuple[Rejected, ...] = ()
    rejected_count: int = 0
    one_time: bool = field(default=False)
    """Whether events have one time only, so that durations are times since the event before."""

    @staticmethod
    def of(name: str, cases: Iterable[Case], rejected: Iterable[Rejected] = ()) -> Log:
        """Return the log of cases; those without an event are left out."""
        kept = [case for case in cases if case.events]
        kept.sort(key=lambda case: (case.begun, case.id))
        listed = list(rejected)
        return Log(
            name=name,
            cases=tuple(kept),
            rejected=tuple(listed[:100]),
            rejected_count=len(listed),
            one_time=bool(kept) and all(e.begun is None for c in kept for e in c.events),
        )


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return events in order of their beginning; those that begin together stay as they came."""
    return tuple(sorted(events, key=lambda e: e.begun or e.at))


def finished(id_: str, events: tuple[Event, ...]) -> Case:
    """Return a case of a log that tells no outcomes: the last activity counts as one."""
    return Case(id=id_, events=events, outcome=events[-1].activity if events else None)
