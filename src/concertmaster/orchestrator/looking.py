"""LangGraph's checkpointer for SQLite with fewer visits to its connection's thread."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from concertmaster.storage import IN_THE_WAY

__all__ = ["LookingSaver"]


_PUT = (
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id,"
    " parent_checkpoint_id, type, checkpoint, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_WRITES = (
    " INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel,"
    " type, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

AtOnce = Callable[[Callable[[sqlite3.Connection], object]], Awaitable[None]]
"""Runs something in one transaction on the checkpointer's connection."""


class LookingSaver(AsyncSqliteSaver):
    """Reads one state on a connection of its own, and writes one in one go.

    Each statement of LangGraph's goes to another thread and back, which costs more than the
    statement. Looking up one state takes four of them, and so does writing one. The rows are
    those that LangGraph reads and writes.
    """

    _glass: SqliteSaver | None = None
    _path: Path | None = None
    at_once: AtOnce | None = None
    """Set by who opens it; without, states are written as LangGraph does it."""

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

    async def number(self, thread: str) -> int:
        """Return how many states there are of a thread."""
        sql = "SELECT count(*) FROM checkpoints WHERE thread_id = ?"
        if self._path is not None:
            try:
                found = self._look(self._path).conn.execute(sql, (thread,)).fetchone()
                return int(found[0])
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorname", "") not in IN_THE_WAY:
                    raise
        async with self.lock:
            counted = await self.conn.execute_fetchall(sql, (thread,))
        return int(next(iter(counted))[0])

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a state, and return the configuration that names it."""
        if self.at_once is None:
            return await super().aput(config, checkpoint, metadata, new_versions)
        given: dict[str, Any] = config["configurable"]
        thread, space = str(given["thread_id"]), str(given["checkpoint_ns"])
        told = get_checkpoint_metadata(config, metadata)
        row = (
            thread,
            space,
            checkpoint["id"],
            given.get("checkpoint_id"),
            *self.serde.dumps_typed(checkpoint),
            json.dumps(told, ensure_ascii=False).encode("utf-8", "ignore"),
        )
        await self.at_once(lambda connection: connection.execute(_PUT, row))
        named = {"checkpoint_ns": space, "checkpoint_id": checkpoint["id"]}
        return {"configurable": {"thread_id": given["thread_id"], **named}}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote beside the state that it began from."""
        if self.at_once is None:
            await super().aput_writes(config, writes, task_id, task_path)
            return
        given: dict[str, Any] = config["configurable"]
        names = ("thread_id", "checkpoint_ns", "checkpoint_id")
        place = (*(str(given[name]) for name in names), task_id, task_path)
        rows = [
            (*place, WRITES_IDX_MAP.get(channel, n), channel, *self.serde.dumps_typed(value))
            for n, (channel, value) in enumerate(writes)
        ]
        again = all(channel in WRITES_IDX_MAP for channel, _ in writes)
        insert = ("INSERT OR REPLACE" if again else "INSERT OR IGNORE") + _WRITES
        await self.at_once(lambda connection: connection.executemany(insert, rows))

    def _look(self, path: Path) -> SqliteSaver:
        if self._glass is None:
            connection = sqlite3.connect(path, check_same_thread=False, timeout=0)
            connection.execute("PRAGMA query_only=ON")
            self._glass = SqliteSaver(connection, serde=self.serde)
            self._glass.is_setup = True  # The other connection did that.
        return self._glass
