"""The tickets: one SQLite file in the workspace's data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["create", "opened", "rows"]

_FILE = "tickets.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tickets (
    number INTEGER PRIMARY KEY, opened_by TEXT NOT NULL, summary TEXT NOT NULL,
    place TEXT NOT NULL, team TEXT NOT NULL CHECK (team IN ('it_service', 'facilities')),
    priority TEXT NOT NULL CHECK (priority IN ('normal', 'high')),
    state TEXT NOT NULL DEFAULT 'open', idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
"""


def create(data_dir: Path) -> None:
    """Make the empty list; what is there already stays."""
    with opened(data_dir) as tickets:
        tickets.executescript(_SCHEMA)


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the list; every statement is committed by itself."""
    path = data_dir / _FILE
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as tickets:
        tickets.row_factory = sqlite3.Row
        tickets.execute("PRAGMA synchronous=FULL")
        yield tickets


def rows(tickets: sqlite3.Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """Return all rows of a query by column names."""
    return [dict(found) for found in tickets.execute(sql, values)]
