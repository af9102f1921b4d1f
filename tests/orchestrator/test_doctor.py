"""A home in order has no finding; a home that works is examined without being disturbed."""

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys

import pytest

import concertmaster as cm
from concertmaster.errors import HomeError
from concertmaster.orchestrator.doctor import examine

HOLD = """
import asyncio, sys
from pathlib import Path
from concertmaster.orchestrator.home import Home

async def main(path):
    async with Home.prepare(Path(path), None).busy():
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


async def worked(desk):
    """Let a desk answer, refuse, refund with and without a person, wait, and queue."""
    await desk.run("refund 20 euros for order 1042", principal="ana", thread="a")
    await desk.run("refund 20 euros for order 13", principal="ana", thread="b")
    await desk.run("refund 20 euros for order 503", principal="ana", thread="c")
    run = await desk.run("refund order 7", principal="ana", thread="d")
    await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    run = await desk.run("refund order 8", principal="ana", thread="e")
    await desk.claim(run.pending[0].id, principal="mo")
    await desk.run("refund order 9", principal="ana", thread="e")


def contents(home):
    """Return what the files hold; SQLite's own bookkeeping beside the database left out."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


async def test_home_in_order_has_no_finding(workspace, home, examined):
    async with cm.open(workspace, home=home) as desk:
        await worked(desk)
    assert await examined() == {}


async def test_desk_that_is_open_is_examined_too(desk, examined):
    await worked(desk)
    assert await examined() == {}
    run = await desk.run("refund 20 euros for order 3", principal="ana", thread="x")
    assert run.status == "answered"


async def test_run_in_the_middle_of_its_work_is_no_finding(workspace, home, examined):
    tools = workspace / "tools.py"
    wait = "    while (ctx.data_dir / 'wait').exists():\n        time.sleep(0.01)\n"
    mark = '    if os.environ.get("DIE_BEFORE_EFFECT")'
    tools.write_text(tools.read_text().replace(mark, wait + mark))
    (home / "data").mkdir(parents=True)
    (home / "data" / "wait").touch()
    async with cm.open(workspace, home=home) as desk:
        text = "refund 20 euros for order 1042"
        running = asyncio.create_task(desk.run(text, principal="ana", thread="t"))
        while not await desk.services.carrier.ledger._rows("status = ?", "intended"):
            await asyncio.sleep(0.01)
        assert await examined() == {}
        found = await examined(stalled=0.0)
        (home / "data" / "wait").unlink()
        await running
    assert set(found) == {"run.stalled", "call.in_doubt"}
    assert found["run.stalled"].severity == "attention"
    assert "runs cancel run-" in found["run.stalled"].command


async def test_nothing_is_written_and_nobody_is_waited_for(workspace, home, examined):
    async with cm.open(workspace, home=home) as desk:
        await worked(desk)
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert await asyncio.to_thread(held.stdout.readline) == "held\n"
        os.kill(held.pid, 19)  # It renews nothing while it is looked at.
        before = contents(home)
        assert await examined() == {}
        assert contents(home) == before
    finally:
        held.kill()
        held.wait()
        held.stdout.close()


async def test_forgotten_and_cancelled_threads_are_no_finding(workspace, home, examined):
    async with cm.open(workspace, home=home) as desk:
        await worked(desk)
        for thread in "de":
            await desk.forget(thread, by="ana", why="asked for it", force=True)
        await desk.run("refund order 11", principal="ana", thread="f")
        run = (await desk.history("f"))[0]
        await desk.cancel(run.id, principal="ana", why="no more")
    assert await examined() == {}


async def test_where_there_is_no_home_there_is_nothing_to_examine(tmp_path):
    with pytest.raises(HomeError, match="is no folder"):
        await examine(tmp_path / "nowhere")


async def test_workspace_is_found_by_what_the_home_notes(workspace, home):
    async with cm.open(workspace, home=home):
        pass
    found = await examine(home)
    assert not [f for f in found.findings if f.code == "workspace.unread"]
    workspace.rename(workspace.with_name("elsewhere"))
    (told,) = [f for f in (await examine(home)).findings if f.code == "workspace.unread"]
    assert told.severity == "attention"
    with contextlib.suppress(FileNotFoundError):
        (home / "workspace.json").unlink()
    (told,) = [f for f in (await examine(home)).findings if f.code == "workspace.unread"]
    assert "not noted" in told.what


@pytest.mark.parametrize(
    "section",
    [
        "threads: {after: 30d}",
        "runs: {after: 30d}",
        "messages: {after: 30d}",
        "approvals: {after: 30d}",
        "payloads: {after: 30d}",
        "checkpoints: {per_thread: 1}",
        "threads: {after: 60d}, runs: {after: 30d}, messages: {after: 20d}, payloads: {after: 10d}",
    ],
)
async def test_what_retention_removed_is_no_finding(
    workspace, home, declare, later, examined, section
):
    declare(f"retention: {{{section}}}")
    async with cm.open(workspace, home=home) as desk:
        await worked(desk)
        for thread in "abcd":
            await desk.run("refund 10 euros for order 5", principal="ana", thread=thread)
    later(90)
    async with cm.open(workspace, home=home) as desk:
        assert (await desk.prune()).number > 0
    assert await examined() == {}
