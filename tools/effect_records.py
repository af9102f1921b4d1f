"""The rows of the effect ledger, and what it answers to a call that is about to be made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Record, digest
from concertmaster.errors import StorageError
from concertmaster.storage import Migration

__all__ = [
    "MIGRATIONS",
    "Begun",
    "Done",
    "EffectRecord",
    "EffectStatus",
    "Fresh",
    "InDoubt",
    "Retry",
    "distrust",
    "distrusted",
    "find_effect",
    "idempotency_key",
    "read_effect",
    "write_effect",
]

EffectStatus = Literal["intended", "done", "failed", "in_doubt"]

MIGRATIONS = (
    Migration(
        "tools.ledger",
        1,
        """
        CREATE TABLE effects (
            run TEXT NOT NULL,
            position INTEGER NOT NULL,
            digest TEXT NOT NULL,
            tool TEXT NOT NULL,
            key TEXT NOT NULL,
            idempotent INTEGER NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('intended', 'done', 'failed', 'in_doubt')),
            result TEXT,
            reference TEXT,
            why TEXT NOT NULL DEFAULT '',
            attempts INTEGER NOT NULL DEFAULT 1,
            thread TEXT,
            on_behalf_of TEXT,
            begun TEXT NOT NULL,
            settled TEXT,
            settled_by TEXT,
            PRIMARY KEY (run, position)
        ) STRICT;
        CREATE INDEX effects_by_status ON effects (status)
        """,
    ),
    Migration("tools.ledger", 2, "CREATE INDEX effects_by_thread ON effects (thread, begun)"),
    Migration(
        "tools.ledger",
        3,
        """
        ALTER TABLE effects ADD COLUMN epoch INTEGER;
        CREATE TABLE distrusted_runs (run TEXT PRIMARY KEY, why TEXT NOT NULL) STRICT
        """,
    ),
)


class EffectRecord(Record):
    """One row. `why` tells a failure or a doubt; `attempts` counts how often the call was begun.

    `epoch` is the one in which it was begun last, where a home changes hands.
    """

    run: str
    position: int
    digest: str
    tool: str
    key: str
    idempotent: bool
    status: EffectStatus
    result: Any = None
    reference: str | None = None
    why: str = ""
    attempts: int = 1
    thread: str | None = None
    on_behalf_of: str | None = None
    begun: str
    settled: str | None = None
    settled_by: str | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Fresh:
    """The call was never begun; make it under this key."""

    key: str


@dataclass(frozen=True)
class Retry:
    """The call was begun before; making it again under this key does no harm."""

    key: str


@dataclass(frozen=True)
class Done:
    """The call took effect; this is its recorded result. Do not make it again."""

    result: Any
    reference: str | None = None


@dataclass(frozen=True)
class InDoubt:
    """The call was begun and cut off; making it again might double its effect.

    `loose` tells that the process that began it may still be there, stopped or slow. That nothing
    is found of the call then does not tell that nothing will happen.
    """

    key: str
    why: str
    loose: bool = False


Begun = Fresh | Retry | Done | InDoubt


def idempotency_key(run: str, position: int) -> str:
    """Return the key under which every attempt at the call of a run's plan is made."""
    return digest({"run": run, "position": position})


def distrust(connection: sqlite3.Connection, runs: Iterable[str], why: str) -> None:
    """Note runs of which effects may be missing here that took place."""
    connection.executemany(
        "INSERT OR IGNORE INTO distrusted_runs (run, why) VALUES (?, ?)",
        [(run, why) for run in runs],
    )


def distrusted(connection: sqlite3.Connection, run: str) -> str | None:
    """Return why effects of a run may be missing here, None if there is no reason."""
    sql = "SELECT why FROM distrusted_runs WHERE run = ?"
    row = connection.execute(sql, (run,)).fetchone()
    return row["why"] if row else None


def find_effect(connection: sqlite3.Connection, run: str, position: int) -> EffectRecord | None:
    """Return the row of a call, or None if it was never begun."""
    row = connection.execute(
        "SELECT * FROM effects WHERE run = ? AND position = ?", (run, position)
    ).fetchone()
    return read_effect(row) if row else None


def read_effect(row: sqlite3.Row) -> EffectRecord:
    """Return a stored row as a record.

    Raises:
        StorageError: it holds what no ledger writes.
    """
    values = dict(row)
    try:
        values["result"] = None if values["result"] is None else json.loads(values["result"])
        return EffectRecord(**values)
    except ValueError:
        raise StorageError(
            f"run {values['run']}: the ledger's row at position {values['position']} cannot be"
            " read; it was changed from outside",
            hint="ask whoever owns the tool what happened, and restore a backup",
        ) from None


def write_effect(connection: sqlite3.Connection, effect: EffectRecord) -> None:
    """Put a row in the place of the one that stands there."""
    values = effect.model_dump()
    values["result"] = json.dumps(effect.result) if effect.status == "done" else None
    names, places = ", ".join(values), ", ".join(f":{n}" for n in values)
    connection.execute(f"INSERT OR REPLACE INTO effects ({names}) VALUES ({places})", values)
