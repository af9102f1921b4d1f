"""What ends with somebody's rights: sessions and codes."""

from __future__ import annotations

import sqlite3

__all__ = ["end_sessions"]


def end_sessions(connection: sqlite3.Connection, id_: str) -> int:
    """End every session and one-time code of a principal; return how many sessions there were."""
    connection.execute("DELETE FROM codes WHERE user = ?", (id_,))
    return connection.execute("DELETE FROM sessions WHERE principal = ?", (id_,)).rowcount
