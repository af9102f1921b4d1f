"""Runs that nobody carries to their end, and runs of which table and trail differ, are named."""

import os
import signal
import subprocess
import sys

import pytest

import concertmaster as cm

PAY = "refund 20 euros for order 1042"
RUN = """
import asyncio, os, sys
import concertmaster as cm

async def main(workspace, home, text, kill_at):
    async with cm.open(workspace, home=home) as desk:
        async for event in desk.stream(text, principal="ana", thread="t"):
            if kill_at and event.kind == "hopped" and event.to == kill_at:
                os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


def killed(workspace, home, text=PAY, *, at="", **environment):
    """Run a message in a process that is killed on the way."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(workspace), str(home), text, at],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


async def reopened(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        return (await desk.history("t"))[-1]


async def test_run_of_a_killed_process_is_abandoned_until_it_is_taken_up(workspace, home, examined):
    killed(workspace, home, at="executor")
    found = await examined()
    assert set(found) == {"run.abandoned"}
    finding = found["run.abandoned"]
    assert (finding.severity, finding.kind) == ("problem", "run")
    assert finding.id.startswith("run-")
    assert "has ended" in finding.what
    assert f"runs recover {workspace}" in finding.command
    run = await reopened(workspace, home)
    assert (run.id, run.status) == (finding.id, "answered")
    assert await examined() == {}


async def test_run_of_a_silent_process_is_abandoned_too(workspace, home, examined, by_hand):
    killed(workspace, home, at="executor")
    # As another process that is alive, and has shown nothing for long.
    by_hand("UPDATE leases SET pid = ?, started = '', renewed = '2026-01-01T00:00:00+00:00'",
            os.getppid())  # fmt: skip
    by_hand("UPDATE runs SET record = json_set(record, '$.updated', '2026-01-01T00:00:00+00:00')")
    by_hand("DELETE FROM audit_events")
    finding = (await examined())["run.abandoned"]
    assert "gave no sign of life since 2026-01-01" in finding.what
    assert finding.since == "2026-01-01T00:00:00+00:00"


async def test_run_that_is_given_up_has_its_end_in_the_trail(workspace, home, examined):
    tools = workspace / "tools.py"
    tools.write_text(
        tools.read_text().replace('effect="irreversible"', 'effect="irreversible", idempotent=True')
    )
    for _ in range(4):
        killed(workspace, home, DIE_BEFORE_EFFECT="1")
    run = await reopened(workspace, home)
    assert run.status == "escalated"
    assert [e.data["status"] for e in run.events if e.type == "run.ended"] == ["escalated"]
    assert set(await examined()) == {"call.in_doubt"}


async def test_end_that_was_lost_with_its_process_is_told_when_the_run_is_taken_up(
    workspace, home, examined, by_hand
):
    async with cm.open(workspace, home=home) as desk:
        before = await desk.run(PAY, principal="ana", thread="t")
    # The process went away after its last state was stored, and before anything told of it.
    by_hand("DELETE FROM audit_events WHERE type = 'concertmaster.run.ended'")
    by_hand("DELETE FROM audit_links WHERE type = 'concertmaster.run.ended'")
    by_hand("UPDATE runs SET status = 'running',"
            " record = json_set(record, '$.status', 'running', '$.outcome', NULL)")  # fmt: skip
    run = await reopened(workspace, home)
    assert (run.id, run.status) == (before.id, "answered")
    assert [e.type for e in run.events].count("run.ended") == 1
    assert "run.ending" not in await examined()


@pytest.fixture
async def waiting(workspace, home):
    """Return a run that waits for finance, in a home where nobody works any more."""
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        await desk.run(PAY, principal="ana", thread="t")
    assert run.status == "awaiting_review"
    return run


async def test_decided_run_that_nobody_took_up(workspace, home, examined, process_ended):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        li = desk.people.admit("li")
        await desk.services.approvals.decide(run.pending[0].id, cm.Approve(), li)
    assert await examined() == {}  # Somebody may be about to take it up.
    process_ended()
    found = await examined()
    assert set(found) == {"run.decided"}
    assert found["run.decided"].id == run.id
    assert (await reopened(workspace, home)).status == "answered"
    assert await examined() == {}


async def test_run_that_waits_for_no_approval(
    waiting, workspace, home, examined, by_hand, process_ended
):
    by_hand("DELETE FROM approvals")
    process_ended()
    found = await examined()
    assert set(found) == {"run.waits_for_nothing"}
    assert f"runs cancel {waiting.id} --as ana" in found["run.waits_for_nothing"].command
    async with cm.open(workspace, home=home, recover=False) as desk:
        await desk.cancel(waiting.id, principal="ana")
    assert await examined() == {}


async def test_queued_message_that_nobody_takes_up(
    workspace, home, examined, by_hand, process_ended
):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        queued = await desk.run(PAY, principal="ana", thread="t")
        assert queued.status == "queued"
        await desk.services.approvals.void(run.id, "changed")
    ended = "status = 'cancelled', record = json_set(record, '$.status', 'cancelled')"
    by_hand(f"UPDATE runs SET {ended} WHERE id = ?", run.id)
    process_ended()
    found = await examined()
    assert set(found) == {"run.forgotten", "run.ending"}
    assert found["run.forgotten"].id == queued.id
    assert "on thread t" in found["run.forgotten"].what
    assert (await reopened(workspace, home)).status == "answered"
    assert set(await examined()) == {"run.ending"}


async def test_message_queued_behind_one_that_waits_is_no_finding(waiting, examined, process_ended):
    process_ended()
    assert await examined() == {}


async def test_run_whose_principal_only_its_host_knows_says_so(workspace, home, examined):
    killed(workspace, home, at="executor")
    principals = workspace / "principals.yaml"
    principals.write_text(principals.read_text().replace("id: ana", "id: ava"))
    assert "the program that knows its principal" in (await examined())["run.abandoned"].mend


async def test_end_that_was_written_by_hand(workspace, home, examined, by_hand):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
    by_hand("UPDATE runs SET status = 'refused'")
    found = await examined()
    assert set(found) == {"run.two_statuses"}
    by_hand("UPDATE runs SET record = json_set(record, '$.status', 'refused')")
    found = await examined()
    assert set(found) == {"run.ending"}
    assert "ended as refused" in found["run.ending"].what
    assert "ended as answered" in found["run.ending"].what
    assert f"audit why {run.id}" in found["run.ending"].command


async def test_end_of_which_the_trail_knows_nothing(workspace, home, examined, by_hand):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
    by_hand("DELETE FROM audit_events WHERE type = 'concertmaster.run.ended'")
    found = await examined()
    assert set(found) == {"run.ending", "stream.not_whole"}
    assert "tells of no end" in found["run.ending"].what


async def test_run_that_ended_in_the_trail_alone(workspace, home, examined, by_hand, process_ended):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
    by_hand("UPDATE runs SET status = 'running', record = json_set(record, '$.status', 'running')")
    process_ended()
    found = await examined()
    assert set(found) == {"run.abandoned"}
    assert "the trail says that it ended as answered" in found["run.abandoned"].what


async def test_run_that_was_taken_away(workspace, home, examined, by_hand):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("order 9, please", principal="viewer", thread="t")
    by_hand("DELETE FROM runs")
    found = await examined()
    assert found["run.missing"].id == run.id
    assert found["run.missing"].severity == "problem"


async def test_run_whose_row_is_no_run(workspace, home, examined, by_hand):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("My secret plan for order 9", principal="viewer", thread="t")
    by_hand("UPDATE runs SET record = replace(record, '\"principal\"', '\"nobody\"')")
    finding = (await examined())["run.unreadable"]
    assert finding.id == run.id
    assert "secret" not in str(finding)
