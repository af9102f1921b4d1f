"""Figures of a workspace over some days: what waits, how it ended, what it cost, how long it took.

`figures` is a pure function over events of the trail; `recent` reads them and changes nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median, quantiles

from concertmaster.audit import Trail
from concertmaster.audit.envelope import from_envelope, type_column
from concertmaster.contracts import AuditEvent
from concertmaster.contracts.events import EventType
from concertmaster.storage import storage_error

__all__ = ["Day", "Figures", "StepTime", "figures", "recent"]

MOST = 50_000
"""Events that are looked at, the latest ones."""

_ERRORS: tuple[EventType, ...] = (
    "step.failed",
    "model.failed",
    "effect.failed",
    "effect.in_doubt",
    "budget.reached",
    "approval.overdue",
)
_TYPES: tuple[EventType, ...] = (
    "run.received",
    "run.ended",
    "run.cancelled",
    "route.hop",
    "model.called",
    "approval.requested",
    "approval.answered",
    "approval.voided",
    *_ERRORS,
)
_PAUSES = ("approval.requested", "run.ended", "run.cancelled")


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """How long a step took: the number of times, the median and the 95th percentile in seconds."""

    step: str
    count: int
    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Day:
    """What was asked of people on a day, and what they decided."""

    day: str
    asked: int
    decided: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of some days. What nothing is known of is None, not zero.

    `approval_rate` is the share of decided approvals that were approved, edited ones included.
    `median_wait` is the seconds from the request to the deciding answer. `cost` is in USD, of the
    calls whose price is known; `unpriced` is the number of the others.
    """

    runs: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    answers: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    approval_rate: float | None = None
    median_wait: float | None = None
    cost: float | None = None
    unpriced: int = 0
    model_calls: int = 0
    tokens: int = 0
    steps: tuple[StepTime, ...] = ()
    days: tuple[Day, ...] = ()


async def recent(
    trail: Trail, since: str, *, tenant: str | None, most: int = MOST
) -> list[AuditEvent]:
    """Return the events of which `figures` are made, oldest first.

    Args:
        trail: where they are.
        since: a moment; what is older is left out.
        tenant: only runs of this tenant's principals; of those without one if None.
        most: at most so many, the latest ones.

    Raises:
        StorageError: a row is damaged.
    """
    types = tuple(type_column(t) for t in _TYPES)
    sql = (
        "SELECT e.seq, e.envelope FROM audit_events e JOIN runs r ON r.id = e.run"
        f" WHERE e.workspace = ? AND e.type IN ({', '.join('?' * len(types))})"
        " AND json_extract(r.record, '$.principal.tenant') IS ?"
        " AND r.updated >= ? ORDER BY e.seq DESC LIMIT ?"
    )
    values = (trail.workspace, *types, tenant, since, most)

    begin = datetime.fromisoformat(since)

    def work() -> list[AuditEvent]:
        # On a connection and in a thread of its own: runs that go on are not held up by it.
        path = trail.database.path
        try:
            with closing(sqlite3.connect(path, timeout=5)) as connection:
                connection.execute("PRAGMA query_only=ON")
                rows = connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, path) from error
        found = (from_envelope(envelope, seq) for seq, envelope in reversed(rows))
        return [event for event in found if _moment(event) >= begin]

    return await asyncio.to_thread(work)


def figures(events: Iterable[AuditEvent]) -> Figures:
    """Return the figures of events, which come in their order.

    >>> figures([]).median_wait is None
    True
    """
    listed = list(events)
    by_type: dict[str, list[AuditEvent]] = defaultdict(list)
    for event in listed:
        by_type[event.type].append(event)
    ended = Counter(str(e.data.get("status")) for e in by_type["run.ended"])
    if by_type["run.cancelled"]:
        ended["cancelled"] = len(by_type["run.cancelled"])
    decided = [e for e in by_type["approval.answered"] if e.data.get("status") != "pending"]
    answers = Counter(str(e.data.get("status")) for e in decided)
    models = [e.data for e in by_type["model.called"]]
    prices = [float(d["cost"]) for d in models if isinstance(d.get("cost"), int | float)]
    tokens = sum((d.get("input_tokens") or 0) + (d.get("output_tokens") or 0) for d in models)
    return Figures(
        runs=len(by_type["run.received"]),
        outcomes=dict(ended.most_common()),
        answers=dict(answers.most_common()),
        errors={t: len(by_type[t]) for t in _ERRORS if by_type[t]},
        approval_rate=(answers["approved"] + answers["edited"]) / len(decided) if decided else None,
        median_wait=_median_wait(by_type["approval.requested"], decided),
        cost=sum(prices) if prices else None,
        unpriced=len(models) - len(prices),
        model_calls=len(models),
        tokens=tokens,
        steps=_step_times(listed),
        days=_days(by_type["approval.requested"], decided),
    )


def _median_wait(asked: Sequence[AuditEvent], decided: Sequence[AuditEvent]) -> float | None:
    began = {str(e.data.get("approval")): _moment(e) for e in asked}
    waits = [
        (_moment(e) - began[approval]).total_seconds()
        for e in decided
        if (approval := str(e.data.get("approval"))) in began
    ]
    return median(waits) if waits else None


def _step_times(events: Sequence[AuditEvent]) -> tuple[StepTime, ...]:
    """Return how long each step took: from the hop to it until the next one, or a pause."""
    at: dict[str, tuple[str, datetime]] = {}
    took: dict[str, list[float]] = defaultdict(list)
    for event in events:
        if event.run is None or event.type not in ("route.hop", *_PAUSES):
            continue
        before = at.pop(event.run, None)
        if before is not None:
            took[before[0]].append((_moment(event) - before[1]).total_seconds())
        if event.type == "route.hop":
            at[event.run] = str(event.data.get("to", "")), _moment(event)
    times = [
        StepTime(step=step, count=len(all_), median=median(all_), p95=_p95(all_))
        for step, all_ in took.items()
    ]
    return tuple(sorted(times, key=lambda t: t.p95, reverse=True))


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def _days(asked: Sequence[AuditEvent], decided: Sequence[AuditEvent]) -> tuple[Day, ...]:
    began = Counter(e.time[:10] for e in asked)
    done = Counter(e.time[:10] for e in decided)
    days = sorted({*began, *done})
    return tuple(Day(day=day, asked=began[day], decided=done[day]) for day in days)


def _moment(event: AuditEvent) -> datetime:
    return datetime.fromisoformat(event.time)
