"""The trail: order, durability, bounds, and that nothing stored can be changed."""

import asyncio
import doctest
import json
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

import concertmaster.audit.trail
from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.audit.bounds import TEXT_LIMIT, VALUE_LIMIT, bounded, bounded_text
from concertmaster.contracts import Trust
from concertmaster.errors import HomeReadOnly, StorageError
from concertmaster.storage import Database


@pytest.fixture
def database(tmp_path: Path):
    opened = Database.open(tmp_path / "home.db", MIGRATIONS)
    yield opened
    opened.close()


@pytest.fixture
def trail(database: Database) -> Trail:
    return Trail(database, "desk")


def sabotage(database: Database, statement: str):
    return database.write(lambda c: c.execute(statement))


async def test_event_waits_until_flush(trail: Trail):
    trail.emit("run.started", why="ana asked", actor="ana", run="run-1", thread="t-1")
    assert trail.pending_count == 1
    assert await trail.events() == []
    await trail.flush()
    assert trail.pending_count == 0
    [event] = await trail.events()
    assert (event.seq, event.type, event.why, event.actor) == (1, "run.started", "ana asked", "ana")
    assert (event.run, event.thread, event.workspace) == ("run-1", "t-1", "desk")


async def test_what_was_emitted_comes_back_whole(trail: Trail):
    trail.emit(
        "policy.decided",
        why="small refunds pass",
        actor="gate",
        on_behalf_of="ana",
        run="r",
        policies=["small"],
        nested={"a": [1, None, True, 2.5]},
    )
    await trail.flush()
    [event] = await trail.events()
    assert event.on_behalf_of == "ana"
    assert event.data == {"policies": ["small"], "nested": {"a": [1, None, True, 2.5]}}


async def test_flush_without_events_writes_nothing(trail: Trail, tmp_path: Path):
    await trail.flush()
    assert await trail.events() == []


async def test_events_keep_their_order_across_runs_and_flushes(trail: Trail):
    async def run(name: str) -> None:
        for hop in range(20):
            trail.emit("route.hop", why="next", actor="supervisor", run=name, hop=hop)
            await asyncio.sleep(0)
            if hop % 3 == 0:
                await trail.flush()

    await asyncio.gather(*(run(f"run-{n}") for n in range(8)))
    await trail.flush()
    everything = await trail.events()
    assert len(everything) == 160
    assert [e.seq for e in everything] == list(range(1, 161))
    for n in range(8):
        assert [e.data["hop"] for e in await trail.events(run=f"run-{n}")] == list(range(20))


async def test_failed_flush_keeps_the_events_and_their_order(trail: Trail, database: Database):
    await sabotage(database, "ALTER TABLE audit_events RENAME TO hidden")
    trail.emit("run.started", why="one", actor="ana")
    trail.emit("run.ended", why="two", actor="ana")
    with pytest.raises(StorageError):
        await trail.flush()
    assert trail.pending_count == 2
    trail.emit("run.ended", why="three", actor="ana")
    await sabotage(database, "ALTER TABLE hidden RENAME TO audit_events")
    await trail.flush()
    assert [e.why for e in await trail.events()] == ["one", "two", "three"]


async def test_full_disk_keeps_the_events(trail: Trail, database: Database):
    pages = await database.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await database.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
    for n in range(50):
        trail.emit("route.hop", why="x" * 4000, actor="supervisor", hop=n)
    with pytest.raises(StorageError, match="no room"):
        await trail.flush()
    assert trail.pending_count == 50
    assert await trail.events() == []
    await database.read(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    await trail.flush()
    assert [e.data["hop"] for e in await trail.events()] == list(range(50))


async def test_read_only_home_cannot_be_flushed(tmp_path: Path):
    path = tmp_path / "home.db"
    Database.open(path, MIGRATIONS).close()
    database = Database.open(path, read_only=True)
    trail = Trail(database, "desk")
    trail.emit("run.started", why="x", actor="ana")
    with pytest.raises(HomeReadOnly):
        await trail.flush()
    assert trail.pending_count == 1
    database.close()


async def test_event_emitted_during_a_flush_is_kept(trail: Trail):
    trail.emit("run.started", why="first", actor="ana")
    flush = asyncio.create_task(trail.flush())
    await asyncio.sleep(0)
    trail.emit("run.ended", why="second", actor="ana")
    await flush
    await trail.flush()
    assert [e.why for e in await trail.events()] == ["first", "second"]


async def test_flushes_at_once_store_each_event_once(trail: Trail):
    for n in range(30):
        trail.emit("route.hop", why=str(n), actor="supervisor")
    await asyncio.gather(*(trail.flush() for _ in range(5)))
    assert [e.why for e in await trail.events()] == [str(n) for n in range(30)]


async def test_store_writes_with_the_callers_transaction_or_not_at_all(
    trail: Trail, database: Database
):
    trail.emit("run.started", why="before", actor="ana")

    def fails(connection: sqlite3.Connection) -> None:
        trail.store(connection, trail.event("approval.answered", why="never", actor="li"))
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fails)
    assert await trail.events() == []
    event = trail.event("approval.answered", why="after", actor="li")
    await database.write(lambda c: trail.store(c, event))
    await trail.flush()
    assert [e.why for e in await trail.events()] == ["before", "after"]
    assert trail.pending_count == 0


async def test_what_was_stored_with_another_transaction_waits_no_more(
    trail: Trail, database: Database
):
    trail.emit("run.started", why="one", actor="ana")
    await database.write(trail.store)
    assert trail.pending_count == 0
    trail.emit("run.ended", why="two", actor="ana")

    def twice_and_fails(connection: sqlite3.Connection) -> None:
        trail.store(connection)
        trail.store(connection)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(twice_and_fails)
    assert trail.pending_count == 1
    await trail.flush()
    assert [e.why for e in await trail.events()] == ["one", "two"]


async def test_events_filters(trail: Trail, database: Database):
    for n in range(6):
        trail.emit(
            "route.hop" if n % 2 else "tool.called",
            why=str(n),
            actor="a",
            run=f"run-{n % 3}",
            thread="t-1" if n < 3 else "t-2",
        )
    other = Trail(database, "another")
    other.emit("run.started", why="elsewhere", actor="a", run="run-0")
    await trail.flush()
    await other.flush()

    async def whys(**filters) -> list[str]:
        return [e.why for e in await trail.events(**filters)]

    assert await whys(run="run-0") == ["0", "3"]
    assert await whys(thread="t-1") == ["0", "1", "2"]
    assert await whys(types=["tool.called"]) == ["0", "2", "4"]
    assert await whys(types=["tool.called"], thread="t-2") == ["4"]
    assert await whys(types=[]) == []
    assert await whys(after=4) == ["4", "5"]
    assert await whys(limit=2) == ["0", "1"]
    assert await whys(limit=0) == []
    assert await whys(run="' OR 1=1 --") == []
    with pytest.raises(ValueError, match="no event type"):
        await trail.events(types=["run.strated"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET envelope = json_set(envelope, '$.data.why', 'nothing')",
        "UPDATE audit_events SET seq = seq + 100",
        "DELETE FROM audit_events",
        "INSERT OR REPLACE INTO audit_events (seq, envelope)"
        " SELECT seq, json_set(envelope, '$.id', 'evt-new') FROM audit_events",
        "INSERT OR REPLACE INTO audit_events (envelope) SELECT envelope FROM audit_events",
        "REPLACE INTO audit_events (envelope) SELECT envelope FROM audit_events",
    ],
)
async def test_stored_events_cannot_be_changed_or_removed(
    trail: Trail, database: Database, statement: str
):
    trail.emit("effect.done", why="refunded", actor="act", amount=5000)
    await trail.flush()
    before = await trail.events()
    with pytest.raises(StorageError, match="append-only"):
        await sabotage(database, statement)
    assert await trail.events() == before


async def test_rows_are_canonical_cloudevents(trail: Trail, database: Database):
    trail.emit("effect.done", why="zurück", actor="act", run="run-1", z=1, a=2)
    trail.emit("knowledge.ingested", why="12 documents", actor="ingest")
    await trail.flush()
    rows = await database.read(
        lambda c: [r[0] for r in c.execute("SELECT envelope FROM audit_events ORDER BY seq")]
    )
    first, second = (json.loads(row) for row in rows)
    assert rows[0].encode() == rfc8785.dumps(first)
    assert set(first) == {
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "data",
    }
    assert first["specversion"] == "1.0"
    assert first["source"] == "/concertmaster/desk"
    assert first["type"] == "concertmaster.effect.done"
    assert (first["subject"], second["subject"]) == ("run-1", "desk")
    assert first["time"].endswith("Z")
    assert first["data"]["detail"] == {"z": 1, "a": 2}
    assert first["id"] != second["id"]


async def test_long_text_is_cut_with_its_digest(trail: Trail):
    text = "é" * 50_000
    trail.emit("tool.called", why=text, actor="act", output={"deep": [text]}, short="kept")
    await trail.flush()
    [event] = await trail.events()
    whole = sha256(text.encode()).hexdigest()
    for cut in (event.why, event.data["output"]["deep"][0]):
        assert len(cut) <= TEXT_LIMIT
        assert whole in cut
        assert "50000 characters" in cut
    assert event.data["short"] == "kept"


async def test_large_list_is_replaced_by_its_digest(trail: Trail):
    trail.emit("tool.called", why="x", actor="act", rows=[{"n": n} for n in range(10_000)])
    await trail.flush()
    [event] = await trail.events()
    assert set(event.data["rows"]) == {"cut", "digest"}
    assert event.data["rows"]["digest"].startswith("sha256:")


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), {"a": b"x"}, [float("inf")]])
async def test_data_that_is_not_json_is_refused_when_emitted(trail: Trail, value: object):
    with pytest.raises(ValueError, match="plain JSON"):
        trail.emit("tool.called", why="x", actor="act", value=value)
    assert trail.pending_count == 0


async def test_unknown_type_is_refused_when_emitted(trail: Trail):
    with pytest.raises(ValueError, match="type"):
        trail.emit("tool.caled", why="x", actor="act")  # type: ignore[arg-type]


async def test_lone_surrogates_and_large_integers_are_stored(trail: Trail):
    trail.emit(
        "run.received", why="\ud800", actor="\udfff", run="r\ud800", text="a\ud800b", n=2**70
    )
    await trail.flush()
    [event] = await trail.events()
    assert event.data == {"text": "a?b", "n": str(2**70)}
    assert (event.why, event.actor, event.run) == ("?", "?", "r?")


async def test_enumerated_numbers_are_stored_as_numbers(trail: Trail):
    trail.emit("intake.labelled", why="x", actor="intake", trust=Trust.trusted)
    await trail.flush()
    [event] = await trail.events()
    assert event.data == {"trust": 1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("json_remove(envelope, '$.data.why')", "damaged"),
        ("json_set(envelope, '$.data.schema_version', 2)", "version 2"),
        ("json_set(envelope, '$.type', 'concertmaster.run.strated')", "damaged"),
        ("json_set(envelope, '$.data.extra', 1)", "damaged"),
    ],
)
async def test_damaged_row_is_told_and_not_skipped(
    trail: Trail, database: Database, change: str, told: str
):
    trail.emit("run.started", why="a secret reason", actor="ana")
    await trail.flush()
    await sabotage(database, "DROP TRIGGER audit_events_no_update")
    await sabotage(database, f"UPDATE audit_events SET envelope = {change}")
    with pytest.raises(StorageError, match=told) as caught:
        await trail.events()
    assert "event 1" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_events_survive_reopening(tmp_path: Path):
    path = tmp_path / "home.db"
    first = Database.open(path, MIGRATIONS)
    trail = Trail(first, "desk")
    trail.emit("run.started", why="x", actor="ana")
    await trail.flush()
    first.close()
    second = Database.open(path, MIGRATIONS)
    assert [e.why for e in await Trail(second, "desk").events()] == ["x"]
    second.close()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=6000),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_bounded_and_stays_bounded(value: object):
    once = bounded(value)
    assert bounded(once) == once
    assert len(rfc8785.dumps(json.loads(json.dumps(bounded_shape(once))))) <= 4 * VALUE_LIMIT


def bounded_shape(value: object) -> object:
    """Numbers that RFC 8785 refuses are of no interest for the size."""
    if isinstance(value, dict):
        return {k: bounded_shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [bounded_shape(v) for v in value]
    return str(value) if isinstance(value, int) and abs(value) > 2**53 - 1 else value


@given(st.text(st.characters(), max_size=9000))
def test_bounded_text_can_always_be_stored(text: str):
    kept = bounded_text(text)
    assert len(kept) <= TEXT_LIMIT
    assert kept.encode().decode() == kept
    assert bounded_text(kept) == kept


def test_example_in_the_docstring_runs():
    assert doctest.testmod(concertmaster.audit.trail) == (0, 6)
