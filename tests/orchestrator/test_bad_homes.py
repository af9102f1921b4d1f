"""Homes that cannot be written, are in use or full: told clearly, nothing lost or doubled."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import concertmaster as cm
from concertmaster.errors import HomeBusy, HomeError, HomeReadOnly, StorageError

PAY = "refund 20 euros for order 1042"
LONG = PAY + " because" * 2000


async def opens(workspace, home, refunds, thread="after"):
    """The home is as good as new: it opens, and a message does what it says once."""
    before = len(refunds()) if (home / "data" / "shop.sqlite3").exists() else 0
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread=thread)
        assert run.status == "answered", run.outcome
    assert refunds()[before:] == [(1042, 2000)]


async def fails_to_open(workspace, home, kind, **options):
    with pytest.raises(kind) as caught:
        async with cm.open(workspace, home=home, **options):
            raise AssertionError("it must not open")
    assert caught.value.hint
    return str(caught.value)


# Folders that are none


async def test_file_in_place_of_the_home_is_told(workspace, home, refunds):
    home.write_text("mine")
    told = await fails_to_open(workspace, home, HomeError)
    assert str(home) in told
    assert "--home" in told
    assert home.read_text() == "mine"
    home.unlink()
    await opens(workspace, home, refunds)


async def test_home_where_no_folder_can_be_made_is_told(workspace):
    told = await fails_to_open(workspace, Path("/proc/no/such/place"), HomeError)
    assert "/proc/no/such/place" in told


@pytest.fixture
def powerless(workspace):
    """Return copies of the workspace and a home, and an ordinary user: root may write anywhere."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copytree(workspace, folder / "refunds")
    (folder / "home").mkdir()
    try:
        yield folder / "refunds", folder / "home", 65534 if os.geteuid() == 0 else os.geteuid()
    finally:
        os.seteuid(os.getuid())
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


async def test_read_only_home_is_told_with_the_way_out(powerless):
    workspace, home, user = powerless
    home.chmod(0o555)
    os.seteuid(user)
    told = await fails_to_open(workspace, home, HomeReadOnly)
    assert f"{home} cannot be written" in told
    assert "--home or CONCERTMASTER_HOME" in told
    assert list(home.iterdir()) == []


async def test_home_that_became_read_only_is_told(powerless):
    workspace, home, user = powerless
    async with cm.open(workspace, home=home):
        pass
    for path in [home, *home.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    os.seteuid(user)
    assert "cannot be written" in await fails_to_open(workspace, home, HomeReadOnly)


# In use by another process

HOLD = """
import asyncio, sys, time
from pathlib import Path
from concertmaster.orchestrator.home import Home

async def main(path):
    async with Home.prepare(Path(path), None).busy():
        sys.stdout.write("held\\n")
        sys.stdout.flush()
        time.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


@contextlib.asynccontextmanager
async def held(home):
    """Let another process work in the home until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert await asyncio.to_thread(process.stdout.readline) == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_busy_home_is_told_after_the_wait_with_who_holds_it(workspace, home):
    async with held(home) as holder:
        begun = time.perf_counter()
        told = await fails_to_open(workspace, home, HomeBusy, wait=0.3)
        assert 0.2 < time.perf_counter() - begun < 5
        assert f"in use by process {holder.pid}" in told


async def test_opening_waits_for_a_busy_home(workspace, home, refunds):
    async with held(home) as holder:
        opening = asyncio.create_task(opens(workspace, home, refunds))
        await asyncio.sleep(0.3)
        assert not opening.done()
        holder.kill()
        await opening


async def test_message_to_a_home_that_got_busy_is_refused_and_leaves_nothing(
    workspace, home, refunds
):
    async with cm.open(workspace, home=home, wait=0.2) as desk:
        async with held(home):
            with pytest.raises(HomeBusy):
                await desk.run(PAY, principal="ana", thread="t")
        assert await desk.threads() == []
        assert (await desk.run(PAY, principal="ana", thread="t")).status == "answered"
    assert refunds() == [(1042, 2000)]


async def test_home_that_is_gone_is_told(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        (home / "lock").unlink()
        with pytest.raises(HomeError, match="cannot be used"):
            await desk.run(PAY, principal="ana", thread="t")


# A full disk


async def fill(desk, *, room=0):
    """Let the database take no further page but so many, as a full disk does."""

    def work(connection):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute("CREATE TABLE ballast (x)")
        connection.execute(f"PRAGMA max_page_count={pages + 1 + room}")

    await desk.database.read(work)


async def make_room(desk):
    def work(connection):
        connection.execute("PRAGMA max_page_count=1000000")

    await desk.database.read(work)


async def test_full_disk_refuses_the_message_and_keeps_what_was_there(workspace, home, refunds):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
        await fill(desk)
        with pytest.raises(StorageError, match="no room left on the disk") as caught:
            await desk.run(LONG, principal="ana", thread="t")
        assert "free some space and send the message again" in caught.value.hint
        assert str(home) in caught.value.message
        assert len(await desk.history("t")) == 1
        await make_room(desk)
        run = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert run.status == "answered"
    assert refunds() == [(1042, 2000), (7, 1000)]


async def told_of(running):
    """Return how a run ended as its caller sees it: its status, or `kept` or `refused`."""
    try:
        return (await running).status
    except StorageError as error:
        kept = "no room left" in error.message and "is kept, and goes on" in error.hint
        return "kept" if kept else "refused"


@pytest.mark.parametrize("room", [1, 2, 3, 4, 5, 6, 7, 9, 12, 16])
async def test_disk_that_fills_up_during_a_run_loses_and_doubles_nothing(
    workspace, home, refunds, room
):
    async with cm.open(workspace, home=home) as desk:
        await desk.run("refund 1 euro for order 3", principal="ana", thread="t")
        await fill(desk, room=room)
        ended = await told_of(desk.run(LONG, principal="ana", thread="t"))
        await make_room(desk)
        acted = len(refunds()) > 1
        # Both say that it can be tried again, so nothing may have been paid then.
        assert not (acted and ended in ("failed", "refused"))
        later = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert later.status == "answered"
        runs = await desk.history("t")
        assert {r.status for r in runs} <= {"answered", "failed", "escalated"}
    paid = refunds()
    assert paid.count((1042, 2000)) == (1 if acted or ended in ("kept", "answered") else 0)
    assert paid.count((7, 1000)) == 1
    async with cm.open(workspace, home=home):
        assert refunds() == paid


async def test_state_that_cannot_be_written_after_an_effect_is_no_reason_to_try_again(
    workspace, home, refunds
):
    async with cm.open(workspace, home=home) as desk:
        await desk.run("refund 1 euro for order 3", principal="ana", thread="t")
        connection = desk.graph.checkpointer.conn
        pages = await (await connection.execute("PRAGMA page_count")).fetchone()
        await connection.execute(f"PRAGMA max_page_count={pages[0]}")
        run = await desk.run(LONG, principal="ana", thread="t")
        assert refunds() == [(3, 100), (1042, 2000)]
        assert (run.status, run.outcome.owner) == ("escalated", "ops")
        assert "no room left on the disk" in run.outcome.cause
        assert "refund took effect" in run.outcome.cause
        await connection.execute("PRAGMA max_page_count=1000000")
        again = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert again.status == "answered"
    assert refunds() == [(3, 100), (1042, 2000), (7, 1000)]


FULL = """
import asyncio, resource, sys
import concertmaster as cm

async def main(workspace, home, text):
    async with cm.open(workspace, home=home) as desk:
        used = max(f.stat().st_size for f in desk.home.path.glob("*sqlite3*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (used + 200_000, resource.RLIM_INFINITY))
        for number in range(100):
            try:
                run = await desk.run(f"{text} {number} " + "x " * 3000, principal="ana", thread="t")
            except cm.ConcertmasterError as error:
                print(type(error).__name__, error)
                return
            if run.status != "answered":
                print(run.status, run.outcome.cause)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_file_system_that_takes_no_more_is_told_and_every_run_is_accounted_for(
    workspace, home, refunds
):
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", FULL, str(workspace), str(home), "refund 1 euro for order"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "no room left on the disk" in done.stdout, done.stdout
    async with cm.open(workspace, home=home) as desk:
        runs = await desk.history("t")
        assert {r.status for r in runs} <= {"answered", "failed", "escalated"}
        for run in runs:
            effects = await desk.services.carrier.ledger.effects(run.id)
            if run.status == "answered":
                assert [e.status for e in effects] == ["done"]
            if run.status == "failed":
                assert effects == []
    assert len(refunds()) == len(set(refunds()))
    await opens(workspace, home, refunds)


# Written by another release, or by nobody


async def test_home_of_a_newer_release_is_told_and_left_alone(workspace, home):
    async with cm.open(workspace, home=home):
        pass
    database = sqlite3.connect(home / "concertmaster.sqlite3")
    with database:
        database.execute("UPDATE schema_versions SET version = 99 WHERE room = 'runs'")
    database.close()
    told = await fails_to_open(workspace, home, cm.ConcertmasterError)
    assert "version 99" in told
    assert "upgrade concertmaster" in told


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_database_of_garbage_is_told_and_left_alone(workspace, home, content):
    home.mkdir()
    file = home / "concertmaster.sqlite3"
    file.write_bytes(content)
    told = await fails_to_open(workspace, home, StorageError)
    assert f"{file} is damaged or is no Concertmaster database" in told
    assert "backup" in told
    assert file.read_bytes() == content


async def test_folder_in_place_of_the_database_is_told(workspace, home):
    (home / "concertmaster.sqlite3").mkdir(parents=True)
    await fails_to_open(workspace, home, (StorageError, HomeError))
