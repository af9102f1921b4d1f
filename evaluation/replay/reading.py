"""Reads the decisions that a home has recorded, page by page, without changing anything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from concertmaster.audit.envelope import from_envelope, type_column
from concertmaster.contracts import Deadline, Principal, Provenance, ToolShape, digest
from concertmaster.contracts.labels import Confidentiality, Label, Trust
from concertmaster.contracts.provenance import ValueOrigin
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.evaluation.replay import governed
from concertmaster.evaluation.replay.recorded import (
    Again,
    Beyond,
    Case,
    Recorded,
    RecordedCall,
    Settled,
    recorded_of,
)
from concertmaster.policies.bases import Basis, find_bases, shape_digest
from concertmaster.storage import Database

__all__ = ["Range", "cases", "count_erased", "count_events"]

_TYPES = (type_column("policy.decided"), type_column("tool.refused"))
_PAGE = 1000

NO_ARGUMENTS = "its arguments are not kept any more"
NO_FACTS = "its facts were not recorded: it was decided by an earlier release"
NO_BASIS = "what it rested on was erased, or changed since"
NO_TOOL = "the workspace has no such tool any more"
BROKEN = "the gate could not decide it then"
OTHER_SHAPE = "the tool's declaration has changed since"
OLD_ROLES = "roles as they were when the run arrived, and no history: an earlier release decided it"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which decisions: of a workspace's stream, between moments (ISO 8601 in UTC, as stored)."""

    workspace: str
    since: str = ""
    until: str = "~"
    limit: int | None = None


async def count_events(database: Database, wanted: Range) -> int:
    """Return how many events may tell of decisions, for a progress bar."""
    sql = f"SELECT count(*) FROM ({_events(wanted)})"
    return int(await database.read(lambda c: c.execute(sql, _values(wanted)).fetchone()[0]))


async def count_erased(database: Database, wanted: Range) -> int:
    """Return how many decisions the chain still counts whose content was erased."""
    sql = (
        "SELECT count(*) FROM audit_links l LEFT JOIN audit_events e ON e.id = l.id"
        " WHERE l.stream = ? AND l.type IN (?, ?) AND l.time >= ? AND l.time < ? AND e.id IS NULL"
    )
    values = (wanted.workspace, *_TYPES, wanted.since, wanted.until)
    return int(await database.read(lambda c: c.execute(sql, values).fetchone()[0]))


async def cases(
    database: Database, wanted: Range, shapes: Mapping[str, ToolShape]
) -> AsyncIterator[Case]:
    """Yield the recorded decisions in order, each with what is left of what it rested on.

    A page is read at a time, so a desk that works in the home is not kept waiting.

    Raises:
        StorageError: an event is damaged or of another version.
    """
    digests = {name: shape_digest(shape) for name, shape in shapes.items()}
    after = await database.read(partial(_start, wanted=wanted)) if wanted.limit is not None else 0
    while True:
        rows, page = await database.read(partial(_page, wanted=wanted, after=after))
        if not rows:
            return
        after = rows[-1]["seq"]
        for recorded in page.decisions:
            yield Case(
                recorded,
                _ground(recorded, page, shapes, digests),
                (recorded.run, recorded.position, recorded.call) in page.effects,
            )


@dataclass(frozen=True)
class _Page:
    """Decisions, and the rows that belong to their runs. Agents have no plans, and no runs."""

    decisions: Sequence[Recorded]
    bases: Mapping[tuple[str, str], Basis]
    effects: frozenset[tuple[str, int, str]]
    plans: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    people: Mapping[str, Principal] = field(default_factory=dict)
    origins: Mapping[int, tuple[Label, Provenance | None]] = field(default_factory=dict)


def _events(wanted: Range) -> str:
    newest = "" if wanted.limit is None else f" ORDER BY seq DESC LIMIT {max(wanted.limit, 0)}"
    return (
        "SELECT seq FROM audit_events WHERE workspace = ? AND type IN (?, ?)"
        " AND json_extract(envelope, '$.time') >= ? AND json_extract(envelope, '$.time') < ?"
        + newest
    )


def _values(wanted: Range) -> tuple[str, ...]:
    return (wanted.workspace, *_TYPES, wanted.since, wanted.until)


def _start(connection: sqlite3.Connection, wanted: Range) -> int:
    """Return the place behind which the newest decisions lie; past the end if none is wanted."""
    sql = f"SELECT min(seq) FROM ({_events(wanted)})"
    first = connection.execute(sql, _values(wanted)).fetchone()[0]
    return 2**62 if first is None else int(first) - 1


def _page(
    connection: sqlite3.Connection, wanted: Range, after: int
) -> tuple[list[sqlite3.Row], _Page]:
    rows = connection.execute(
        "SELECT seq, envelope FROM audit_events WHERE workspace = ? AND type IN (?, ?)"
        " AND json_extract(envelope, '$.time') >= ? AND json_extract(envelope, '$.time') < ?"
        " AND seq > ? ORDER BY seq LIMIT ?",
        (*_values(wanted), after, _PAGE),
    ).fetchall()
    events = [from_envelope(row["envelope"], row["seq"]) for row in rows]
    decisions = [found for event in events if (found := recorded_of(event)) is not None]
    runs = sorted({d.run for d in decisions if d.run})
    old = {d.seq for d in decisions if not d.basis}
    bases = find_bases(connection, runs) if _has(connection, "decision_bases") else {}
    if not _has(connection, "plans"):
        effects = governed.effects(connection, decisions)
        return rows, _Page(decisions=decisions, bases=bases, effects=effects)
    return rows, _Page(
        decisions=decisions,
        bases=bases,
        plans=_plans(connection, runs),
        effects=_effects(connection, runs),
        people=_people(connection, sorted({d.run for d in decisions if d.seq in old})),
        origins={e.seq or 0: _told(e.data) for e in events if e.seq in old},
    )


def _has(connection: sqlite3.Connection, table: str) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(sql, (table,)).fetchone() is not None


def _plans(
    connection: sqlite3.Connection, runs: Iterable[str]
) -> dict[tuple[str, int], list[Mapping[str, Any]]]:
    found: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    rows = connection.execute(
        "SELECT run, position, action FROM plans"
        " WHERE run IN (SELECT value FROM json_each(?)) ORDER BY revision",
        (json.dumps(list(runs)),),
    )
    for row in rows:
        try:
            arguments = json.loads(row["action"])["arguments"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(arguments, dict):
            found.setdefault((row["run"], row["position"]), []).append(arguments)
    return found


def _effects(
    connection: sqlite3.Connection, runs: Iterable[str]
) -> frozenset[tuple[str, int, str]]:
    rows = connection.execute(
        "SELECT run, position, digest FROM effects WHERE status <> 'failed'"
        " AND run IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    )
    return frozenset((row["run"], row["position"], row["digest"]) for row in rows)


def _people(connection: sqlite3.Connection, runs: Iterable[str]) -> dict[str, Principal]:
    rows = connection.execute(
        "SELECT id, json_extract(record, '$.principal') AS principal FROM runs"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    )
    return {row["id"]: Principal.model_validate_json(row["principal"]) for row in rows}


def _told(data: Mapping[str, Any]) -> tuple[Label, Provenance | None]:
    """Return label and origins as an event of an earlier release tells them: by argument only."""
    label, told = data.get("label") or {}, data.get("provenance")
    names = Confidentiality.__members__
    read = Label(
        trust=Trust.trusted if label.get("trusted") else Trust.untrusted,
        confidentiality=names.get(str(label.get("confidentiality")), Confidentiality.restricted),
    )
    if not isinstance(told, Mapping):
        return read, None
    values = tuple(
        ValueOrigin(argument=name, path=name, origin=origin)
        for origin in ("principal", "trusted", "untrusted", "composed")
        for name in told.get(origin, ())
    )
    return read, Provenance(values=values, asked=bool(told.get("asked")))


def _ground(
    recorded: Recorded, page: _Page, shapes: Mapping[str, ToolShape], digests: Mapping[str, str]
) -> Again | Settled | Beyond:
    basis = page.bases.get((recorded.run, recorded.basis))
    if recorded.basis and basis is None:
        return Beyond(NO_BASIS)
    if basis is not None and not basis.permitted:
        return Settled("its step may not use the tool")
    if basis is not None and basis.facts_error is not None:
        return Settled("its facts could not be had")
    if recorded.tool not in shapes:
        return Beyond(NO_TOOL)
    arguments = _arguments(recorded, page, basis)
    if arguments is None:
        return Beyond(NO_ARGUMENTS)
    if basis is None:
        return _old(recorded, page, shapes[recorded.tool], arguments)
    if basis.provenance is None:
        return Beyond(BROKEN)
    same = basis.shape == digests[recorded.tool]
    return Again(_call(recorded, basis, arguments), () if same else (OTHER_SHAPE,))


def _arguments(recorded: Recorded, page: _Page, basis: Basis | None) -> Mapping[str, Any] | None:
    """Return the arguments that have the recorded digest; an edit made others of them."""
    kept: list[Mapping[str, Any]] = list(page.plans.get((recorded.run, recorded.position), ()))
    if basis is not None and basis.arguments is not None:
        kept.append(basis.arguments)
    for arguments in kept:
        try:
            if digest({"tool": recorded.tool, "arguments": arguments}) == recorded.call:
                return arguments
        except ValueError:
            continue
    return None


def _old(
    recorded: Recorded, page: _Page, shape: ToolShape, arguments: Mapping[str, Any]
) -> Again | Beyond:
    label, origins = page.origins.get(recorded.seq, (Label(), None))
    person = page.people.get(recorded.run)
    if shape.facts is not None:
        return Beyond(NO_FACTS)
    if person is None or origins is None:
        return Beyond(NO_BASIS)
    basis = Basis(principal=person, step="executor", label=label, provenance=origins)
    return Again(_call(recorded, basis, arguments), (OLD_ROLES,))


def _call(recorded: Recorded, basis: Basis, arguments: Mapping[str, Any]) -> RecordedCall:
    return RecordedCall(
        tool=recorded.tool,
        arguments=arguments,
        principal=basis.principal,
        step=basis.step,
        allowed=(recorded.tool,),
        review=_review(basis.review, basis.roles, basis.term),
        facts=basis.facts,
        intent=basis.intent,
        label=basis.label,
        history=basis.history,
        origins=basis.provenance or Provenance(),
    )


@lru_cache(maxsize=256)
def _review(mode: Any, roles: tuple[str, ...], term: Deadline | None) -> ReviewSpec:
    if term is None:
        return ReviewSpec(mode=mode, roles=roles)
    return ReviewSpec(mode=mode, roles=roles, deadline=term.seconds, at_deadline=term.then)
