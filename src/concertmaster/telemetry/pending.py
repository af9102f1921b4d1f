"""How many approvals wait at present, read where they are stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from concertmaster.storage import Database

__all__ = ["pending"]

TOLD = "Approvals that wait for people."


def pending(database: Database, workspace: str) -> int | None:
    """Return how many approvals of a workspace wait; None if that cannot be told just now.

    On a connection of its own that only reads, so that it can be asked in any thread and holds no
    run up.
    """
    sql = "SELECT count(*) FROM approvals WHERE workspace = ? AND status = 'pending'"
    try:
        with closing(sqlite3.connect(database.path, timeout=1)) as connection:
            connection.execute("PRAGMA query_only=ON")
            return int(connection.execute(sql, (workspace,)).fetchone()[0])
    except sqlite3.Error:
        return None
