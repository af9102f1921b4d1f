"""The trail as an event log: one case a run, one activity for each visit to a step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from concertmaster.contracts import AuditEvent
from concertmaster.evaluation.process.log import PEOPLE, QUEUE, Case, Event, Log, in_order

__all__ = ["by_run", "case_of", "log_of"]

_ENDS = ("run.ended", "run.cancelled")
_SETTLED = ("approval.answered", "approval.voided", "approval.overdue")


def log_of(name: str, events: Iterable[AuditEvent]) -> Log:
    """Return the log of a trail's events; what belongs to no run is left out.

    Args:
        name: of the log: the workspace.
        events: in order of the trail. Runs whose events were erased have none, and so no case.
    """
    return Log.of(name, (case_of(run, found) for run, found in by_run(events)))


def by_run(events: Iterable[AuditEvent]) -> Iterable[tuple[str, list[AuditEvent]]]:
    """Yield each run with its events in order."""
    listed = sorted((e for e in events if e.run), key=lambda e: (str(e.run), e.seq or 0))
    for run, found in groupby(listed, key=lambda e: str(e.run)):
        yield run, list(found)


@dataclass
class _Reading:
    """A run as far as it has been read."""

    done: list[Event] = field(default_factory=list)
    now: Event | None = None
    waiting: dict[str, datetime] = field(default_factory=dict)
    asked: datetime | None = None
    costs: dict[str, float] = field(default_factory=dict)
    outcome: str | None = None
    intent: str | None = None
    retries: int = 0
    revisions: int = 0

    def leave(self, at: datetime) -> None:
        """The step that the run is in ends."""
        if self.now is not None:
            name = self.now.activity
            self.done.append(replace(self.now, at=at, cost=self.costs.pop(name, 0.0)))
            self.now = None

    def settle(self, approval: str, at: datetime) -> None:
        """An approval is decided; the run waits until the last one is."""
        if self.waiting.pop(approval, None) is None or self.waiting or self.asked is None:
            return
        self.done.append(Event(activity=PEOPLE, begun=self.asked, at=at))
        if self.now is not None:
            away = (at - max(self.asked, self.now.begun or self.asked)).total_seconds()
            self.now = replace(self.now, away=self.now.away + away)
        self.asked = None


def case_of(run: str, events: Sequence[AuditEvent]) -> Case:
    """Return one run as a case.

    A visit to a step lasts from the hop to it until the next hop, without the time in which
    people were waited for, which is an activity of its own.
    """
    read = _Reading()
    received: datetime | None = None
    last: datetime | None = None
    for event in events:
        last = at = datetime.fromisoformat(event.time)
        if event.type == "run.received":
            received = at
        elif event.type == "run.started" and received is not None:
            read.done.append(Event(activity=QUEUE, begun=received, at=at))
            received = None
        elif event.type == "route.hop" or (event.type == "route.ask" and event.data.get("to")):
            read.leave(at)
            read.now = Event(activity=str(event.data.get("to")), begun=at, at=at)
        else:
            _other(read, event, at)
    if last is not None:
        if read.asked is not None:
            read.waiting.clear()
        read.leave(last)
    return Case(
        id=run,
        events=in_order(read.done),
        outcome=read.outcome,
        intent=read.intent,
        retries=read.retries,
        revisions=read.revisions,
    )


def _other(read: _Reading, event: AuditEvent, at: datetime) -> None:
    data = event.data
    if event.type in _ENDS:
        read.leave(at)
        read.outcome = "cancelled" if event.type == "run.cancelled" else str(data.get("status"))
    elif event.type == "intent.classified":
        read.intent = data.get("intent") or ("(none)" if data.get("in_scope") is False else None)
    elif event.type == "approval.requested":
        read.waiting[str(data.get("approval"))] = at
        read.asked = read.asked or at
    elif event.type == "approval.overdue" and data.get("successor"):
        # Others are asked instead: the wait goes on.
        read.waiting[str(data["successor"])] = at
        read.waiting.pop(str(data.get("approval")), None)
    elif event.type in _SETTLED and data.get("status") != "pending":
        read.settle(str(data.get("approval")), at)
    elif event.type in ("model.called", "model.failed"):
        cost = data.get("cost")
        if isinstance(cost, int | float):
            step = event.actor if read.now is None else read.now.activity
            read.costs[step] = read.costs.get(step, 0.0) + cost
        read.retries += event.type == "model.failed"
    elif event.type == "effect.intended":
        read.retries += int(data.get("attempt") or 1) > 1
    elif event.type in ("run.recovered", "step.failed"):
        read.retries += 1
    elif event.type == "critic.judged":
        read.revisions += data.get("status") == "revise"
