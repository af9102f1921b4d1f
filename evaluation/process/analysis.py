"""What a log tells of the process: outcomes, waits, rework, bottlenecks, paths.

Cases are added up one at a time: what stays in memory are the values of the figures themselves.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from math import ceil
from typing import Any

from concertmaster.evaluation.process.log import OPEN, PEOPLE, QUEUE, Case, Log

__all__ = ["END", "START", "Analysis", "Edge", "Group", "Spread", "Step", "Variant", "analyse"]

START, END = "(start)", "(end)"


@dataclass(frozen=True)
class Spread:
    """How values lie: percentiles by the nearest rank; all 0 without values."""

    count: int
    p50: float
    p95: float
    mean: float
    total: float


@dataclass(frozen=True)
class Step:
    """One activity. `share` is of the seconds of all activities; `repeats` are visits beyond a
    case's first."""

    activity: str
    cases: int
    visits: int
    repeats: int
    seconds: Spread
    share: float
    cost: float


@dataclass(frozen=True)
class Edge:
    """That one activity directly follows another: how often, and the median seconds between."""

    before: str
    after: str
    count: int
    p50: float


@dataclass(frozen=True)
class Variant:
    """A path, and how many cases took exactly that one."""

    path: tuple[str, ...]
    cases: int
    share: float


@dataclass(frozen=True)
class Group:
    """Cases with the same intent, or of the same day."""

    name: str
    cases: int
    outcomes: dict[str, int]
    seconds: Spread
    cost: float


@dataclass(frozen=True)
class Analysis:
    """All figures of a log. `rework` is by what: repeated steps, retries, revisions."""

    name: str
    cases: int
    events: int
    first: str | None
    last: str | None
    one_time: bool
    outcomes: dict[str, int]
    seconds: Spread
    cost: float
    waits: dict[str, Spread]
    rework: dict[str, int]
    steps: tuple[Step, ...]
    intents: tuple[Group, ...]
    days: tuple[Group, ...]
    edges: tuple[Edge, ...]
    variants: tuple[Variant, ...]
    rejected: int = 0

    def plain(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return asdict(self)


def analyse(log: Log) -> Analysis:
    """Return the figures of a log.

    Seconds of an activity are from its beginning to its end, without what was waited for people
    meanwhile. Where a log has one time an event, they are the seconds since the event before.
    """
    sums = _Sums()
    for case in log.cases:
        sums.add(case)
    steps = sums.seconds
    return Analysis(
        name=log.name,
        cases=sums.all.cases,
        events=sums.events,
        first=sums.first.isoformat() if sums.first else None,
        last=sums.last.isoformat() if sums.last else None,
        one_time=log.one_time,
        outcomes=dict(sums.all.outcomes.most_common()),
        seconds=spread(sums.all.seconds),
        cost=sum(sums.all.costs) + 0.0 if sums.events else 0,
        waits={wait: spread(steps[wait]) for wait in (PEOPLE, QUEUE) if wait in steps},
        rework={
            "cases_with_repeats": sums.repeated,
            "repeated_steps": sums.repeats,
            "retries": sums.retries,
            "revisions": sums.revisions,
        },
        steps=_steps(sums),
        intents=_groups(sums.intents),
        days=tuple(sorted(_groups(sums.days), key=lambda group: group.name)),
        edges=_edges(sums.between),
        variants=_variants(sums.paths, sums.all.cases),
        rejected=log.rejected_count,
    )


def spread(values: Iterable[float]) -> Spread:
    """Return how values lie.

    >>> spread([4, 1, 3, 2])
    Spread(count=4, p50=2, p95=4, mean=2.5, total=10)
    """
    ordered = sorted(values)
    if not ordered:
        return Spread(0, 0.0, 0.0, 0.0, 0.0)
    total = sum(ordered)
    return Spread(
        len(ordered), _rank(ordered, 0.5), _rank(ordered, 0.95), total / len(ordered), total
    )


def _rank(ordered: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank: the smallest value with that share at or below."""
    return ordered[max(0, ceil(share * len(ordered) - 1e-9) - 1)]


def _floats() -> array[float]:
    return array("d")


@dataclass
class _Some:
    """Some cases added up. Costs of nothing are left out: they change no sum."""

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: array[float] = field(default_factory=_floats)
    costs: array[float] = field(default_factory=_floats)

    def add(self, case: Case) -> None:
        self.cases += 1
        self.outcomes[case.outcome or OPEN] += 1
        self.seconds.append(case.seconds)
        self.costs.extend(event.cost for event in case.events if event.cost)


@dataclass
class _Sums:
    """All cases added up, in the order in which they come: sums of floats depend on it."""

    all: _Some = field(default_factory=_Some)
    events: int = 0
    first: datetime | None = None
    last: datetime | None = None
    repeated: int = 0
    repeats: int = 0
    retries: int = 0
    revisions: int = 0
    seconds: dict[str, array[float]] = field(default_factory=lambda: defaultdict(_floats))
    costs: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seen: Counter[str] = field(default_factory=Counter)
    intents: dict[str, _Some] = field(default_factory=lambda: defaultdict(_Some))
    days: dict[str, _Some] = field(default_factory=lambda: defaultdict(_Some))
    between: dict[tuple[str, str], array[float]] = field(
        default_factory=lambda: defaultdict(_floats)
    )
    paths: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        path, begun, ended = case.path, case.begun, case.ended
        self.all.add(case)
        self.intents[case.intent or "(unknown)"].add(case)
        if begun is not None and ended is not None:
            self.days[begun.date().isoformat()].add(case)
            self.first = begun if self.first is None else min(self.first, begun)
            self.last = ended if self.last is None else max(self.last, ended)
        self.events += len(path)
        repeats = len(path) - len(set(path))
        self.repeated += repeats > 0
        self.repeats += repeats
        self.retries += case.retries
        self.revisions += case.revisions
        self.seen.update(set(path))
        self.paths[path] += 1
        for event, lasted in case.timed():
            self.seconds[event.activity].append(lasted)
            self.costs[event.activity] += event.cost
        self._follow(case)

    def _follow(self, case: Case) -> None:
        """Add what directly follows what, and where the case begins and ends."""
        events = case.events
        self.between[START, events[0].activity].append(0.0)
        self.between[events[-1].activity, END].append(0.0)
        for one, other in pairwise(events):
            gap = ((other.begun or other.at) - one.at).total_seconds()
            self.between[one.activity, other.activity].append(max(0.0, gap))


def _steps(sums: _Sums) -> tuple[Step, ...]:
    everything = sum(map(sum, sums.seconds.values()))
    found = [
        Step(
            activity=name,
            cases=sums.seen[name],
            visits=len(values),
            repeats=len(values) - sums.seen[name],
            seconds=spread(values),
            share=sum(values) / everything if everything else 0.0,
            cost=float(sums.costs[name]),
        )
        for name, values in sums.seconds.items()
    ]
    return tuple(sorted(found, key=lambda step: (-step.seconds.total, step.activity)))


def _groups(named: Mapping[str, _Some]) -> tuple[Group, ...]:
    found = [
        Group(
            name=name,
            cases=some.cases,
            outcomes=dict(some.outcomes.most_common()),
            seconds=spread(some.seconds),
            cost=sum(some.costs) + 0.0,
        )
        for name, some in named.items()
    ]
    return tuple(sorted(found, key=lambda group: (-group.cases, group.name)))


def _edges(between: Mapping[tuple[str, str], array[float]]) -> tuple[Edge, ...]:
    """Return the directly-follows graph, with where cases begin and end."""
    found = [Edge(a, b, len(v), spread(v).p50) for (a, b), v in between.items()]
    return tuple(sorted(found, key=lambda edge: (-edge.count, edge.before, edge.after)))


def _variants(paths: Counter[tuple[str, ...]], cases: int) -> tuple[Variant, ...]:
    found = [Variant(path, n, n / cases) for path, n in paths.items()]
    return tuple(sorted(found, key=lambda variant: (-variant.cases, variant.path)))
