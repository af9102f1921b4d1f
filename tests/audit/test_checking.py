"""A stored trail: verified, tampered with, erased in part."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.audit.checking import Checked, check_trail
from concertmaster.audit.erasing import erase_events
from concertmaster.audit.heads import ReadHeads, read_heads
from concertmaster.audit.keys import public_keys
from concertmaster.audit.signing import sign_head
from concertmaster.storage import Database

Tamper = Callable[[str], None]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "home.db", MIGRATIONS)
    yield opened
    opened.close()


@pytest.fixture
async def trail(database: Database) -> Trail:
    made = Trail(database, "desk")
    for n in range(1, 7):
        thread = "t-1" if n % 2 else "t-2"
        made.emit("run.started", why=f"reason {n}", actor="ana", run=f"r-{n}", thread=thread)
        await made.flush()
    return made


@pytest.fixture
def tamper(tmp_path: Path) -> Tamper:
    """Change rows as somebody would who can write the file: the triggers are taken away first."""

    def change(sql: str) -> None:
        connection = sqlite3.connect(tmp_path / "home.db")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            connection.execute(f"DROP TRIGGER {name}")
        changed = connection.execute(sql).rowcount
        assert changed
        connection.commit()
        connection.close()

    return change


@pytest.fixture
async def heads(trail: Trail, tmp_path: Path) -> ReadHeads:
    file, keys = tmp_path / "elsewhere.jsonl", tmp_path / "keys"
    assert await sign_head(trail.database, "desk", file, keys)
    return read_heads(file, public_keys(keys))


def found(checked: Checked) -> list[tuple[str, int]]:
    return [(f.fault, f.n) for f in checked.findings]


async def test_untouched_trail_is_whole(trail: Trail, heads: ReadHeads):
    checked = await check_trail(trail.database, "desk", heads)
    assert checked.whole
    assert (checked.events, checked.erased, checked.signed) == (6, 0, 6)


EDIT = "UPDATE audit_events SET envelope = replace(envelope, 'reason 3', 'reason X') WHERE seq = 3"
CASES = [
    (EDIT, [("changed", 3)]),
    ("UPDATE audit_events SET salt = zeroblob(16) WHERE seq = 3", [("changed", 3)]),
    ("UPDATE audit_links SET type = 'x' WHERE n = 3", [("changed", 3), ("changed", 3)]),
    ("UPDATE audit_links SET hash = zeroblob(32) WHERE n = 3", [("changed", 3)]),
    ("DELETE FROM audit_events WHERE seq = 3", [("removed", 3)]),
    ("DELETE FROM audit_links WHERE n = 3", [("removed", 3), ("inserted", 7)]),
    ("DELETE FROM audit_links WHERE n > 4", [("cut_off", 5), ("inserted", 5), ("inserted", 5)]),
    (
        "INSERT INTO audit_events (envelope) SELECT replace(envelope, id, 'evt-f')"
        " FROM audit_events WHERE seq = 2",
        [("inserted", 7)],
    ),
    (
        "INSERT INTO audit_links SELECT stream, 7, 'evt-f', type, time, previous, payload, hash"
        " FROM audit_links WHERE n = 6",
        [("changed", 7), ("removed", 7)],
    ),
]


@pytest.mark.parametrize(("sql", "faults"), CASES)
async def test_tampering_shows(
    trail: Trail, heads: ReadHeads, tamper: Tamper, sql: str, faults: list[tuple[str, int]]
):
    tamper(sql)
    checked = await check_trail(trail.database, "desk", heads)
    assert found(checked) == faults
    assert not checked.whole


async def test_erased_thread_leaves_a_chain_that_verifies(trail: Trail, heads: ReadHeads):
    erased = await trail.database.write(
        lambda c: erase_events(c, trail, "t-1", by="li", why="asked to be forgotten")
    )
    assert erased == 3
    checked = await check_trail(trail.database, "desk", heads)
    assert checked.whole
    assert (checked.events, checked.erased) == (7, 3)
    assert [e.thread for e in await trail.events()] == ["t-2", "t-2", "t-2", None]
    rows = await trail.database.read(lambda c: c.execute("SELECT * FROM audit_links").fetchall())
    assert not any({"t-1", "ana"} & set(row) for row in rows)


async def test_erasing_by_hand_is_no_erasure(trail: Trail, heads: ReadHeads, tamper: Tamper):
    tamper("INSERT INTO audit_erasures SELECT id FROM audit_events WHERE seq = 3")
    tamper("DELETE FROM audit_events WHERE seq = 3")
    assert found(await check_trail(trail.database, "desk", heads)) == [("removed", 3)]


async def test_event_is_not_deleted_without_an_erasure(trail: Trail):
    with pytest.raises(Exception, match="append-only"):
        await trail.database.write(lambda c: c.execute("DELETE FROM audit_events WHERE seq = 1"))


async def test_erasing_what_is_not_there_erases_nothing(trail: Trail):
    assert await trail.database.write(lambda c: erase_events(c, trail, "t-9", by="li", why="")) == 0


async def test_many_ranges_are_told_in_several_events(database: Database):
    trail = Trail(database, "desk")
    for n in range(2400):
        trail.emit("run.started", why="w", actor="ana", thread=f"t-{n % 2}")
    await trail.flush()
    await database.write(lambda c: erase_events(c, trail, "t-1", by="li", why="asked"))
    assert (await check_trail(database, "desk")).whole
    assert len(await trail.events(types=["audit.erased"])) == 3


async def test_events_of_before_the_chain_are_linked_by_the_next_one(tmp_path: Path):
    old = Database.open(tmp_path / "old.db", MIGRATIONS[:1])
    envelope = (
        '{"data":{"workspace":"desk"},"id":"evt-1","time":"2026",'
        '"type":"concertmaster.run.started"}'
    )
    await old.write(
        lambda c: c.execute("INSERT INTO audit_events (envelope) VALUES (?)", (envelope,))
    )
    old.close()
    database = Database.open(tmp_path / "old.db", MIGRATIONS)
    before = await check_trail(database, "desk")
    assert before.problems == ("1 events are not linked yet",)
    trail = Trail(database, "desk")
    trail.emit("run.ended", why="w", actor="ana")
    await trail.flush()
    checked = await check_trail(database, "desk")
    assert checked.whole
    assert checked.events == 2
    database.close()


async def test_streams_of_two_workspaces_are_chained_apart(database: Database):
    for name in ("desk", "bank", "desk"):
        trail = Trail(database, name)
        trail.emit("run.started", why="w", actor="ana")
        await trail.flush()
    assert [(await check_trail(database, n)).events for n in ("desk", "bank")] == [2, 1]
