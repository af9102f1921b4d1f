"""Processes that go away in the middle: every run is found again, and acts once."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

import concertmaster as cm

RUN = """
import asyncio, os, sys
import concertmaster as cm

async def main(workspace, home, text, kill_at):
    async with cm.open(workspace, home=home) as desk:
        if kill_at == "stored":
            desk._segments.begin = lambda *a, **k: os.kill(os.getpid(), 9)
        async for event in desk.stream(text, principal="ana", thread="t"):
            if kill_at and event.kind == "hopped" and event.to == kill_at:
                os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


def run_and_die(workspace, home, text, *, kill_at="", **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), str(workspace), str(home), text, kill_at],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def make_idempotent(workspace):
    tools = workspace / "tools.py"
    tools.write_text(
        tools.read_text()
        .replace('effect="irreversible"', 'effect="irreversible", idempotent=True')
        .replace("(key TEXT,", "(key TEXT UNIQUE,")
        .replace("INSERT INTO", "INSERT OR IGNORE INTO")
    )


async def reopened(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        return (await desk.history("t"))[-1]


@pytest.mark.parametrize("boundary", ["stored", "executor", "responder", "critic", "finish"])
async def test_killed_run_is_found_and_finished_with_one_effect(workspace, home, refunds, boundary):
    run_and_die(workspace, home, "refund 20 euros for order 1042", kill_at=boundary)
    run = await reopened(workspace, home)
    assert run.status == "answered"
    assert "run.recovered" in [e.type for e in run.events]
    assert refunds() == [(1042, 2000)]


async def test_effect_that_was_cut_off_goes_to_a_person(workspace, home, refunds):
    text = "refund 20 euros for order 1042"
    run_and_die(workspace, home, text, DIE_AFTER_EFFECT="1")
    run = await reopened(workspace, home)
    assert run.status == "escalated"
    assert "unknown" in run.outcome.cause
    assert refunds() == [(1042, 2000)]


async def test_call_that_was_cut_off_before_its_effect_goes_to_a_person_too(
    workspace, home, refunds
):
    text = "refund 20 euros for order 1042"
    run_and_die(workspace, home, text, DIE_BEFORE_EFFECT="1")
    run = await reopened(workspace, home)
    assert run.status == "escalated"
    assert refunds() == []


async def test_idempotent_tool_that_was_cut_off_is_called_again(workspace, home, refunds):
    make_idempotent(workspace)
    run_and_die(workspace, home, "refund 20 euros for order 1042", DIE_AFTER_EFFECT="1")
    run = await reopened(workspace, home)
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])


async def test_approval_given_before_the_kill_still_counts(workspace, home, refunds):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        approval = run.pending[0].id
        reviewer = desk.people.admit("li")
        await desk.services.approvals.decide(approval, cm.Approve(), reviewer)
    finished = await reopened(workspace, home)
    assert (finished.status, refunds()) == ("answered", [(1042, 12000)])


async def test_run_that_kills_every_process_is_given_up(workspace, home, refunds):
    make_idempotent(workspace)
    for _ in range(4):
        run_and_die(workspace, home, "refund 20 euros for order 1042", DIE_BEFORE_EFFECT="1")
    async with cm.open(workspace, home=home) as desk:
        first = (await desk.history("t"))[0]
        (effect,) = await desk.services.carrier.ledger.in_doubt()
    assert (first.status, first.outcome.owner) == ("escalated", "ops")
    assert "given up after three attempts" in first.outcome.cause
    assert "whether refund took effect is unknown" in first.outcome.cause
    assert (effect.run, effect.why) == (first.id, "given up after three attempts")


async def test_run_of_an_unknown_principal_is_left_for_its_host(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        guest = cm.Principal(id="guest", roles=("customer",))
        record = await desk.run("refund order 1042", principal="ana", thread="t")
        await desk.runs.update(record.id, status="running")
        stored = await desk.runs.get(record.id)
        await desk.runs.add(
            stored.model_copy(update={"id": "run-g", "thread": "g", "principal": guest})
        )
    async with cm.open(workspace, home=home) as desk:
        assert [r.id for r in await desk.runs.unfinished() if r.principal.id == "guest"] == [
            "run-g"
        ]


async def test_caller_that_goes_away_before_any_effect_cancels_the_run(desk, refunds):
    task = asyncio.create_task(
        desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
    )
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    after = await desk.run("refund 30 euros for order 7", principal="ana", thread="t")
    assert after.status == "answered"
    assert (7, 3000) in refunds()


async def test_messages_at_once_on_one_thread_do_not_interleave(desk, refunds):
    texts = [f"refund {n} euros for order {n}" for n in range(1, 9)]
    runs = await asyncio.gather(*(desk.run(t, principal="ana", thread="t") for t in texts))
    assert {r.status for r in runs} == {"answered"}
    assert sorted(refunds()) == [(n, n * 100) for n in range(1, 9)]
    for run, text in zip(runs, texts, strict=True):
        assert run.turn.request.text == text
        assert len({e.run for e in run.events}) == 1


async def test_many_threads_at_once(desk, refunds):
    texts = [f"refund 1 euro for order {n}" for n in range(1000, 1060)]
    runs = await asyncio.gather(*(desk.run(t, principal="ana") for t in texts))
    assert {r.status for r in runs} == {"answered"}
    assert len(refunds()) == 60


ONCE = """
@id("once") @reason("one refund a thread is enough")
forbid (principal, action == Action::"refund", resource)
when { context.history.thread.consequential >= 1 };
"""


@pytest.fixture
def once(workspace):
    """The workspace, with a rule that lets one consequential call of a thread through."""
    policies = workspace / "policies" / "refunds.cedar"
    policies.write_text(policies.read_text() + ONCE)
    return workspace


async def test_call_that_is_taken_up_again_is_not_held_against_itself(once, home, refunds):
    run_and_die(once, home, "refund 20 euros for order 1042", kill_at="responder")
    run = await reopened(once, home)
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])


async def test_call_of_unknown_outcome_counts_as_consequential(once, home, refunds):
    run_and_die(once, home, "refund 20 euros for order 1042", DIE_AFTER_EFFECT="1")
    async with cm.open(once, home=home) as desk:
        run = await desk.run("refund 10 euros for order 1042", principal="ana", thread="t")
        assert run.status == "refused"
        assert "one refund a thread" in run.outcome.cause
    assert refunds() == [(1042, 2000)]
