"""The rows of the effect ledger, and what it answers to a call that is about to be made."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

from concertmaster.contracts import Record, digest
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
)


class EffectRecord(Record):
    """One row. `why` tells a failure or a doubt; `attempts` counts how often the call was begun."""

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
    """The call was begun and cut off; making it again might double its effect."""

    key: str
    why: str


Begun = Fresh | Retry | Done | InDoubt


def idempotency_key(run: str, position: int) -> str:
    """Return the key under which every attempt at the call of a run's plan is made."""
    return digest({"run": run, "position": position})


def find_effect(connection: sqlite3.Connection, run: str, position: int) -> EffectRecord | None:
    """Return the row of a call, or None if it was never begun."""
    row = connection.execute(
        "SELECT * FROM effects WHERE run = ? AND position = ?", (run, position)
    ).fetchone()
    return read_effect(row) if row else None


def read_effect(row: sqlite3.Row) -> EffectRecord:
    """Return a stored row as a record."""
    values = dict(row)
    result = values.pop("result")
    return EffectRecord(**values, result=None if result is None else json.loads(result))


def write_effect(connection: sqlite3.Connection, effect: EffectRecord) -> None:
    """Put a row in the place of the one that stands there."""
    values = effect.model_dump()
    values["result"] = json.dumps(effect.result) if effect.status == "done" else None
    names, places = ", ".join(values), ", ".join(f":{n}" for n in values)
    connection.execute(f"INSERT OR REPLACE INTO effects ({names}) VALUES ({places})", values)
