"""The paths that runs took, beside the workflow that declares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from concertmaster.contracts import AuditEvent
from concertmaster.contracts.spec import RouteSpec, WorkflowSpec
from concertmaster.evaluation.process.trail_log import by_run

__all__ = ["Comparing", "Conformance", "Deviation", "Fired", "conformance"]

_TERMINALS = frozenset({"finish", "escalate", "refuse"})
_OF_STEPS = frozenset({"intent.classified", "plan.proposed", "draft.composed", "critic.judged"})


@dataclass(frozen=True)
class Deviation:
    """Where a run left the declared ways: after which hop, of what kind, and why.

    Kinds: `guard` (a limit, a failed step or an effect in doubt sent it off the table), `table`
    (no line of today's table sends there: it was changed since), `unled` (a step worked to which
    the run was not sent), `cut` (it failed or was called off on its way), `ungoverned` (an effect
    without a decision before it).
    """

    run: str
    kind: str
    hop: int
    where: str
    why: str


@dataclass(frozen=True)
class Fired:
    """A line of the table, as it is declared, and how often it decided."""

    line: int
    to: str
    when: str
    count: int


@dataclass(frozen=True)
class Conformance:
    """How the runs fit the declared workflow."""

    runs: int
    fitting: int
    deviations: tuple[Deviation, ...]
    routes: tuple[Fired, ...]

    @property
    def never(self) -> tuple[Fired, ...]:
        """The lines that never decided."""
        return tuple(route for route in self.routes if not route.count)

    def plain(self) -> dict[str, Any]:
        """Return the figures as plain JSON."""
        return asdict(self)


def conformance(workflow: WorkflowSpec, events: Iterable[AuditEvent]) -> Conformance:
    """Compare what runs did with the workflow as it is declared now."""
    comparing = Comparing(workflow)
    for run, listed in by_run(events):
        comparing.add(run, listed)
    return comparing.result()


class Comparing:
    """Compares runs with a workflow, one at a time; only what deviates stays in memory."""

    def __init__(self, workflow: WorkflowSpec) -> None:
        self._routes = workflow.routes
        self._steps = frozenset(step.id for step in workflow.steps)
        self._counted: Counter[int] = Counter()
        self._found: list[Deviation] = []
        self._runs = self._fitting = 0

    def add(self, run: str, events: Sequence[AuditEvent]) -> None:
        """Compare a run; `events` are all of its own, in order."""
        hops = [e for e in events if e.type == "route.hop"]
        if not hops:
            return
        self._runs += 1
        routes = (e.data.get("route") for e in hops)
        self._counted.update(route for route in routes if isinstance(route, int))
        found = list(_deviations(run, events, self._routes, self._steps))
        self._found += found
        self._fitting += not found

    def result(self) -> Conformance:
        """Return how the runs so far fit."""
        routes = tuple(
            Fired(n + 1, _target(route), route.when or "always", self._counted[n])
            for n, route in enumerate(self._routes)
        )
        return Conformance(self._runs, self._fitting, tuple(self._found), routes)


def _deviations(
    run: str, events: Sequence[AuditEvent], routes: Sequence[RouteSpec], steps: frozenset[str]
) -> Iterator[Deviation]:
    hop, where = 0, "(start)"
    decided: set[object] = set()
    for event in events:
        data = event.data
        if event.type == "route.hop":
            hop += 1
            why = _off_table(event, routes)
            if why is not None:
                yield Deviation(run, why[0], hop, f"{where} → {data.get('to')}", why[1])
            where = str(data.get("to"))
        elif event.type == "route.ask":
            where = str(data.get("to"))
        elif event.type in _OF_STEPS and event.actor in steps and event.actor != where:
            why_not = f"{event.actor} worked while the run was at {where}"
            yield Deviation(run, "unled", hop, where, why_not)
        elif event.type == "policy.decided":
            decided.add(data.get("call"))
        elif event.type == "effect.intended" and data.get("call") not in decided:
            told = f"{data.get('tool')} took effect without a decision before it"
            yield Deviation(run, "ungoverned", hop, where, told)
        elif event.type == "run.ended" and where not in _TERMINALS:
            told = f"it ended as {data.get('status')}: {event.why}"
            yield Deviation(run, "cut", hop, where, told)
        elif event.type == "run.cancelled":
            yield Deviation(run, "cut", hop, where, "it was called off")


def _off_table(event: AuditEvent, routes: Sequence[RouteSpec]) -> tuple[str, str] | None:
    """Return the kind and the reason if no line of the table sends a run where it went."""
    line, to = event.data.get("route"), event.data.get("to")
    if not isinstance(line, int):
        # The turn ended within a step, which tells its outcome itself: that is declared, too.
        return None if to in ("finish", "refuse") else ("guard", event.why)
    if not 0 <= line < len(routes):
        return "table", f"it was decided by line {line + 1}, which the table has no more"
    route = routes[line]
    if to == route.to or (route.ask is not None and to in ("choose", *route.ask, route.otherwise)):
        return None
    if to == "escalate" and "could not be evaluated" in event.why:
        return "guard", event.why
    return "table", f"line {line + 1} sends to {_target(route)} today"


def _target(route: RouteSpec) -> str:
    return route.to or f"one of {', '.join(route.ask or ())}"
