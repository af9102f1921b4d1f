"""The trail as an object-centric event log: OCEL 2.0 in JSON, written, checked and read.

Objects are runs, threads, principals, approvals and tool calls. Principals have pseudonyms, which
mean something within one export only. No words of people, no arguments and no reasons go out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from concertmaster.contracts import AuditEvent
from concertmaster.errors import ConfigError
from concertmaster.evaluation.process.log import Case, Event, Log, in_order

__all__ = ["OBJECTS", "Ocel", "ocel_problems", "read_ocel", "to_ocel", "write_ocel"]

OBJECTS: Mapping[str, Mapping[str, str]] = {
    "run": {"workspace": "string"},
    "thread": {},
    "principal": {},
    "approval": {},
    "call": {"tool": "string"},
}
_DETAILS: Mapping[str, str] = {
    "to": "string",
    "route": "integer",
    "hop": "integer",
    "tool": "string",
    "decision": "string",
    "status": "string",
    "answer": "string",
    "intent": "string",
    "method": "string",
    "attempt": "integer",
    "model": "string",
    "cost": "float",
    "input_tokens": "integer",
    "output_tokens": "integer",
}
"""What of an event's data goes out, with its type."""
_TYPES: Mapping[str, Any] = {"string": str, "integer": int, "float": (int, float)}
_LARGEST = 2**30


def to_ocel(events: Iterable[AuditEvent]) -> dict[str, Any]:
    """Return the events of runs as an OCEL 2.0 document."""
    made = Ocel()
    listed = [made.add(event) for event in events if event.run is not None]
    return {**made.head(), "events": listed}


class Ocel:
    """A document in the making, of which only the objects stay in memory.

    Its head names all objects, and stands before the events: so add the events once for the head,
    and once more, in the same order, to write each one.
    """

    def __init__(self) -> None:
        self._made = _Objects()
        self._used: dict[str, dict[str, str]] = {}

    def add(self, event: AuditEvent) -> dict[str, Any]:
        """Return an event of a run as it is written; the objects that it names are noted."""
        attributes = list(_attributes(event.data))
        used = self._used.setdefault(event.type, {})
        used.update({a["name"]: _DETAILS[a["name"]] for a in attributes})
        return {
            "id": event.id,
            "type": event.type,
            "time": event.time,
            "attributes": attributes,
            "relationships": list(self._made.of(event)),
        }

    def head(self) -> dict[str, Any]:
        """Return everything but the events."""
        return {
            "objectTypes": [_type(name, OBJECTS[name]) for name in OBJECTS],
            "eventTypes": [_type(name, known) for name, known in sorted(self._used.items())],
            "objects": list(self._made.objects.values()),
        }


async def write_ocel(events: Callable[[], AsyncIterable[AuditEvent]]) -> AsyncIterator[str]:
    """Yield the parts of the document as JSON, the same text as of `to_ocel`.

    Args:
        events: gives the events of runs in order of the trail, each time it is called.
    """
    made = Ocel()
    async for event in events():
        made.add(event)
    head = json.dumps(made.head(), ensure_ascii=False)
    yield f'{head[:-1]}, "events": ['
    before = ""
    async for event in events():
        yield before + json.dumps(made.add(event), ensure_ascii=False)
        before = ", "
    yield "]}"


def _type(name: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "attributes": [{"name": n, "type": t} for n, t in attributes.items()]}


def _attributes(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, kind in _DETAILS.items():
        value = data.get(name)
        if isinstance(value, _TYPES[kind]) and not isinstance(value, bool):
            yield {"name": name, "value": float(value) if kind == "float" else value}


class _Objects:
    """The objects that were named so far, each made once."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self._people: dict[str, str] = {}

    def of(self, event: AuditEvent) -> Iterator[dict[str, str]]:
        """Yield how an event is related to objects, and make those that are new."""
        data, time = event.data, event.time
        yield self._made("run", str(event.run), "of", time, workspace=event.workspace)
        if event.thread:
            yield self._made("thread", event.thread, "on", time)
        if event.on_behalf_of:
            yield self._made("principal", self._person(event.on_behalf_of), "for", time)
        if event.type == "approval.answered":
            yield self._made("principal", self._person(event.actor), "decided by", time)
        if isinstance(data.get("approval"), str):
            yield self._made("approval", data["approval"], "about", time)
        if isinstance(data.get("position"), int) and isinstance(data.get("tool"), str):
            call = f"{event.run}/{data['position']}"
            yield self._made("call", call, "about", time, tool=data["tool"])

    def _made(self, kind: str, id_: str, qualifier: str, time: str, **known: str) -> dict[str, str]:
        name = f"{kind}:{id_}"
        if name not in self.objects:
            attributes = [{"name": n, "value": v, "time": time} for n, v in known.items()]
            self.objects[name] = {
                "id": name,
                "type": kind,
                "attributes": attributes,
                "relationships": [],
            }
        return {"objectId": name, "qualifier": qualifier}

    def _person(self, principal: str) -> str:
        return self._people.setdefault(principal, str(len(self._people) + 1))


def ocel_problems(document: Any) -> list[str]:
    """Return what of an OCEL 2.0 document breaks the format's rules; nothing if it is sound.

    Types and their attributes are declared and fit, ids are unique, relationships lead to objects
    and have a qualifier, times are ISO 8601.
    """
    if not isinstance(document, dict):
        return ["it is no object"]
    parts = ("objectTypes", "eventTypes", "objects", "events")
    missing = [name for name in parts if not isinstance(document.get(name), list)]
    if missing:
        return [f"it has no list {name}" for name in missing]
    problems: list[str] = []
    ids = {o.get("id") for o in document["objects"] if isinstance(o, dict)}
    for kind in ("object", "event"):
        types = _declared(document[f"{kind}Types"], problems)
        seen: set[str] = set()
        for item in document[f"{kind}s"]:
            problems += _item(kind, item, types, ids, seen)
    return problems


def _declared(types: Any, problems: list[str]) -> dict[str, dict[str, str]]:
    found = {}
    for one in types:
        try:
            found[one["name"]] = {a["name"]: a["type"] for a in one["attributes"]}
        except (TypeError, KeyError):
            problems.append("a type lacks its name or its attributes")
            continue
        known = ("string", "time", "integer", "float", "boolean")
        listed = found[one["name"]].items()
        problems += [f"{one['name']}: {n} has no type" for n, t in listed if t not in known]
    return found


def _item(
    kind: str, item: Any, types: Mapping[str, Any], ids: set[Any], seen: set[str]
) -> Iterator[str]:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        yield f"an {kind} has no id"
        return
    name = f"{kind} {item['id']}"
    if item["id"] in seen:
        yield f"{name} stands there twice"
    seen.add(item["id"])
    known = types.get(str(item.get("type")))
    if known is None:
        yield f"{name} has no declared type"
    if kind == "event" and not _is_time(item.get("time")):
        yield f"{name} has no time"
    for attribute in item.get("attributes") or ():
        declared = (known or {}).get(attribute.get("name"))
        fits = _TYPES.get(str(declared))
        if declared is None or (fits and not isinstance(attribute.get("value"), fits)):
            yield f"{name}: the attribute {attribute.get('name')} does not fit its type"
        if kind == "object" and not _is_time(attribute.get("time")):
            yield f"{name}: the attribute {attribute.get('name')} has no time"
    for relation in item.get("relationships") or ():
        if relation.get("objectId") not in ids or not isinstance(relation.get("qualifier"), str):
            yield f"{name} is related to an object that is not there, or without a qualifier"


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def read_ocel(path: Path, case: str = "run") -> Log:
    """Return an OCEL 2.0 file as a log with one case for each object of a type.

    Raises:
        ConfigError: it cannot be read, or breaks the format's rules.
    """
    hint = "name an object-centric log in OCEL 2.0 JSON"
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is larger than 1 GB")
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} cannot be read as OCEL: {error}", hint=hint) from None
    if problems := ocel_problems(document):
        raise ConfigError(f"{path} is no OCEL 2.0: {problems[0]}", hint=hint)
    events: dict[str, list[Event]] = {o["id"]: [] for o in document["objects"] if o["type"] == case}
    for item in document["events"]:
        event = Event(activity=item["type"], at=datetime.fromisoformat(item["time"]))
        for name in dict.fromkeys(r["objectId"] for r in item.get("relationships") or ()):
            if name in events:
                events[name].append(event)
    return Log.of(
        path.stem, (Case(id=id_, events=in_order(found)) for id_, found in events.items())
    )
