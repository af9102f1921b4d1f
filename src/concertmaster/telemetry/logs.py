"""Log lines as JSON with the ids of run and trace, for whatever collects a server's output.

A line of a run tells what happened and how it was decided, by declared names and figures; whose it
was and what was said stays in the trail. The ids are those of the spans, with or without a receiver
of traces.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import OrderedDict
from contextvars import Token
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from concertmaster.contracts import AuditEvent, RunRecord
from concertmaster.policies.redaction import RedactingFilter, Redaction
from concertmaster.telemetry.current import Current, current
from concertmaster.telemetry.facts import Names, facts, failure
from concertmaster.telemetry.ids import Part, root_id, trace_id

if TYPE_CHECKING:
    from concertmaster.orchestrator.segments import Settled

__all__ = ["JsonLines", "RunLines", "log_json"]

_ROOM = "concertmaster"
_MOST_RUNS = 10_000
_FACTS = "concertmaster_facts"
_LOGGED = ("run.", "approval.", "effect.", "model.failed", "step.failed", "tool.refused", "budget.")
_WARNINGS = ("model.failed", "step.failed", "effect.failed", "effect.in_doubt", "budget.reached")
_log = logging.getLogger("concertmaster.runs")


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON: time, level, logger, message, and the run's ids.

    Of an exception that comes with a record, only the type is told: what it says may be
    somebody's words.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (now := current.get()) is not None:
            line |= {"run": now.run, "trace_id": now.trace, "span_id": now.span}
        line |= getattr(record, _FACTS, {})
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False, default=str)


class RunLines:
    """Logs what happens in the runs of a desk, and tells log lines which run they belong to."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._parts: OrderedDict[str, Part] = OrderedDict()
        self._tokens: dict[str, Token[Current | None]] = {}

    def event(self, event: AuditEvent) -> None:
        """Log one event of the trail, if it is of those that operators look for."""
        if event.run is None:
            return
        first = Part(waits=event.type.startswith("approval."))
        part = self._parts[event.run] = self._parts.get(event.run, first).after(event)
        while len(self._parts) > _MOST_RUNS:
            self._parts.popitem(last=False)
        if not event.type.startswith(_LOGGED):
            return
        told = {
            "event": event.type,
            "workflow": self._names.workflow,
            "run": event.run,
            "trace_id": trace_id(event.run, part.woken_by),
            "span_id": root_id(event.run, part.woken_by),
            **{k.removeprefix("concertmaster."): v for k, v in facts(event, self._names).items()},
        }
        if (kind := failure(event)) is not None:
            told["error"] = kind
        level = logging.WARNING if event.type in _WARNINGS else logging.INFO
        _log.log(level, "%s", event.type, extra={_FACTS: told})

    def segment(self, record: RunRecord, settled: Settled | None, rests: bool) -> None:
        """Take the begin or the rest of a segment, in the task that works on it."""
        if not rests:
            woken_by = self._parts.get(record.id, Part()).woken_by
            now = Current(record.id, trace_id(record.id, woken_by), root_id(record.id, woken_by))
            self._tokens[record.id] = current.set(now)
        elif (token := self._tokens.pop(record.id, None)) is not None:
            current.reset(token)


def log_json(stream: IO[str] | None = None) -> logging.Handler:
    """Have everything that Concertmaster logs written as JSON lines; return the handler.

    Args:
        stream: where to; standard error by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    # Loggers have the workspace's own filter once it is open; this one is there before.
    handler.addFilter(RedactingFilter(Redaction().told))
    logger = logging.getLogger(_ROOM)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler
