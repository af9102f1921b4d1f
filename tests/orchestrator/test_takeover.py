"""A process that falls silent loses its home: its runs go on elsewhere, and it acts no more."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import time

import pytest

import concertmaster as cm
from concertmaster.errors import HomeFenced, UnknownRun
from concertmaster.orchestrator import heart

PAY = "refund 20 euros for order 1042"


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Leases that run out while one looks on."""
    monkeypatch.setenv("CONCERTMASTER_LEASE", "0.5")


@pytest.fixture
def slow(workspace):
    """Have the tool wait, before it pays or after it, while a file of that name is there."""
    tools = workspace / "tools.py"
    wait = "    while (ctx.data_dir / '{0}').exists():\n        time.sleep(0.01)\n"
    text = tools.read_text()
    text = text.replace(
        '    if os.environ.get("DIE_BEFORE_EFFECT")',
        "    (ctx.data_dir / 'begun').touch()\n"
        + wait.format("before")
        + '    if os.environ.get("DIE_BEFORE_EFFECT")',
    )
    text = text.replace(
        '    if os.environ.get("DIE_AFTER_EFFECT")',
        wait.format("after") + '    if os.environ.get("DIE_AFTER_EFFECT")',
    )
    tools.write_text(text)


def declare(workspace, **how):
    """Change how the tool is declared."""
    tools = workspace / "tools.py"
    text = tools.read_text()
    if "idempotent" in how:
        text = text.replace("(key TEXT,", "(key TEXT UNIQUE,")
        text = text.replace("INSERT INTO", "INSERT OR IGNORE INTO")
    if "reconcile" in how:
        text = text.replace(
            '@declare(effect="irreversible"',
            "def look(arguments, ctx):\n"
            '    with sqlite3.connect(ctx.data_dir / "shop.sqlite3") as db:\n'
            "        sql = 'SELECT order_id, amount FROM refunds WHERE key = ?'\n"
            "        row = db.execute(sql, (ctx.idempotency_key,)).fetchone()\n"
            "    db.close()\n"
            '    return {"order_id": row[0], "amount_cents": row[1]} if row else None\n\n'
            '@declare(effect="irreversible"',
        )
    for name, value in how.items():
        text = text.replace('effect="irreversible"', f'effect="irreversible", {name}={value}')
    tools.write_text(text)


@contextlib.asynccontextmanager
async def silent(workspace, home, monkeypatch, *, where="before", elsewhere=True):
    """Open a desk, fall silent while its tool runs, and yield the desk, its run and `wake`."""
    (home / "data").mkdir(parents=True)
    (home / "data" / where).touch()
    async with cm.open(workspace, home=home) as desk:
        # The process stops: none of its signs of life arrives any more.
        desk.home._heart.stop()
        monkeypatch.setattr(desk.home._heart, "begin", lambda lease: None)
        monkeypatch.setattr(desk.home._heart, "rest", lambda: None)
        running = asyncio.create_task(desk.run(PAY, principal="ana", thread="t"))
        while not (home / "data" / "begun").exists():
            await asyncio.sleep(0.01)
        if where == "after":
            await asyncio.sleep(0.2)
        if elsewhere:  # as another process that is alive
            change(home, f"UPDATE leases SET pid = {os.getppid()}, started = ''")
        yield desk, running, (home / "data" / where).unlink


def change(home, sql, *values):
    path = home / "concertmaster.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(sql, values)


async def effects(desk, run):
    return [e.status for e in await desk.services.carrier.ledger.effects(run)]


async def told(desk):
    return [e.type for e in await desk.services.trail.events()]


# What is under way when a process stops


async def test_call_that_may_still_be_on_its_way_goes_to_a_person_and_is_made_once(
    workspace, home, refunds, slow, monkeypatch
):
    async with (
        silent(workspace, home, monkeypatch) as (_, running, wake),
        cm.open(workspace, home=home) as desk,
    ):
        (run,) = await desk.history("t")
        assert (run.status, run.outcome.owner) == ("escalated", "ops")
        assert "unknown" in run.outcome.cause
        assert await effects(desk, run.id) == ["in_doubt"]
        assert "home.taken" in await told(desk)
        wake()
        with pytest.raises(HomeFenced, match="taken over by process"):
            await running
        assert await effects(desk, run.id) == ["in_doubt"]
        assert (await desk.get(run.id)).status == "escalated"
    assert refunds() == [(1042, 2000)]


@pytest.mark.parametrize("where", ["before", "after"])
async def test_idempotent_call_is_made_again_under_the_same_key(
    workspace, home, refunds, slow, monkeypatch, where
):
    declare(workspace, idempotent=True)
    async with silent(workspace, home, monkeypatch, where=where) as (_, running, wake):
        opening = asyncio.create_task(_last(workspace, home))
        await asyncio.sleep(1.5)
        wake()
        assert (await opening).status == "answered"
        with pytest.raises(HomeFenced):
            await running
    assert refunds() == [(1042, 2000)]


async def _last(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        return (await desk.history("t"))[-1]


async def test_effect_that_is_found_is_taken_up(workspace, home, refunds, slow, monkeypatch):
    declare(workspace, reconcile="look")
    async with silent(workspace, home, monkeypatch, where="after") as (_, running, wake):
        run = await _last(workspace, home)
        assert (run.status, refunds()) == ("answered", [(1042, 2000)])
        wake()
        with pytest.raises(HomeFenced):
            await running
    assert refunds() == [(1042, 2000)]


async def test_effect_that_is_not_found_yet_proves_nothing_while_its_process_may_wake(
    workspace, home, refunds, slow, monkeypatch
):
    declare(workspace, reconcile="look")
    async with silent(workspace, home, monkeypatch) as (_, running, wake):
        async with cm.open(workspace, home=home) as desk:
            run = (await desk.history("t"))[-1]
            (doubt,) = await desk.services.carrier.ledger.in_doubt()
            assert (run.status, refunds()) == ("escalated", [])
            assert "was stopped and may go on" in doubt.why
        wake()
        with pytest.raises(HomeFenced):
            await running
    assert refunds() == [(1042, 2000)]


async def test_fenced_process_begins_no_further_call(workspace, home, refunds, monkeypatch):
    async with cm.open(workspace, home=home) as desk:
        ledger, go, there = desk.services.carrier.ledger, asyncio.Event(), asyncio.Event()
        begin = ledger.begin

        async def late(*given, **named):
            there.set()
            await go.wait()
            return await begin(*given, **named)

        monkeypatch.setattr(ledger, "begin", late)
        desk.home._heart.stop()
        monkeypatch.setattr(desk.home._heart, "begin", lambda lease: None)
        monkeypatch.setattr(desk.home._heart, "rest", lambda: None)
        running = asyncio.create_task(desk.run(PAY, principal="ana", thread="t"))
        await there.wait()
        assert (await _last(workspace, home)).status == "answered"
        assert refunds() == [(1042, 2000)]
        go.set()
        with pytest.raises(HomeFenced):
            await running
        # The desk is whole: it takes the home back, and goes on under a new epoch.
        monkeypatch.setattr(ledger, "begin", begin)
        again = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert again.status == "answered"
    assert refunds() == [(1042, 2000), (7, 1000)]


async def test_answer_of_a_fenced_process_is_not_stored(workspace, home, monkeypatch):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        async with desk.home.busy():
            desk.home._heart.stop()
            async with cm.open(workspace, home=home):
                reviewer = desk.people.admit("li")
                with pytest.raises(HomeFenced):
                    await desk.services.approvals.decide(run.pending[0].id, cm.Approve(), reviewer)
        assert len(await desk.approvals()) == 1


async def test_desk_that_is_open_takes_up_what_another_one_left(
    workspace, home, refunds, slow, monkeypatch
):
    declare(workspace, idempotent=True)
    async with (
        cm.open(workspace, home=home) as other,
        silent_in(home, workspace, monkeypatch) as (running, wake),
    ):
        opening = asyncio.create_task(
            other.run("refund 10 euros for order 7", principal="ben", thread="u")
        )
        await asyncio.sleep(1.5)
        wake()
        assert (await opening).status in ("answered", "refused", "escalated")
        assert [r.status for r in await other.history("t")] == ["answered"]
        with pytest.raises(HomeFenced):
            await running
    assert refunds().count((1042, 2000)) == 1


@contextlib.asynccontextmanager
async def silent_in(home, workspace, monkeypatch):
    shutil.rmtree(home / "data" / "begun", ignore_errors=True)
    (home / "data" / "before").touch()
    async with cm.open(workspace, home=home) as desk:
        desk.home._heart.stop()
        monkeypatch.setattr(desk.home._heart, "begin", lambda lease: None)
        monkeypatch.setattr(desk.home._heart, "rest", lambda: None)
        running = asyncio.create_task(desk.run(PAY, principal="ana", thread="t"))
        while not (home / "data" / "begun").exists():
            await asyncio.sleep(0.01)
        yield running, (home / "data" / "before").unlink


async def test_fenced_desk_closes_cleanly_and_signs_nothing(workspace, home, caplog):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
        async with cm.open(workspace, home=home) as other:
            await other.run("refund 10 euros for order 7", principal="ana", thread="u")
        signed = (home / "audit" / "heads.jsonl").read_text()
        desk.services.trail.emit("run.queued", why="x", actor="x")
    assert (home / "audit" / "heads.jsonl").read_text() == signed
    assert "could not be signed" not in caplog.text


async def test_signs_of_life_come_from_a_thread_of_their_own(workspace, home, monkeypatch):
    beats = []
    monkeypatch.setattr(heart, "beat", lambda path, epoch: beats.append(epoch))
    async with cm.open(workspace, home=home) as desk, desk.home.busy():
        time.sleep(0.6)  # the event loop hangs
    assert len(beats) >= 2


# Older copies


@pytest.fixture
async def older(workspace, home):
    """Return what takes a copy of the database while a run waits, and puts it back later."""
    copy = home.with_name("copy.sqlite3")

    def take():
        with (
            contextlib.closing(sqlite3.connect(home / "concertmaster.sqlite3")) as database,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            database.backup(target)

    def back():
        for end in ("", "-wal", "-shm"):
            (home / f"concertmaster.sqlite3{end}").unlink(missing_ok=True)
        shutil.copy(copy, home / "concertmaster.sqlite3")

    return take, back


async def done_after_the_copy(workspace, home, older):
    take, back = older
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
    take()
    async with cm.open(workspace, home=home) as desk:
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"
    back()
    return run


@pytest.mark.parametrize(
    ("how", "status", "ledger"),
    [
        ({}, "escalated", ["in_doubt"]),
        ({"idempotent": True}, "answered", ["done"]),
        ({"reconcile": "look"}, "answered", ["done"]),
    ],
    ids=["neither", "idempotent", "reconciler"],
)
async def test_home_restored_from_before_an_effect_does_not_repeat_it(
    workspace, home, refunds, older, caplog, how, status, ledger
):
    declare(workspace, **how)
    run = await done_after_the_copy(workspace, home, older)
    async with cm.open(workspace, home=home) as desk:
        (event,) = await desk.services.trail.events(types=["home.restored"])
        assert event.data["runs"] == [run.id]
        assert "restored from an older copy" in caplog.text
        after = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert after.status == status
        assert await effects(desk, run.id) == ledger
        fresh = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert fresh.status == "answered"
    assert refunds() == [(1042, 12000), (7, 1000)]
    async with cm.open(workspace, home=home) as desk:
        assert len(await desk.services.trail.events(types=["home.restored"])) == 1


async def test_run_that_was_cut_off_in_an_older_copy_is_not_repeated(
    workspace, home, refunds, older
):
    take, back = older
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        await desk.run(PAY, principal="ana", thread="t")
        change(home, "DELETE FROM effects WHERE run = ?", run.id)
        change(home, "DROP TRIGGER audit_events_no_delete")
        change(home, "DELETE FROM audit_events")
        record = (await desk.runs.get(run.id)).model_copy(
            update={"status": "running", "outcome": None}
        )
        change(
            home,
            "UPDATE runs SET status = 'running', record = ? WHERE id = ?",
            record.model_dump_json(),
            run.id,
        )
    take()
    async with cm.open(workspace, home=home, recover=False):
        pass
    back()
    async with cm.open(workspace, home=home) as desk:
        assert (await desk.get(run.id)).status == "escalated"
        assert await effects(desk, run.id) == ["in_doubt"]
    assert refunds() == [(1042, 2000)] * 2


async def test_home_that_is_copied_whole_is_an_older_copy_too(workspace, home, refunds, tmp_path):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
    shutil.copytree(home, tmp_path / "copy")
    async with cm.open(workspace, home=tmp_path / "copy") as desk:
        assert "home.restored" in await told(desk)
        after = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert after.status == "escalated"
    async with cm.open(workspace, home=home) as desk:
        assert "home.restored" not in await told(desk)


async def test_home_that_was_moved_is_no_copy(workspace, home, refunds, tmp_path):
    async with cm.open(workspace, home=home):
        pass
    home.rename(tmp_path / "moved")
    async with cm.open(workspace, home=tmp_path / "moved") as desk:
        assert "home.restored" not in await told(desk)


async def test_database_that_was_taken_away_begins_after_the_epochs_of_before(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        before = desk.home.lease.epoch
    for file in home.glob("concertmaster.sqlite3*"):
        file.unlink()
    async with cm.open(workspace, home=home) as desk:
        assert desk.home.lease.epoch > before
        assert "home.restored" in await told(desk)
        with pytest.raises(UnknownRun):
            await desk.get(run.id)
