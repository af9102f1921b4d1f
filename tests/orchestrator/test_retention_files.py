"""Large results, the disk, and a process that dies in the middle of a pass."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import HomeReadOnly, StorageError
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.home import DATABASE
from concertmaster.tools.artifacts import Artifacts

LARGE_RESULT = """
@declare(effect="read", label="internal", facts=owner)
def get_order(order_id: int, ctx: ToolContext) -> dict[str, object]:
    "Look an order up, with every line of it."
    lines = [f"line {n} of {order_id}" for n in range(9000)]
    return {"id": order_id, "total_cents": 12000, "lines": lines}

@declare(effect="irreversible", label="internal", facts=owner, timeout=5)"""
SMALL = "refund 20 euros for order {}"


@pytest.fixture
def workspace(workspace):
    text = (workspace / "tools.py").read_text()
    before, _, rest = text.partition('@declare(effect="read"')
    _, _, after = rest.partition(
        '@declare(effect="irreversible", label="internal", facts=owner, timeout=5)'
    )
    (workspace / "tools.py").write_text(before + LARGE_RESULT.lstrip() + after)
    return workspace


def files(home):
    return sorted((home / "artifacts").glob("??/*.json"))


async def test_large_results_go_with_their_thread_and_not_while_another_has_them(
    workspace, home, later, settled
):
    async with cm.open(workspace, home=home) as desk:
        for thread, order in (("a", 1), ("b", 1), ("c", 2)):
            await desk.run(SMALL.format(order), principal="ana", thread=thread)
        assert len(files(home)) == 2
        settled()
        rules = RetentionSpec(threads={"most": 2})
        await desk.prune(rules=rules)
        assert len(files(home)) == 2  # Thread b rests on the same result.
        await desk.prune(rules=RetentionSpec(threads={"most": 1}))
        assert len(files(home)) == 1
        assert {t["id"] for t in await desk.threads()} == {"c"}


async def test_large_result_that_was_just_returned_again_is_not_removed(workspace, home, later):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(SMALL.format(1), principal="ana", thread="a")
        await desk.prune(rules=RetentionSpec(threads={"most": 1}))
        later(2)
        await desk.prune(rules=RetentionSpec(threads={"after": "1d"}))
        assert len(files(home)) == 1  # It may be on its way into a row.
        (file,) = files(home)
        os.utime(file, (1, 1))
        await desk.prune(rules=RetentionSpec(threads={"after": "1d"}))
        assert files(home) == []


async def test_large_results_go_by_age_and_number_those_of_a_waiting_run_stay(
    workspace, home, later, settled
):
    async with cm.open(workspace, home=home) as desk:
        waiting = await desk.run("refund 60 euros for order 9", principal="ana", thread="w")
        (needed,) = files(home)
        for order in (1, 2, 3):
            await desk.run(SMALL.format(order), principal="ana", thread="t")
        settled(600)
        os.utime(needed, (1, 1))
        assert len(files(home)) == 4
        rules = RetentionSpec(artifacts={"most": 1})
        seen = await desk.prune(dry_run=True, rules=rules)
        assert len(files(home)) == 4
        (part,) = (await desk.prune(rules=rules)).pruned
        assert seen.pruned == (part,)
        assert part.bytes > 300_000
        assert len(files(home)) == 4 - part.number
        assert part.kept[0].why == "a run that is not over rests on it"
        later(30)
        await desk.prune(rules=RetentionSpec(artifacts={"after": "30d"}))
        assert len(files(home)) == 1
        done = await desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"
        (told, *_) = [e for e in await desk.events() if e.type == "retention.pruned"]
        assert told.data["rule"] == "artifacts.most: 1, given by the program"


def test_result_that_is_gone_is_refused_in_words(tmp_path):
    artifacts = Artifacts(tmp_path)
    reference, _ = artifacts.store({"rows": list(range(99999))})
    next(tmp_path.glob("??/*.json")).unlink()
    with pytest.raises(StorageError, match="retention may have removed it"):
        artifacts.load(reference)


def size(home):
    return sum(f.stat().st_size for f in home.glob(f"{DATABASE}*"))


async def filled(desk, threads, runs=6):
    for number in range(threads):
        for _ in range(runs):
            text = SMALL.format(number) + " please, and thank you very much " * 40
            await desk.run(text, principal="ana", thread=f"t-{number}")


async def test_disk_gets_back_what_was_removed(workspace, home, later):
    async with cm.open(workspace, home=home) as desk:
        await filled(desk, 12)
        before = size(home)
        later(91)
        rules = RetentionSpec(threads={"after": "90d"}, payloads={"after": "90d"})
        report = await desk.prune(rules=rules)
        assert report.before >= before
        assert report.freed > 0.6 * before
        assert size(home) < 0.4 * before
        mode, free = await desk.database.read(
            lambda c: [
                c.execute(f"PRAGMA {p}").fetchone()[0] for p in ("auto_vacuum", "freelist_count")
            ]
        )
        assert (mode, free) == (2, 0)


async def test_file_of_an_older_release_is_written_anew_once(workspace, home, later):
    async with cm.open(workspace, home=home) as desk:
        await filled(desk, 4)
    connection = sqlite3.connect(home / DATABASE)
    connection.executescript("PRAGMA auto_vacuum=NONE; VACUUM;")
    assert connection.execute("PRAGMA auto_vacuum").fetchone()[0] == 0
    connection.close()
    async with cm.open(workspace, home=home) as desk:
        before = size(home)
        later(91)
        await desk.prune(rules=RetentionSpec(threads={"after": "90d"}))
        assert size(home) < before
        mode = await desk.database.read(lambda c: c.execute("PRAGMA auto_vacuum").fetchone()[0])
        assert mode == 2
        assert (await desk.run(SMALL.format(1), principal="ana")).status == "answered"


async def test_no_transaction_holds_the_database_for_long(workspace, home, later, monkeypatch):
    monkeypatch.setattr("concertmaster.orchestrator.retention.finding.BATCH", 50_000)
    async with cm.open(workspace, home=home) as desk:
        await filled(desk, 12, runs=2)
        later(91)
        await desk.prune(rules=RetentionSpec(threads={"after": "90d"}, payloads={"after": "90d"}))
        told = [e for e in await desk.events() if e.type == "retention.pruned"]
        assert len(told) >= 4
        assert all(e.data["bytes"] < 250_000 for e in told)


CHILD = """
import asyncio, os, signal, sqlite3, sys
from datetime import timedelta
import concertmaster as cm
from concertmaster.contracts import now
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.orchestrator.retention import files, finding, passes

workspace, home, where, at = sys.argv[1:4] + [int(sys.argv[4])]
passes.now = lambda: now() + timedelta(days=91)
finding.BATCH = 30_000
count = 0

def die():
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with cm.open(workspace, home=home) as desk:
        database = desk.database
        write = database._write
        def dying(work, claim=None):
            def inner(connection):
                result = work(connection)
                if where == "before commit":
                    die()
                return result
            found = write(inner, claim)
            if where == "after commit":
                die()
            return found
        database._write = dying
        if where == "files":
            def removing(listed):
                for file in listed:
                    file.unlink()
                    die()
                return 0, 0
            passes.remove_files = removing
        rules = RetentionSpec(threads={"after": "90d"}, payloads={"after": "90d"})
        await desk.prune(rules=rules)
    print("finished")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("where", "at"),
    [
        ("before commit", 1),
        ("before commit", 3),
        ("after commit", 2),
        ("after commit", 5),
        ("files", 1),
    ],
)
async def test_killed_in_the_middle_it_is_consistent_and_the_next_pass_finishes(
    workspace, home, later, settled, where, at
):
    async with cm.open(workspace, home=home) as desk:
        await filled(desk, 5, runs=2)
        waiting = await desk.run("refund 60 euros for order 9", principal="ana", thread="w")
    settled()
    command = [
        sys.executable,
        "-c",
        textwrap.dedent(CHILD),
        str(workspace),
        str(home),
        where,
        str(at),
    ]
    child = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr[-2000:]
    async with cm.open(workspace, home=home) as desk:
        for record in [t["id"] for t in await desk.threads()]:
            for run in await desk.history(record):
                assert run.text
                assert record == "w" or run.turn is None or run.status == "answered"
        (stream,) = await check_home(desk.database, places_of(home).read)
        assert stream.whole, stream
        later(91)
        rules = RetentionSpec(threads={"after": "90d"}, payloads={"after": "90d"})
        await desk.prune(rules=rules)
        assert [t["id"] for t in await desk.threads()] == ["w"]
        assert len(files(home)) == 1
        (stream,) = await check_home(desk.database, places_of(home).read)
        assert stream.whole, stream
        broken = await desk.database.read(
            lambda c: c.execute("PRAGMA foreign_key_check").fetchall()
        )
        assert broken == []
        told = [e.data["number"] for e in await desk.events() if e.type == "retention.pruned"]
        assert sum(told) == 5  # Each thread was told of once.
        done = await desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"


async def test_full_disk_in_a_pass_is_told_and_removes_nothing_by_halves(
    workspace, home, later, monkeypatch
):
    async with cm.open(workspace, home=home) as desk:
        await filled(desk, 3, runs=1)
        write = desk.database._write

        def full(work, claim=None):
            def inner(connection):
                work(connection)
                raise sqlite3.OperationalError("database or disk is full")

            return write(inner, claim)

        later(91)
        monkeypatch.setattr(desk.database, "_write", full)
        with pytest.raises((StorageError, HomeReadOnly)):
            await desk.prune(rules=RetentionSpec(threads={"after": "90d"}))
        monkeypatch.undo()
        assert len(await desk.threads()) == 3
        assert len(await desk.history("t-0")) == 1
