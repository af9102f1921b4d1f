"""What a log tells of the process: outcomes, waits, rework, bottlenecks, paths. Pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
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
    cases = log.cases
    timed = [(event, seconds) for case in cases for event, seconds in case.timed()]
    begun = [case.begun for case in cases if case.begun]
    ended = [case.ended for case in cases if case.ended]
    return Analysis(
        name=log.name,
        cases=len(cases),
        events=len(timed),
        first=min(begun).isoformat() if begun else None,
        last=max(ended).isoformat() if ended else None,
        one_time=log.one_time,
        outcomes=_outcomes(cases),
        seconds=spread(case.seconds for case in cases),
        cost=sum(event.cost for event, _ in timed),
        waits={
            wait: spread(s for e, s in timed if e.activity == wait)
            for wait in (PEOPLE, QUEUE)
            if any(e.activity == wait for e, _ in timed)
        },
        rework=_rework(cases),
        steps=_steps(cases),
        intents=_groups((case.intent or "(unknown)", case) for case in cases),
        days=_days(cases),
        edges=_edges(cases),
        variants=_variants(cases),
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


def _outcomes(cases: Iterable[Case]) -> dict[str, int]:
    return dict(Counter(case.outcome or OPEN for case in cases).most_common())


def _rework(cases: Sequence[Case]) -> dict[str, int]:
    repeats = [len(case.path) - len(set(case.path)) for case in cases]
    return {
        "cases_with_repeats": sum(number > 0 for number in repeats),
        "repeated_steps": sum(repeats),
        "retries": sum(case.retries for case in cases),
        "revisions": sum(case.revisions for case in cases),
    }


def _steps(cases: Iterable[Case]) -> tuple[Step, ...]:
    seconds: dict[str, list[float]] = defaultdict(list)
    costs: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for case in cases:
        seen.update(set(case.path))
        for event, lasted in case.timed():
            seconds[event.activity].append(lasted)
            costs[event.activity] += event.cost  # type: ignore[assignment]
    everything = sum(map(sum, seconds.values()))
    found = [
        Step(
            activity=name,
            cases=seen[name],
            visits=len(values),
            repeats=len(values) - seen[name],
            seconds=spread(values),
            share=sum(values) / everything if everything else 0.0,
            cost=float(costs[name]),
        )
        for name, values in seconds.items()
    ]
    return tuple(sorted(found, key=lambda step: (-step.seconds.total, step.activity)))


def _groups(named: Iterable[tuple[str, Case]]) -> tuple[Group, ...]:
    cases: dict[str, list[Case]] = defaultdict(list)
    for name, case in named:
        cases[name].append(case)
    found = [
        Group(
            name=name,
            cases=len(some),
            outcomes=_outcomes(some),
            seconds=spread(case.seconds for case in some),
            cost=sum(event.cost for case in some for event in case.events),
        )
        for name, some in cases.items()
    ]
    return tuple(sorted(found, key=lambda group: (-group.cases, group.name)))


def _days(cases: Iterable[Case]) -> tuple[Group, ...]:
    named = ((case.begun.date().isoformat(), case) for case in cases if case.begun)
    return tuple(sorted(_groups(named), key=lambda group: group.name))


def _edges(cases: Iterable[Case]) -> tuple[Edge, ...]:
    """Return the directly-follows graph, with where cases begin and end."""
    between: dict[tuple[str, str], list[float]] = defaultdict(list)
    for case in cases:
        events = case.events
        between[START, events[0].activity].append(0.0)
        between[events[-1].activity, END].append(0.0)
        for one, other in pairwise(events):
            gap = ((other.begun or other.at) - one.at).total_seconds()
            between[one.activity, other.activity].append(max(0.0, gap))
    found = [Edge(a, b, len(v), spread(v).p50) for (a, b), v in between.items()]
    return tuple(sorted(found, key=lambda edge: (-edge.count, edge.before, edge.after)))


def _variants(cases: Sequence[Case]) -> tuple[Variant, ...]:
    counted = Counter(case.path for case in cases)
    found = [Variant(path, n, n / len(cases)) for path, n in counted.items()]
    return tuple(sorted(found, key=lambda variant: (-variant.cases, variant.path)))
