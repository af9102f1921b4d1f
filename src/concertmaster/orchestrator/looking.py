"""LangGraph's checkpointer for SQLite, which looks states up where it is asked for them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from concertmaster.storage import IN_THE_WAY

__all__ = ["LookingSaver"]


class LookingSaver(AsyncSqliteSaver):
    """Reads one state on a connection of its own; all else as LangGraph does it.

    Each statement of the other connection goes to another thread and back, which costs more than
    the statement, and looking up one state takes four of them.
    """

    _glass: SqliteSaver | None = None
    _path: Path | None = None

    def look_in(self, path: Path) -> None:
        """Say which file the states are in."""
        self._path = path

    def look_away(self) -> None:
        """Close the connection for looking, if there is one."""
        if self._glass is not None:
            self._glass.conn.close()
            self._glass = None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a state, or the newest one where none is named; None if there is none."""
        if self._path is None:
            return await super().aget_tuple(config)
        try:
            return self._look(self._path).get_tuple(config)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "") not in IN_THE_WAY:
                raise
        # Somebody holds the file as a whole: wait for them in the other thread.
        return await super().aget_tuple(config)

    def _look(self, path: Path) -> SqliteSaver:
        if self._glass is None:
            connection = sqlite3.connect(path, check_same_thread=False, timeout=0)
            connection.execute("PRAGMA query_only=ON")
            self._glass = SqliteSaver(connection, serde=self.serde)
            self._glass.is_setup = True  # The other connection did that.
        return self._glass
