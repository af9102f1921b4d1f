"""What is counted and timed of runs, from events of the trail; sinks keep the figures.

Labels are declared names and closed sets, never ids, people or words, and each measure has a
bounded number of series.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from concertmaster.contracts import AuditEvent
from concertmaster.telemetry import conventions as c
from concertmaster.telemetry.facts import Names, closed, failure, number

__all__ = ["MEASURES", "Measure", "Measures", "Sink"]

Kind = Literal["counter", "histogram"]

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_WAITS = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0, 604800.0)
_TOKENS = tuple(float(4**n) for n in range(14))
_MOST_SERIES = 500
_MOST_RUNS = 10_000
_OTHER = "other"


@dataclass(frozen=True)
class Measure:
    """One thing that is measured; `unit` is in UCUM, as OpenTelemetry has it."""

    name: str
    kind: Kind
    unit: str
    told: str
    bounds: tuple[float, ...] = ()


MEASURES: Mapping[str, Measure] = {
    m.name: m
    for m in (
        Measure("concertmaster.runs", "counter", "{run}", "Runs that ended, by outcome."),
        Measure(
            "concertmaster.run.duration",
            "histogram",
            "s",
            "Time from a message's arrival to the end of its run, waits included.",
            (*_SECONDS, *_WAITS[4:]),
        ),
        Measure("concertmaster.steps", "counter", "{step}", "Steps that runs went to."),
        Measure("concertmaster.step.duration", "histogram", "s", "Time in a step.", _SECONDS),
        Measure("concertmaster.model.calls", "counter", "{call}", "Model calls, by result."),
        Measure(
            "gen_ai.client.operation.duration", "histogram", "s", "Time of model calls.", _SECONDS
        ),
        Measure(
            "gen_ai.client.token.usage",
            "histogram",
            "{token}",
            "Tokens of model calls, by type.",
            _TOKENS,
        ),
        Measure("concertmaster.cost", "counter", "USD", "Cost of calls whose price is known."),
        Measure(
            "concertmaster.tool.decisions",
            "counter",
            "{decision}",
            "Decisions on proposed tool calls.",
        ),
        Measure("concertmaster.tool.calls", "counter", "{call}", "Tool calls made, by result."),
        Measure(
            "concertmaster.approval.wait",
            "histogram",
            "s",
            "Time from the request for an approval to its end.",
            _WAITS,
        ),
        Measure("concertmaster.errors", "counter", "{error}", "What went wrong, by kind."),
    )
}

Sink = Callable[[Measure, float, Mapping[str, str]], None]
"""Takes one figure: to be added to a counter, or put into a histogram."""

_CALLS = {
    "tool.called": "done",
    "effect.done": "done",
    "effect.failed": "failed",
    "effect.in_doubt": "in_doubt",
    "effect.reused": "reused",
}
_ERRORS = ("step.failed", "model.failed", "effect.failed", "effect.in_doubt", "budget.reached")


@dataclass
class _Timed:
    received: float | None = None
    step: tuple[str, float] | None = None
    models: dict[str, float] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)


class Measures:
    """Turns the events of one desk into figures for sinks."""

    def __init__(self, names: Names, *sinks: Sink) -> None:
        self._names, self._sinks = names, sinks
        self._runs: OrderedDict[str, _Timed] = OrderedDict()
        self._series: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._lock = threading.Lock()

    def event(self, event: AuditEvent) -> None:
        """Take one event of the trail; may be called in any thread."""
        with self._lock:
            timed = self._timed(event)
            at = datetime.fromisoformat(event.time).timestamp()
            match event.type:
                case "run.received":
                    timed.received = at
                case "route.hop" | "route.ask":
                    self._hop(event, timed, at)
                case "run.ended" | "run.cancelled":
                    self._ended(event, timed, at)
                case "model.chosen":
                    timed.models[str(event.data.get("model"))] = at
                case "model.called" | "model.failed":
                    self._model(event, timed, at)
                case "policy.decided" | "tool.refused":
                    self._decided(event)
                case "approval.requested":
                    self._step(timed, at)
                    timed.asked[str(event.data.get("approval"))] = at
                case "approval.answered" | "approval.voided" | "approval.overdue":
                    self._answered(event, timed, at)
                case _ if event.type in _CALLS:
                    self._called(event)
            if event.type in _ERRORS:
                kind = event.type.replace(".", "_")
                self._put("concertmaster.errors", 1, kind=kind, type=failure(event) or _OTHER)

    def _timed(self, event: AuditEvent) -> _Timed:
        if event.run is None:
            return _Timed()
        timed = self._runs.setdefault(event.run, _Timed())
        while len(self._runs) > _MOST_RUNS:
            self._runs.popitem(last=False)
        return timed

    def _hop(self, event: AuditEvent, timed: _Timed, at: float) -> None:
        self._step(timed, at)
        to = self._names.step(event.data.get("to"))
        if to in self._names.steps:
            timed.step = to, at
            self._put("concertmaster.steps", 1, step=to)

    def _step(self, timed: _Timed, at: float) -> None:
        if timed.step is not None:
            step, began = timed.step
            timed.step = None
            self._put("concertmaster.step.duration", at - began, step=step)

    def _ended(self, event: AuditEvent, timed: _Timed, at: float) -> None:
        self._step(timed, at)
        outcome = closed(event.data.get("status"), "ended")
        outcome = "cancelled" if event.type == "run.cancelled" else outcome
        self._put("concertmaster.runs", 1, outcome=outcome)
        if timed.received is not None:
            self._put("concertmaster.run.duration", at - timed.received, outcome=outcome)
        if event.run is not None:
            self._runs.pop(event.run, None)

    def _model(self, event: AuditEvent, timed: _Timed, at: float) -> None:
        data = event.data
        began = timed.models.pop(str(data.get("model")), None)
        if began is None:
            return  # A predictor, or a model that could not even be chosen: nothing was asked.
        provider, model = self._names.model(data.get("model"))
        labels = {c.OPERATION: "chat", c.PROVIDER: provider, c.MODEL: model}
        failed = failure(event)
        self._put("concertmaster.model.calls", 1, model=model, result=failed or "done")
        more = {c.ERROR: failed} if failed else {}
        self._put("gen_ai.client.operation.duration", at - began, **labels, **more)
        if failed:
            return
        for kind in ("input", "output"):
            tokens = number(data.get(f"{kind}_tokens"))
            self._put("gen_ai.client.token.usage", tokens, **labels, **{c.TOKEN_TYPE: kind})
        if isinstance(cost := data.get("cost"), int | float) and cost:
            self._put("concertmaster.cost", cost, model=model)

    def _decided(self, event: AuditEvent) -> None:
        """Count what the gate said when a call was proposed; `act` says it again."""
        if event.actor == "act" and event.type == "policy.decided":
            return
        decision = closed(event.data.get("decision"), "deny")
        tool = self._names.tool(event.data.get("tool"))
        self._put("concertmaster.tool.decisions", 1, tool=tool, decision=decision)

    def _called(self, event: AuditEvent) -> None:
        result = "failed" if failure(event) == "tool_failed" else _CALLS[event.type]
        tool = self._names.tool(event.data.get("tool"))
        self._put("concertmaster.tool.calls", 1, tool=tool, result=result)

    def _answered(self, event: AuditEvent, timed: _Timed, at: float) -> None:
        status = closed(event.data.get("status"), event.type.partition(".")[2])
        asked = timed.asked
        began = asked.get(str(event.data.get("approval")))
        if status == "pending" or began is None:
            return
        del asked[str(event.data.get("approval"))]
        self._put("concertmaster.approval.wait", at - began, answer=status)

    def _put(self, name: str, value: float, **labels: str) -> None:
        known, values = self._series[name], tuple(labels.values())
        if values not in known and len(known) >= _MOST_SERIES:
            labels = dict.fromkeys(labels, _OTHER)
        else:
            known.add(values)
        labels = {"workflow": self._names.workflow, **labels}
        for sink in self._sinks:
            sink(MEASURES[name], max(0, value), labels)
