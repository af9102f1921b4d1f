"""The checkpointer's shorter ways read and write what LangGraph's own do."""

import asyncio
import sqlite3

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from concertmaster.orchestrator.checkpoints import checkpointer

CONFIG = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}, "metadata": {"who": "ana"}}
WRITES = [("turn", {"run": "r"}), ("__interrupt__", [1]), ("message", "m")]
AGAIN = [("__error__", "e"), ("__interrupt__", [2])]


async def stored(saver):
    state = empty_checkpoint() | {"id": "1", "ts": "then"}
    told = {"source": "loop", "step": 1, "writes": None, "parents": {}}
    named = await saver.aput(CONFIG, state, told, {})
    later = await saver.aput(named, state | {"id": "2"}, told, {})
    await saver.aput_writes(later, WRITES, "task", "path")
    await saver.aput_writes(later, [("turn", "ignored")], "task", "path")
    await saver.aput_writes(later, AGAIN, "task")
    return named, later


def rows(path):
    connection = sqlite3.connect(path)
    found = [
        connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 6").fetchall()
        for table in ("checkpoints", "writes")
    ]
    connection.close()
    return found


async def test_rows_are_those_of_langgraph(tmp_path):
    async with checkpointer(tmp_path / "own", asyncio.Lock()) as saver:
        named = await stored(saver)
        assert await saver.number("t") == 2
        assert await saver.number("other") == 0
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "theirs")) as saver:
        saver.serde = JsonPlusSerializer(allowed_msgpack_modules=())
        assert await stored(saver) == named
    assert rows(tmp_path / "own") == rows(tmp_path / "theirs")


async def test_state_that_cannot_be_written_keeps_nobody_out(tmp_path):
    path, writing = tmp_path / "own", asyncio.Lock()
    async with checkpointer(path, writing) as saver:
        named, _ = await stored(saver)
        before = rows(path)
        await saver.conn.execute(
            "CREATE TEMP TRIGGER no BEFORE INSERT ON main.writes WHEN NEW.idx = 1"
            " BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        with pytest.raises(sqlite3.IntegrityError):
            await saver.aput_writes(named, [("a", 1), ("b", 2)], "task")
        assert not writing.locked()
        assert rows(path) == before
        with sqlite3.connect(path, timeout=0) as other:
            other.execute("DELETE FROM writes")
        other.close()


async def test_states_are_counted_while_somebody_holds_the_file(tmp_path):
    path = tmp_path / "own"
    async with checkpointer(path, asyncio.Lock()) as saver:
        await stored(saver)
        with sqlite3.connect(path, timeout=0, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await saver.number("t") == 2
            other.execute("ROLLBACK")
        other.close()
