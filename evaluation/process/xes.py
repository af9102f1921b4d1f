"""Event logs as XES (IEEE 1849), written and read.

The reader is for files of unknown origin: no document type, no entities, nothing is fetched, and
what a file may hold is bounded. `.xes.gz` is read as well.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from concertmaster.errors import ConfigError
from concertmaster.evaluation.process.log import (
    OPEN,
    Case,
    Event,
    Log,
    Rejected,
    finished,
    in_order,
)
from concertmaster.evaluation.process.moments import read_moment

__all__ = ["read_xes", "write_xes"]

_DEEPEST, _LARGEST, _CHUNK = 32, 2**31, 2**16
_VALUES = frozenset({"string", "date", "int", "float", "boolean", "id"})
_EXTENSIONS = (
    ("Concept", "concept"),
    ("Time", "time"),
    ("Lifecycle", "lifecycle"),
    ("Organizational", "org"),
    ("Cost", "cost"),
)
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="2.0" xes.features="" xmlns="http://www.xes-standard.org/">
{extensions}  <global scope="trace">
    <string key="concept:name" value=""/>
  </global>
  <global scope="event">
    <string key="concept:name" value=""/>
    <string key="lifecycle:transition" value="complete"/>
    <date key="time:timestamp" value="1970-01-01T00:00:00+00:00"/>
  </global>
  <classifier name="Activity" keys="concept:name"/>
"""


def write_xes(log: Log) -> Iterator[str]:
    """Yield the lines of a log as XES; an activity with two times has a start and a complete."""
    listed = (
        f'  <extension name="{name}" prefix="{prefix}"'
        f' uri="http://www.xes-standard.org/{prefix}.xesext"/>\n'
        for name, prefix in _EXTENSIONS
    )
    yield _HEAD.format(extensions="".join(listed))
    yield f"  {_value('string', 'concept:name', log.name)}\n"
    for case in log.cases:
        yield "  <trace>\n"
        yield from (f"    {line}\n" for line in _of_case(case))
        for line in _events(case):
            yield f"    <event>{line}</event>\n"
        yield "  </trace>\n"
    yield "</log>\n"


def _of_case(case: Case) -> Iterator[str]:
    yield _value("string", "concept:name", case.id)
    yield _value("string", "outcome", case.outcome or OPEN)
    if case.intent is not None:
        yield _value("string", "intent", case.intent)
    for name in ("retries", "revisions"):
        yield _value("int", name, str(getattr(case, name)))


def _events(case: Case) -> Iterator[str]:
    """Yield the attributes of each event of a trace, in order of time."""
    listed: list[tuple[datetime, int, str, Event]] = []
    for n, event in enumerate(case.events):
        if event.begun is not None:
            listed.append((event.begun, n, "start", event))
        listed.append((event.at, n, "complete", event))
    # Of one activity the start stands first, even where both have the same time.
    listed.sort(key=lambda item: (item[0], item[1], item[2] != "start"))
    for at, n, transition, event in listed:
        parts = [
            _value("string", "concept:name", event.activity),
            _value("string", "concept:instance", str(n)),
            _value("string", "lifecycle:transition", transition),
            _value("date", "time:timestamp", at.astimezone(UTC).isoformat()),
        ]
        if transition == "complete":
            if event.resource is not None:
                parts.append(_value("string", "org:resource", event.resource))
            if event.cost:
                parts.append(_value("float", "cost:total", repr(float(event.cost))))
            if event.away:
                parts.append(_value("float", "away_seconds", repr(float(event.away))))
        yield "".join(parts)


def _value(kind: str, key: str, value: str) -> str:
    return f"<{kind} key={quoteattr(key)} value={quoteattr(_sound(value))}/>"


def _sound(text: str) -> str:
    """Return text without characters that XML 1.0 cannot hold, not even escaped."""
    return "".join(
        c
        if c in "\t\n\r"
        or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe")
        or c > "\uffff"
        else "\ufffd"
        for c in text
    )


def read_xes(path: Path) -> Log:
    """Return the log of an XES file; events without a name or a time are named and left out.

    Raises:
        ConfigError: the file cannot be read, is no XES, or holds what a log has no need of.
    """
    reader = _Reader()
    try:
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(path.open("rb"))
            if path.suffix == ".gz":
                file = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file)))
            reader.read(file)
    except (OSError, EOFError, expat.ExpatError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read as XES: {error}", hint="name an event log in XES (IEEE 1849)"
        ) from None
    return Log.of(reader.name or path.stem, reader.cases, reader.rejected)


@dataclass
class _Reader:
    """Follows the elements of a file. Only a trace's and an event's own attributes count."""

    name: str | None = None
    cases: list[Case] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _trace: dict[str, str] = field(default_factory=dict)
    _event: dict[str, str] = field(default_factory=dict)
    _events: list[dict[str, str]] = field(default_factory=list)
    _line: Any = None

    def read(self, file: IO[bytes]) -> None:
        parser = expat.ParserCreate()
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = _refuse("a document type")
        parser.EntityDeclHandler = _refuse("an entity")
        parser.ExternalEntityRefHandler = _refuse("an external entity")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        self._line = lambda: parser.CurrentLineNumber
        size = 0
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > _LARGEST:
                raise ValueError("it is larger than 2 GB")
            parser.Parse(chunk, False)
        parser.Parse(b"", True)

    def _start(self, tag: str, given: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self._open and tag != "log":
            raise ValueError("its root is no <log>")
        if len(self._open) >= _DEEPEST:
            raise ValueError(f"its elements are nested more than {_DEEPEST} deep")
        parent = self._open[-1] if self._open else ""
        self._open.append(tag)
        if tag == "trace":
            self._trace, self._events = {}, []
        elif tag == "event":
            self._event = {"": str(self._line())}
        elif tag in _VALUES and "key" in given and "value" in given:
            place = {"trace": self._trace, "event": self._event}.get(parent)
            if place is not None:
                place[given["key"]] = given["value"]
            elif parent == "log" and given["key"] == "concept:name":
                self.name = given["value"]

    def _end(self, _: str) -> None:
        tag = self._open.pop()
        if tag == "event" and self._open[-1] == "trace":
            self._events.append(self._event)
        elif tag == "trace":
            self.cases.append(self._case())

    def _case(self) -> Case:
        told, events = self._trace, in_order(self._paired())
        name, outcome = (
            told.get("concept:name") or f"case {len(self.cases) + 1}",
            told.get("outcome"),
        )
        if outcome is None:
            return finished(name, events)
        return Case(
            id=name,
            events=events,
            outcome=None if outcome == OPEN else outcome,
            intent=told.get("intent"),
            retries=_number(told.get("retries")),
            revisions=_number(told.get("revisions")),
        )

    def _paired(self) -> Iterable[Event]:
        """Return the activities of a trace: starts are joined with their completes, in order."""
        found: list[Event] = []
        begun: dict[tuple[str, str | None], list[int]] = {}
        for told in self._events:
            transition = told.get("lifecycle:transition", "complete").lower()
            if transition not in ("start", "complete"):
                continue
            try:
                event = _event(told)
            except ValueError as error:
                self.rejected.append(Rejected(f"line {told['']}", str(error)))
                continue
            key = (event.activity, told.get("concept:instance"))
            if transition == "start":
                begun.setdefault(key, []).append(len(found))
                found.append(event)
            elif begun.get(key):
                place = begun[key].pop(0)
                found[place] = Event(
                    activity=event.activity,
                    begun=min(found[place].at, event.at),
                    at=event.at,
                    away=event.away,
                    resource=event.resource,
                    cost=event.cost,
                )
            else:
                found.append(event)
        return found


def _event(told: dict[str, str]) -> Event:
    name, time = told.get("concept:name", ""), told.get("time:timestamp", "")
    if not name.strip():
        raise ValueError("it has no activity")
    if not time.strip():
        raise ValueError("it has no time")
    return Event(
        activity=name,
        at=read_moment(time),
        away=_amount(told.get("away_seconds")),
        resource=told.get("org:resource"),
        cost=_amount(told.get("cost:total")),
    )


def _amount(text: str | None) -> float:
    found = float(text) if text else 0.0
    if not math.isfinite(found):
        raise ValueError("its cost is no amount")
    return found


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _refuse(what: str) -> Any:
    def refuse(*_: object) -> None:
        raise ValueError(f"it holds {what}, which an event log has no need of")

    return refuse
