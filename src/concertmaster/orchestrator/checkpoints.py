"""The checkpointer: LangGraph's own for SQLite, in the home's one database file."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from concertmaster.storage import FENCED, LOG_BOUNDS, Fence, storage_error

__all__ = ["ASIDE", "checkpointer", "mend", "prune"]

_LOG = logging.getLogger("concertmaster.orchestrator")
_PARTS = ("channel_values", "channel_versions", "versions_seen")
ASIDE = "\n damaged: "
"""Before the thread id of states that were set aside; no thread can have such an id."""


class _Guarded:
    """A saver's lock: whoever holds it writes under the epoch of its own task.

    The saver works on a connection of its own. There a trigger compares that epoch with the
    stored one in each statement that changes something, hence in the transaction itself.
    """

    def __init__(self, connection: Any, writing: asyncio.Lock, fence: Fence | None) -> None:
        self._connection = connection
        self._writing = writing
        self._fence = fence
        self.claim: int | None = None
        # Within `at_once`, seen by the connection's thread alone: it may outlast who asked.
        self._carried: tuple[int | None] | None = None

    async def __aenter__(self) -> None:
        claim = self._fence.claim() if self._fence else None
        await self._writing.acquire()
        self.claim = claim
        try:
            # A result of an earlier statement that nobody read to its end would hold this
            # connection to what the file was then, and its next write would be refused. The
            # connection's thread lets go of one when it has done another.
            await self._connection.execute_fetchall("SELECT 1")
        except BaseException:
            self._writing.release()
            raise

    async def __aexit__(self, kind: object, *_: object) -> None:
        try:
            # A statement that failed leaves its transaction open, which would keep others out.
            if kind is not None and self._connection.in_transaction:
                await self._connection.rollback()
        finally:
            self._writing.release()

    async def at_once(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Run `work` in one transaction and one visit to the connection's thread.

        The same as a block of `async with`, in which each statement would be a visit of its own.
        """
        claim = self._fence.claim() if self._fence else None
        async with self._writing:
            # Has the thread let go of what it did last; see above. Nobody waits for that.
            self._connection._tx.put_nowait((None, _nothing))
            await self._connection._execute(self._carry_out, work, claim)

    def _carry_out(self, work: Callable[[sqlite3.Connection], object], claim: int | None) -> None:
        connection: sqlite3.Connection = self._connection._conn
        self._carried = (claim,)
        try:
            work(connection)
            connection.commit()
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        finally:
            self._carried = None

    def _claimed(self) -> int | None:
        return self.claim if self._carried is None else self._carried[0]

    async def put_up(self) -> None:
        """Fence the connection off; what is put up is gone with the connection."""
        if self._fence is None:
            return
        await self._connection.create_function("claimed_epoch", 0, self._claimed)
        for table in ("checkpoints", "writes"):
            for change in ("INSERT", "UPDATE", "DELETE"):
                await self._connection.execute(
                    f"CREATE TEMP TRIGGER fence_{table}_{change} BEFORE {change} ON main.{table}"
                    " WHEN claimed_epoch() IS NOT (SELECT max(epoch) FROM leases)"
                    f" BEGIN SELECT RAISE(ROLLBACK, '{FENCED}'); END"
                )


def _nothing() -> None:
    pass


@asynccontextmanager
async def checkpointer(
    path: Path, writing: asyncio.Lock, fence: Fence | None = None
) -> AsyncIterator[Any]:
    """Open the checkpoints of a home; only plain data is ever revived from them.

    Args:
        path: the home's database file.
        writing: `Database.writing` of the same file.
        fence: of the same home; its table of leases is there.

    Raises:
        StorageError, HomeReadOnly: the file cannot be read or written.
    """
    import aiosqlite
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    from concertmaster.orchestrator.time_travel import Saver

    async with aiosqlite.connect(path, timeout=30) as connection:
        saver = Saver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=()))
        saver.look_in(path)
        guarded = _Guarded(connection, writing, fence)
        saver.lock = guarded  # type: ignore[assignment]
        saver.at_once = guarded.at_once
        try:
            # A checkpoint does not wait for the disk. The log is one: the next commit that does
            # wait, the run's new status, takes it along. Lost before that, its segment is begun
            # again, and plan and ledger, which do wait, make that safe.
            await connection.execute("PRAGMA synchronous=NORMAL")
            for bound in LOG_BOUNDS:
                await connection.execute(bound)
            await saver.setup()
            await guarded.put_up()
        except sqlite3.Error as error:
            raise storage_error(error, path) from error
        try:
            yield saver
        finally:
            saver.look_away()


async def mend(saver: Any, thread: str) -> int:
    """Set aside a thread's newest checkpoints until one can be read; return how many those were.

    Nothing is deleted: they stay in the file, under a name that is no thread's.

    Raises:
        sqlite3.Error: the file itself cannot be read or written.
    """
    config = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
    aside = 0
    while True:
        try:
            if _whole(await saver.aget_tuple(config)):
                return aside
        except sqlite3.Error:
            raise
        except Exception:
            # Whatever a decoder says of bytes that it did not write.
            _LOG.warning("a checkpoint of thread %r cannot be decoded", thread)
        if not await _set_aside(saver, thread):
            return aside
        aside += 1


def _whole(found: Any) -> bool:
    """Tell whether a decoded checkpoint has the parts that LangGraph goes on from."""
    if found is None:
        return True
    checkpoint = found.checkpoint
    return (
        isinstance(checkpoint, dict)
        and isinstance(checkpoint.get("id"), str)
        and all(isinstance(checkpoint.get(part), dict) for part in _PARTS)
        and isinstance(found.metadata, dict)
    )


async def _set_aside(saver: Any, thread: str) -> bool:
    """Rename the newest checkpoint of a thread with its writes; tell whether there was one."""
    async with saver.lock:
        found = await saver.conn.execute_fetchall(
            "SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
            " ORDER BY checkpoint_id DESC LIMIT 1",
            (thread,),
        )
        newest = next((row[0] for row in found), None)
        if newest is None:
            return False
        for table in ("writes", "checkpoints"):
            await saver.conn.execute(
                f"UPDATE {table} SET thread_id = ? WHERE thread_id = ? AND checkpoint_ns = ''"
                " AND checkpoint_id = ?",
                (f"{ASIDE}{thread}", thread, newest),
            )
        await saver.conn.commit()
        return True


async def prune(saver: Any, thread: str, keep: int) -> None:
    """Keep a thread's latest checkpoints once there are twice as many; drop what is older.

    SQLite's checkpointer never drops anything by itself. Checkpoint ids are ordered in time.
    """
    if await saver.number(thread) <= 2 * keep:
        return
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
