"""The lease of a home: who holds it, when it may be taken, and what is noticed about it."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

import concertmaster as cm
from concertmaster.contracts import now
from concertmaster.errors import ConfigError, HomeBusy, HomeFenced, StorageError
from concertmaster.orchestrator import lease as leases
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.lease import Lease, current_lease, lease_seconds
from concertmaster.orchestrator.processes import Process, this_process
from concertmaster.storage import Database

WORK = """
import asyncio, sys, time
from pathlib import Path
from concertmaster.orchestrator.home import Home

async def main(path, blocks):
    async with Home.prepare(Path(path), None).busy():
        print("held", flush=True)
        if blocks == "blocks":
            time.sleep(60)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Leases that run out while one looks on."""
    monkeypatch.setenv("CONCERTMASTER_LEASE", "0.6")


@contextlib.asynccontextmanager
async def worker(home, how="awaits"):
    """Let another process work in the home until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(home), how], stdout=subprocess.PIPE, text=True
    )
    try:
        assert await asyncio.to_thread(process.stdout.readline) == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def stop(holder, home) -> None:
    """Stop a process, but not while it writes to the database."""
    while True:
        holder.send_signal(signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(home / "concertmaster.sqlite3")) as database:
            database.execute("PRAGMA busy_timeout=50")
            try:
                database.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError:
                holder.send_signal(signal.SIGCONT)
                time.sleep(0.05)


def rows(home) -> list[Lease]:
    with contextlib.closing(sqlite3.connect(home / "concertmaster.sqlite3")) as database:
        database.row_factory = sqlite3.Row
        return [
            Lease(**{**dict(row), "taken": bool(row["taken"]), "restored": bool(row["restored"])})
            for row in database.execute("SELECT * FROM leases ORDER BY epoch")
        ]


def change(home, sql) -> None:
    with contextlib.closing(sqlite3.connect(home / "concertmaster.sqlite3")) as database, database:
        database.execute(sql)


# Changing hands


async def test_a_home_that_is_free_changes_hands_at_once(home):
    one, two = (Home.prepare(home, None, 5) for _ in range(2))
    for place in (one, one, two, one):
        async with place.busy():
            pass
    found = rows(home)
    assert [row.epoch for row in found] == [1, 2, 3]
    assert [row.taken for row in found] == [False] * 3
    assert found[-1].process == this_process()
    assert json.loads((home / "epoch").read_text())["epoch"] == 3


async def test_one_holder_that_comes_and_goes_keeps_its_epoch_and_writes_nothing(home):
    place = Home.prepare(home, None, 5)
    async with place.busy():
        pass
    place.close()
    before = (home / "concertmaster.sqlite3-wal").exists(), rows(home)
    async with place.busy():
        assert place.claim() == 1
    assert ((home / "concertmaster.sqlite3-wal").exists(), rows(home)) == before


async def test_two_holders_in_one_process_do_not_work_at_once(home):
    one, two = Home.prepare(home, None, 5), Home.prepare(home, None, 0.1)
    async with one.busy():
        with pytest.raises(HomeBusy, match=f"process {os.getpid()}"):
            async with two.busy():
                raise AssertionError("both hold it")


@pytest.mark.parametrize("how", ["awaits", "blocks"])
async def test_a_holder_that_works_is_not_succeeded(home, how):
    async with worker(home, how) as holder:
        with pytest.raises(HomeBusy, match=f"process {holder.pid}"):
            async with Home.prepare(home, None, 2).busy():
                raise AssertionError("it was taken from one that works")
    assert rows(home)[0].beat >= 4


async def test_a_holder_that_died_is_succeeded_at_once(home):
    async with worker(home) as holder:
        holder.kill()
        begun = time.perf_counter()
        async with Home.prepare(home, None, 5).busy():
            assert time.perf_counter() - begun < 0.5
    assert not rows(home)[-1].taken


async def test_a_stopped_holder_is_succeeded_when_its_lease_has_run_out(home):
    async with worker(home) as holder:
        stop(holder, home)
        begun = time.perf_counter()
        place = Home.prepare(home, None)
        async with place.busy():
            assert 0.5 < time.perf_counter() - begun < 5
            assert place.lease.taken
            third = Home.prepare(home, None, 1.5)
            with pytest.raises(HomeBusy, match=f"process {os.getpid()}"):
                async with third.busy():
                    raise AssertionError("the lock of the former holder counts no more")
        async with third.busy():
            assert not third.lease.taken


async def test_a_wait_shorter_than_the_lease_takes_nothing(home):
    async with worker(home) as holder:
        stop(holder, home)
        with pytest.raises(HomeBusy, match=f"process {holder.pid}"):
            async with Home.prepare(home, None, 0.3).busy():
                raise AssertionError("it was taken before its time")


async def test_only_one_of_several_that_wait_succeeds(home):
    async with worker(home) as holder:
        stop(holder, home)
        inside, most = 0, 0

        async def work():
            nonlocal inside, most
            async with Home.prepare(home, None, 10).busy():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.1)
                inside -= 1

        await asyncio.gather(*(work() for _ in range(4)))
    assert most == 1
    assert [row.taken for row in rows(home)] == [False, True, False, False, False]


async def test_the_lease_is_the_holder_s_own_and_not_of_who_waits(home, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_LEASE", "30")
    async with worker(home) as holder:
        stop(holder, home)
        monkeypatch.setenv("CONCERTMASTER_LEASE", "0.2")
        with pytest.raises(HomeBusy):
            async with Home.prepare(home, None, 1).busy():
                raise AssertionError("its lease of 30 s has not run out")


@pytest.mark.parametrize("year", [1990, 2190])
async def test_clocks_that_jump_decide_nothing(home, monkeypatch, year):
    monkeypatch.setattr(leases, "now", lambda: now().replace(year=year))
    async with worker(home) as holder:
        change(home, f"UPDATE leases SET begun = '{year}', renewed = '{year}'")
        with pytest.raises(HomeBusy):
            async with Home.prepare(home, None, 1.5).busy():
                raise AssertionError("it was taken from one that works")
        stop(holder, home)
        async with Home.prepare(home, None).busy():
            pass
    assert rows(home)[-1].taken


async def test_a_holder_that_stopped_while_it_wrote_is_told_as_that(home):
    async with worker(home) as holder:
        stop(holder, home)
        with contextlib.closing(sqlite3.connect(home / "concertmaster.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HomeBusy, match="stopped while it wrote") as caught:
                async with Home.prepare(home, None, 2).busy():
                    raise AssertionError("nobody can write")
            other.rollback()
    assert "kill -CONT" in caught.value.hint


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf"])
def test_a_lease_that_is_no_time_is_refused(home, monkeypatch, value):
    monkeypatch.setenv("CONCERTMASTER_LEASE", value)
    with pytest.raises(ConfigError, match="CONCERTMASTER_LEASE"):
        lease_seconds()


# The fence


@pytest.fixture
async def lost(home):
    """Return a home that was held, its database, and what another process did meanwhile."""
    place = Home.prepare(home, None, 5)
    async with place.busy():
        pass
    database = Database.open(place.database, leases.MIGRATIONS, fence=place)
    await database.write(lambda c: c.execute("CREATE TABLE mine (x)"))
    yield place, database
    database.close()


async def takes(home):
    async with Home.prepare(home, None, 5).busy():
        pass


async def test_who_lost_the_home_writes_nothing(home, lost):
    _, database = lost
    await takes(home)
    ran = []
    with pytest.raises(HomeFenced, match="was taken over by process") as caught:
        await database.write(ran.append)
    assert ran == []
    assert caught.value.hint
    with pytest.raises(HomeFenced):
        await database.confirm()
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM mine").fetchone()[0]) == 0


async def test_a_task_of_a_former_epoch_stays_fenced_when_its_process_has_the_home_again(
    home, lost
):
    place, database = lost
    go = asyncio.Event()

    async def slow():
        async with place.busy():
            await go.wait()
            await database.write(lambda c: c.execute("INSERT INTO mine VALUES (1)"))

    task = asyncio.create_task(slow())
    await asyncio.sleep(0.1)
    # As a process does that saw no beat; the lock of the old epoch goes out of the way.
    change(
        home,
        "INSERT INTO leases SELECT epoch + 1, 'else', pid, host, boot, started, seconds,"
        " 0, begun, renewed, 1, 0 FROM leases ORDER BY epoch DESC LIMIT 1",
    )
    (home / "lock").unlink()
    (home / "lock").touch()
    with pytest.raises(HomeFenced):
        await database.write(lambda c: None)
    async with place.busy():
        await database.write(lambda c: c.execute("INSERT INTO mine VALUES (2)"))
        go.set()
        with pytest.raises(HomeFenced):
            await task
    kept = await database.read(lambda c: c.execute("SELECT x FROM mine").fetchall())
    assert [row[0] for row in kept] == [2]


async def test_leases_taken_away_by_hand_fence_everybody_off_until_the_next_epoch(home, lost):
    place, database = lost
    change(home, "DELETE FROM leases")
    with pytest.raises(HomeFenced, match="its lease is not there any more"):
        await database.write(lambda c: None)
    (home / "lock").write_text("")
    async with place.busy():
        assert place.lease.epoch == 2
        await database.write(lambda c: None)


async def test_checkpoints_of_who_lost_the_home_are_refused_and_keep_nobody_out(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        await takes(home)
        saver = desk.graph.checkpointer
        config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        stored = await saver.aget_tuple(config)
        with pytest.raises(sqlite3.IntegrityError, match="taken over"):
            await saver.aput(config, stored.checkpoint, stored.metadata, {})
        with pytest.raises(sqlite3.IntegrityError, match="taken over"):
            await saver.aput_writes(stored.config, [("messages", [])], "task")
        with pytest.raises(sqlite3.IntegrityError, match="taken over"):
            await saver.adelete_thread("t")
        change(home, "CREATE TABLE somebody_else (x)")
        assert len([s async for s in saver.alist(config)]) == 1
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"


# Full disks


async def test_an_epoch_that_there_is_no_room_for_is_told(home, monkeypatch):
    await takes(home)
    original = Database.open

    def full(path, *given, **named):
        database = original(path, *given, **named)
        pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
        database._connection.execute(f"PRAGMA max_page_count={pages}")
        return database

    monkeypatch.setattr(leases, "_KEPT", 10**9)
    change(home, "CREATE TABLE ballast (x)")
    monkeypatch.setattr(Database, "open", full)

    async def often():
        for _ in range(400):
            await takes(home)

    with pytest.raises(StorageError, match="no room left"):
        await often()
    monkeypatch.undo()
    await takes(home)


async def test_signs_of_life_that_there_is_no_room_for_let_the_lease_run_out(home, monkeypatch):
    def full(path, epoch):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("concertmaster.orchestrator.heart.beat", full)
    place = Home.prepare(home, None)
    async with place.busy():
        database = Database.open(place.database, leases.MIGRATIONS, fence=place)
        async with Home.prepare(home, None).busy():
            with pytest.raises(HomeFenced):
                await database.write(lambda c: None)
        database.close()


async def test_an_epoch_file_that_cannot_be_written_or_read_stops_nobody(home, caplog):
    await takes(home)
    (home / "epoch").write_text("{")
    await takes(home)
    assert "epoch cannot be read" in caplog.text
    (home / "epoch").unlink()
    (home / "epoch").mkdir()
    await takes(home)
    assert "epoch cannot be written" in caplog.text
    assert not any(row.restored for row in rows(home))


# Processes


def test_a_process_that_ended_is_known_by_its_number_and_its_start():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = this_process()
    found = Process(pid=child.pid, host=here.host, boot=here.boot, started="")
    assert not found.gone()
    child.send_signal(signal.SIGSTOP)
    assert not found.gone()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert found.gone(), "nobody has waited for it yet, but it has ended"
    child.communicate()
    assert found.gone()


def test_what_cannot_be_known_of_a_process_is_not_taken_for_its_end():
    here = this_process()
    assert not here.gone()
    assert not Process(pid=2**22 - 1, host="elsewhere", boot="", started="").gone()
    other = Process(pid=here.pid, host=here.host, boot=here.boot, started="1")
    assert other.gone(), "the number was given to another process since"
    earlier = Process(pid=here.pid, host=here.host, boot="before", started=here.started)
    assert earlier.gone(), "the machine was started anew since"


async def test_lease_row_tells_who_holds_the_home(home):
    place = Home.prepare(home, None)
    async with place.busy():
        database = Database.open(place.database, read_only=True)
        found = await database.read(current_lease)
        database.close()
    assert found.process == this_process()
    assert str(os.getpid()) in str(found.process)
