"""What a decision rested on is stored with the event that tells of it, and goes when it must."""

import sqlite3

import pytest

from concertmaster.audit import MIGRATIONS as AUDIT
from concertmaster.audit import Trail
from concertmaster.contracts import Principal, Provenance, ToolShape
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.errors import StorageError
from concertmaster.policies.bases import MIGRATIONS, Bases, find_bases, forget_bases
from concertmaster.policies.call import Call
from concertmaster.storage import Database

SHAPES = {"pay": ToolShape(name="pay", effect="irreversible")}


def call(**more):
    known = {"tool": "pay", "arguments": {"cents": 5}, "principal": Principal(id="ana")}
    kept = {"step": "executor", "allowed": ("pay",), "review": ReviewSpec()}
    return Call(**(known | kept | more))


@pytest.fixture
def database(tmp_path):
    opened = Database.open(tmp_path / "home.db", (*AUDIT, *MIGRATIONS))
    yield opened
    opened.close()


@pytest.fixture
def trail(database):
    return Trail(database, "desk")


@pytest.fixture
def bases(trail):
    return Bases(trail, SHAPES)


async def rows(database):
    return await database.read(
        lambda c: [tuple(r) for r in c.execute("SELECT run, digest FROM decision_bases").fetchall()]
    )


def emit(trail):
    trail.emit("policy.decided", why="it may", actor="gate", run="run-1")


async def test_a_basis_is_stored_with_the_trail_and_not_before(database, trail, bases):
    named = bases.keep("run-1", call(), Provenance())
    assert await rows(database) == []
    emit(trail)
    await trail.flush()
    assert await rows(database) == [("run-1", named)]


async def test_the_same_basis_is_one_row_a_run(database, trail, bases):
    names = {bases.keep(run, call(), None) for run in ("run-1", "run-1", "run-2")}
    emit(trail)
    await trail.flush()
    bases.keep("run-1", call(), None)
    emit(trail)
    await trail.flush()
    assert len(names) == 1
    assert sorted(run for run, _ in await rows(database)) == ["run-1", "run-2"]


async def test_other_facts_are_another_basis(bases):
    one, other = (bases.keep("run-1", call(facts={"total": n}), None) for n in (1, 2))
    assert one != other


async def test_what_was_not_stored_goes_on_waiting(database, trail, bases):
    named = bases.keep("run-1", call(), None)
    emit(trail)

    def fails(connection):
        trail.store(connection)
        raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        await database.write(fails)
    assert await rows(database) == []
    await trail.flush()
    assert await rows(database) == [("run-1", named)]


async def test_what_is_no_plain_json_has_no_basis(bases):
    assert not bases.keep("run-1", call(facts={"when": object()}), None)


async def test_a_row_that_was_changed_is_not_found(database, trail, bases):
    bases.keep("run-1", call(facts={"total": 1}), None)
    emit(trail)
    await trail.flush()
    assert len(await database.read(lambda c: find_bases(c, ["run-1"]))) == 1
    await database.write(
        lambda c: c.execute("UPDATE decision_bases SET basis = replace(basis, '1', '2')")
    )
    assert await database.read(lambda c: find_bases(c, ["run-1"])) == {}


async def test_rows_go_with_their_runs(database, trail, bases):
    for run in ("run-1", "run-2"):
        bases.keep(run, call(), None)
    emit(trail)
    await trail.flush()
    await database.write(lambda c: forget_bases(c, ["run-1"]))
    assert [run for run, _ in await rows(database)] == ["run-2"]


def test_the_table_says_of_which_run_its_rows_are(database, tmp_path):
    """Whatever names a run is erased with it."""
    connection = sqlite3.connect(tmp_path / "home.db")
    try:
        columns = [r[1] for r in connection.execute("PRAGMA table_info(decision_bases)")]
    finally:
        connection.close()
    assert "run" in columns
