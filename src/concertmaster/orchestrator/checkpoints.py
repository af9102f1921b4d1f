"""The checkpointer: LangGraph's own for SQLite, in the home's one database file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

__all__ = ["checkpointer", "prune"]


@asynccontextmanager
async def checkpointer(path: Path) -> AsyncIterator[Any]:
    """Open the checkpoints of a home; only plain data is ever revived from them."""
    import aiosqlite
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with aiosqlite.connect(path, timeout=30) as connection:
        await connection.execute("PRAGMA synchronous=FULL")
        saver = AsyncSqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=()))
        await saver.setup()
        yield saver


async def prune(saver: Any, thread: str, keep: int) -> None:
    """Keep a thread's latest checkpoints once there are twice as many; drop what is older.

    SQLite's checkpointer never drops anything by itself. Checkpoint ids are ordered in time.
    """
    async with saver.lock:
        counted = await saver.conn.execute_fetchall(
            "SELECT count(*) FROM checkpoints WHERE thread_id = ?", (thread,)
        )
        if next(iter(counted))[0] <= 2 * keep:
            return
        oldest = await saver.conn.execute_fetchall(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ?"
            " ORDER BY checkpoint_id DESC LIMIT 1 OFFSET ?",
            (thread, keep - 1),
        )
        bound = (thread, next(iter(oldest))[0])
        await saver.conn.execute(
            "DELETE FROM writes WHERE thread_id = ? AND checkpoint_id < ?", bound
        )
        await saver.conn.execute(
            "DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id < ?", bound
        )
        await saver.conn.commit()
