"""What a decision rested on, kept so that it can be made again under other policies.

The trail tells what was decided and why, but not by which facts. A row beside it holds them, under
a digest that the event names: so a row that was changed since is no ground for anything. The rows
hold personal data, as facts do; they go with their run, and with the content of its events.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from concertmaster.audit import Trail
from concertmaster.contracts import (
    Deadline,
    History,
    Label,
    Principal,
    Provenance,
    ToolShape,
    digest,
)
from concertmaster.contracts.base import Record
from concertmaster.policies.call import Call
from concertmaster.storage import Migration

__all__ = ["MIGRATIONS", "Bases", "Basis", "basis_of", "find_bases", "forget_bases", "shape_digest"]

MIGRATIONS = (
    Migration(
        "policies.bases",
        1,
        """
        CREATE TABLE decision_bases (
            run TEXT NOT NULL,
            digest TEXT NOT NULL,
            basis TEXT NOT NULL,
            PRIMARY KEY (run, digest)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)

_LARGEST = 2**18


class Basis(Record):
    """Everything that a decision depends on beside the call's arguments and the policies.

    `permitted` tells whether the step may use the tool, `review`, `roles` and `term` are its
    review point. `provenance` stands for the texts that it was found in, which are not kept.
    `shape` is the digest of the tool's declaration. `arguments` are None where an accepted plan
    holds them.
    """

    principal: Principal
    step: str
    permitted: bool = True
    review: str = "policy"
    roles: tuple[str, ...] = ()
    term: Deadline | None = None
    facts: dict[str, Any] | None = None
    facts_error: str | None = None
    intent: str | None = None
    label: Label = Label()
    history: History = History()
    provenance: Provenance | None = None
    shape: str | None = None
    arguments: dict[str, Any] | None = None

    def written(self) -> str:
        """Return the row's text, the same for the same basis."""
        plain = self.model_dump(mode="json", exclude_defaults=True)
        for past in plain.get("history", {}).values():
            if "done" in past:
                past["done"] = sorted(past["done"])
        # Not canonical JSON, which makes strings of large integers: facts come back as they were.
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))


class Bases:
    """Keeps bases in the transactions in which the trail is stored; what waits is in memory.

    Args:
        trail: whose decisions.
        shapes: of the tools that are decided about.
        arguments: keep the calls' arguments, too, where no plan holds them.
    """

    def __init__(
        self, trail: Trail, shapes: Mapping[str, ToolShape], *, arguments: bool = False
    ) -> None:
        self._database = trail.database
        self._arguments = arguments
        self._shapes = {name: shape_digest(shape) for name, shape in shapes.items()}
        self._waiting: dict[tuple[str, str], str] = {}
        trail.beside(self._store)

    def keep(self, run: str, call: Call, provenance: Provenance | None) -> str:
        """Keep what a decision of a run rested on; return the digest by which it is found.

        It is empty for what cannot be written down, and with arguments for what is larger than
        256 KB: that decision cannot be made again.
        """
        arguments = call.arguments if self._arguments else None
        basis = basis_of(call, provenance, self._shapes.get(call.tool), arguments)
        try:
            text = basis.written()
        except ValueError:
            return ""
        if self._arguments and len(text) > _LARGEST:
            return ""
        named = _named(text)
        self._waiting[run, named] = text
        return named

    def _store(self, connection: sqlite3.Connection) -> None:
        once = self._database.once
        waiting = {at: text for at, text in self._waiting.copy().items() if once((id(self), at))}
        connection.executemany(
            "INSERT OR IGNORE INTO decision_bases (run, digest, basis) VALUES (?, ?, ?)",
            [(*place, text) for place, text in waiting.items()],
        )
        self._database.after_commit(partial(self._forget, tuple(waiting)))

    def _forget(self, places: Iterable[tuple[str, str]]) -> None:
        for place in places:
            self._waiting.pop(place, None)


def basis_of(
    call: Call,
    provenance: Provenance | None,
    shape: str | None,
    arguments: Mapping[str, Any] | None = None,
) -> Basis:
    """Return what a decision about a call rests on; `arguments` where nothing else holds them."""
    return Basis(
        principal=call.principal,
        step=call.step,
        permitted=call.tool in call.allowed,
        review=call.review.mode,
        roles=call.review.roles,
        term=call.review.term,
        facts=None if call.facts is None else dict(call.facts),
        facts_error=call.facts_error,
        intent=call.intent,
        label=call.label,
        history=call.history,
        provenance=provenance,
        shape=shape,
        arguments=None if arguments is None else dict(arguments),
    )


def shape_digest(shape: ToolShape) -> str:
    """Return the digest of a tool's declaration as policies see it."""
    return digest(shape.model_dump(mode="json"))


def find_bases(connection: sqlite3.Connection, runs: Iterable[str]) -> dict[tuple[str, str], Basis]:
    """Return by run and digest what decisions of runs rested on.

    A row that does not have its digest, or cannot be read, is left out: it was changed.
    """
    rows = connection.execute(
        "SELECT run, digest, basis FROM decision_bases"
        " WHERE run IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    )
    found = {}
    for row in rows:
        if _named(row["basis"]) != row["digest"]:
            continue
        try:
            found[row["run"], row["digest"]] = Basis.model_validate_json(row["basis"])
        except ValidationError:
            continue
    return found


def forget_bases(connection: sqlite3.Connection, runs: Iterable[str]) -> None:
    """Delete within the caller's transaction what decisions of runs rested on."""
    connection.execute(
        "DELETE FROM decision_bases WHERE run IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    )


def _named(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"
