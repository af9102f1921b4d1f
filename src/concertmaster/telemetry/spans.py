"""The runs of a desk as traces: events of the trail and segments in, spans out."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextvars import Token
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts
from opentelemetry import trace as api

from concertmaster.contracts import AuditEvent, RunRecord
from concertmaster.telemetry.facts import closed
from concertmaster.telemetry.ids import Part
from concertmaster.telemetry.segment import Segment, Tracing, link_to_first, nanoseconds

if TYPE_CHECKING:
    from concertmaster.orchestrator.segments import Settled

__all__ = ["Spans"]

_MOST_RUNS = 10_000
_MOST_HELD = 60
_BETWEEN = ("approval.", "feedback.", "value.endorsed", "run.recovered", "run.started")
_ENDS = ("run.ended", "run.cancelled")


@dataclass
class _Run:
    """A run that has not ended: where it stands, its open segment, and what came in between."""

    part: Part = field(default_factory=Part)
    segment: Segment | None = None
    worked_on: bool = False
    held: list[AuditEvent] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)


class Spans:
    """Makes the spans of one desk. Events may come from any thread, one run's in their order."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._lock = threading.RLock()
        self._attached: dict[str, Token[Any]] = {}

    def event(self, event: AuditEvent) -> None:
        """Take one event of the trail."""
        if event.run is None:
            return
        with self._lock:
            self._event(event, event.run)

    def _event(self, event: AuditEvent, id_: str) -> None:
        run = self._runs.get(id_)
        if run is None:
            run = self._known(event, id_)
            if run is None:
                return
        before, run.part = run.part, run.part.after(event)
        if run.part.woken_by != before.woken_by:
            self._close(run, nanoseconds(event), "awaiting_review")
        if run.segment is None and not self._opens(run, event):
            run.held = [*run.held, event][-_MOST_HELD:]
        else:
            self._take(run, event)
        if event.type in _ENDS and not run.worked_on:
            self._end(id_, nanoseconds(event))
        elif event.type == "run.queued":
            self._close(run, nanoseconds(event), "queued")

    def _known(self, event: AuditEvent, id_: str) -> _Run | None:
        """Begin to follow a run; one that ended before is not followed again."""
        if event.type.startswith(("feedback.", "effect.", "retention.")):
            return None
        # Seen for the first time and not new: it waited when this process began.
        waited = event.type.startswith("approval.")
        run = self._runs[id_] = _Run(Part(waits=waited))
        while len(self._runs) > _MOST_RUNS:
            _, oldest = self._runs.popitem(last=False)
            self._close(oldest, time.time_ns(), "cut_off")
        return run

    def _opens(self, run: _Run, event: AuditEvent) -> bool:
        """Tell whether an event opens a segment; others wait until there is one."""
        if event.type == "run.received" or event.type in _ENDS:
            return True
        return run.worked_on and not event.type.startswith(_BETWEEN)

    def _take(self, run: _Run, event: AuditEvent) -> None:
        if run.segment is None:
            self._open(run, event)
        assert run.segment is not None
        self._waited(run, event)
        run.segment.take(event)

    def _open(self, run: _Run, event: AuditEvent) -> Segment:
        first = run.held[0] if run.held else event
        assert event.run is not None
        links = []
        if run.part.woken_by:
            links.append(link_to_first(event.run))
        around = api.get_current_span().get_span_context()
        if event.type == "run.received" and around.is_valid:
            links.append(api.Link(around, {"concertmaster.link": "who asked"}))
        woken = next((e for e in run.held if e.id == run.part.woken_by), first)
        segment = run.segment = Segment(self._tracing, woken, run.part.woken_by, links)
        held, run.held = run.held, []
        for earlier in held:
            self._waited(run, earlier)
            segment.take(earlier)
        return segment

    def _waited(self, run: _Run, event: AuditEvent) -> None:
        """Say on the trace how long an approval was waited for."""
        id_ = str(event.data.get("approval"))
        if event.type == "approval.requested":
            run.asked[id_] = nanoseconds(event)
        elif event.type.startswith("approval.") and id_ in run.asked and run.segment:
            seconds = (nanoseconds(event) - run.asked[id_]) / 1e9
            run.segment.root.set_attribute("concertmaster.approval.waited", seconds)

    def segment(self, record: RunRecord, settled: Settled | None, rests: bool) -> None:
        """Take the begin or the rest of a segment, in the task that works on it."""
        with self._lock:
            if not rests:
                self._begin(record)
                return
            if (token := self._attached.pop(record.id, None)) is not None:
                contexts.detach(token)
            run = self._runs.get(record.id)
            if run is None:
                return
            run.worked_on = False
            segment, at = run.segment, time.time_ns()
            if segment is not None and segment.ended is not None:
                self._end(record.id, at, record, settled)
                return
            status = settled.outcome.status if settled else "cut_off"
            self._close(run, at, status, record, settled)

    def _begin(self, record: RunRecord) -> None:
        run = self._runs.setdefault(record.id, _Run())
        run.worked_on = True
        if run.segment is None and run.held:
            self._open(run, run.held[-1])
        if run.segment is not None and record.id not in self._attached:
            # What other instrumentation sees within, such as HTTP requests, joins the trace.
            around = api.set_span_in_context(run.segment.root)
            self._attached[record.id] = contexts.attach(around)

    def _end(
        self,
        id_: str,
        at: int,
        record: RunRecord | None = None,
        settled: Settled | None = None,
    ) -> None:
        run = self._runs.pop(id_)
        ended = run.segment.ended if run.segment else None
        status = "cancelled"
        if ended is not None and ended.type == "run.ended":
            status = closed(ended.data.get("status"), "ended")
        self._close(run, at, status, record, settled)

    def _close(
        self,
        run: _Run,
        at: int,
        status: str,
        record: RunRecord | None = None,
        settled: Settled | None = None,
    ) -> None:
        segment, run.segment = run.segment, None
        if segment is not None:
            segment.rest(
                at,
                status,
                settled.turn if settled else None,
                record.text if record else "",
                settled.outcome.text if settled else "",
            )

    def close(self) -> None:
        """End what is open, as cut off."""
        with self._lock:
            for run in self._runs.values():
                self._close(run, time.time_ns(), "cut_off")
            self._runs.clear()
