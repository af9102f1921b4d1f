"""Ctrl-C, callers that go away and runs that are cancelled, at any moment."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

import concertmaster as cm

PAY = "refund 20 euros for order 1042"

PROGRAM = """
import asyncio, sys
import concertmaster as cm

def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()

async def main(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        say("open")
        for number in range(1000):
            text = f"refund 1 euro for order {number}"
            run = await desk.run(text, principal="ana", thread="t")
            say(run.id, run.status)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("after", [0.0, 0.004, 0.013, 0.031, 0.057, 0.11])
async def test_interrupted_program_leaves_nothing_lost_or_doubled(workspace, home, refunds, after):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(workspace), str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert await asyncio.to_thread(process.stdout.readline) == "open\n"
    await asyncio.sleep(after)
    process.send_signal(signal.SIGINT)
    output, _ = await asyncio.to_thread(process.communicate)
    assert process.returncode != 0
    acknowledged = dict(line.split() for line in output.splitlines())
    async with cm.open(workspace, home=home) as desk:
        runs = await desk.history("t") if await desk.threads() else []
        paid = refunds()
        assert len(paid) == len(set(paid))
        for run in runs:
            amount = (int(run.text.split()[-1]), 100)
            assert run.status in ("answered", "cancelled", "escalated"), run.outcome
            if run.status != "escalated":
                assert (amount in paid) == (run.status == "answered")
        by_id = {r.id: r.status for r in runs}
        assert {id_: by_id[id_] for id_ in acknowledged} == acknowledged
        more = await desk.run(PAY, principal="ana", thread="t")
        assert more.status == "answered"


async def test_interrupted_command_leaves_the_thread_usable(workspace, home, refunds):
    command = [
        *(sys.executable, "-m", "concertmaster", "run", str(workspace), PAY),
        *("--as", "ana", "--thread", "t", "--home", str(home)),
    ]
    for after in (0.3, 1.0, 1.4, 1.8):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        await asyncio.sleep(after)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode in (0, 130, -signal.SIGINT), errors
        assert process.returncode != 130 or "Traceback" not in errors
    async with cm.open(workspace, home=home) as desk:
        runs = await desk.history("t") if await desk.threads() else []
        assert {r.status for r in runs} <= {"answered", "cancelled", "escalated"}
        answered = sum(r.status == "answered" for r in runs)
        # One that was cut off within the call itself may have paid; a person looks at it.
        doubtful = sum(r.status == "escalated" for r in runs)
        assert answered <= len(refunds()) <= answered + doubtful
        more = await desk.run(PAY, principal="ana", thread="t")
        assert more.status == "answered"


@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.006, 0.01, 0.02])
async def test_caller_that_goes_away_leaves_no_run_unfinished(desk, refunds, after):
    for number in range(4):
        text = f"refund 1 euro for order {number}"
        task = asyncio.create_task(desk.run(text, principal="ana", thread="t"))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait({task})
    last = await desk.run(PAY, principal="ana", thread="t")
    assert last.status == "answered"
    runs = await desk.history("t")
    for run in runs:
        assert run.status in ("answered", "cancelled", "escalated"), run.outcome
    done = [r for r in runs if r.status == "answered"]
    assert len(refunds()) == len(set(refunds()))
    assert len(done) <= len(refunds())


async def test_caller_that_goes_away_while_its_message_is_stored_leaves_no_run_unfinished(desk):
    storing, go = threading.Event(), threading.Event()

    def hold(_connection):
        storing.set()
        go.wait(10)

    desk.services.trail.beside(hold)
    task = asyncio.create_task(desk.run(PAY, principal="ana", thread="t"))
    while not storing.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    go.set()
    await asyncio.wait({task})
    assert [run.status for run in await desk.history("t")] == ["cancelled"]


def slow(workspace, function, seconds):
    path = workspace / "tools.py"
    head, tail = path.read_text().split(f"def {function}(")
    quoted = '"Look an order up."' if function == "get_order" else '"Pay money back."'
    longer = tail.replace(quoted, f"{quoted}\n    time.sleep({seconds})", 1)
    path.write_text(f"{head}def {function}({longer}")


async def begun(desk, text, *, thread="t", kind="hopped"):
    """Start a run and return its task and its id once it is under way."""
    seen = asyncio.get_running_loop().create_future()

    async def follow():
        last = None
        async for event in desk.stream(text, principal="ana", thread=thread):
            if event.kind == kind and not seen.done():
                seen.set_result(event.run)
            last = event
        return last

    task = asyncio.create_task(follow())
    return task, await seen


async def test_cancelled_run_tells_its_caller_and_frees_the_thread(workspace, home, refunds):
    slow(workspace, "get_order", 0.4)
    async with cm.open(workspace, home=home) as desk:
        task, run = await begun(desk, PAY)
        await asyncio.sleep(0.1)
        cancelled = await desk.cancel(run, principal="ana", why="changed my mind")
        assert (cancelled.status, cancelled.outcome.cause) == ("cancelled", "changed my mind")
        # The caller is told; it is not itself cancelled.
        assert (await task).outcome.status == "cancelled"
        assert refunds() == []
        after = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert after.status == "answered"
    assert refunds() == [(7, 1000)]


async def test_effect_that_was_under_way_when_the_run_was_cancelled_is_in_doubt(
    workspace, home, refunds
):
    slow(workspace, "refund", 0.4)
    async with cm.open(workspace, home=home) as desk:
        task, run = await begun(desk, PAY)
        while not await desk.services.carrier.ledger.effects(run):
            await asyncio.sleep(0.01)
        await desk.cancel(run, principal="ana")
        assert (await task).outcome.status == "cancelled"
        (effect,) = await desk.services.carrier.ledger.in_doubt()
        assert effect.run == run


async def test_message_that_waits_its_turn_can_be_cancelled(workspace, home, refunds):
    slow(workspace, "get_order", 0.3)
    async with cm.open(workspace, home=home) as desk:
        first, _ = await begun(desk, PAY)
        second, run = await begun(desk, "refund 1 euro for order 2", kind="run_started")
        cancelling = asyncio.create_task(desk.cancel(run, principal="ana"))
        assert (await second).outcome.status == "cancelled"
        assert (await cancelling).status == "cancelled"
        assert (await first).outcome.status == "answered"
    assert refunds() == [(1042, 2000)]


async def test_three_messages_one_after_the_other_never_overlap(workspace, home, refunds):
    """The third arrives in the very moment in which the first ends and the second begins."""
    slow(workspace, "get_order", 0.05)
    async with cm.open(workspace, home=home) as desk:
        running, most = set(), 0
        original = desk._segments.begin

        async def watched(record, who, progress):
            nonlocal most
            running.add(record.id)
            most = max(most, len(running))
            try:
                return await original(record, who, progress)
            finally:
                running.discard(record.id)

        desk._segments.begin = watched

        async def follow(number):
            return await desk.run(f"refund 1 euro for order {number}", principal="ana", thread="t")

        async def chain(start):
            for number in range(start, start + 6):
                await follow(number)

        await asyncio.gather(*(chain(100 * n) for n in range(3)))
        assert most == 1
    assert len(refunds()) == 18


async def test_run_left_behind_in_this_process_is_finished_with_the_next_message(desk, refunds):
    run = await desk.run(PAY, principal="ana", thread="t")
    await desk.runs.update(run.id, status="running")
    later = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
    assert later.status == "answered"
    assert (await desk.get(run.id)).status == "answered"
    assert refunds() == [(1042, 2000), (7, 1000)]
    order = [e.run for e in await desk.events(thread="t") if e.type == "run.recovered"]
    assert order == [run.id]


async def test_queued_messages_follow_in_order_before_a_new_one(desk, refunds):
    waiting = await desk.run("refund order 1042", principal="ana", thread="t")
    for number in (1, 2, 3):
        queued = await desk.run(f"refund 1 euro for order {number}", principal="ana", thread="t")
        assert queued.status == "queued"
    deciding = desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
    new = desk.run("refund 1 euro for order 4", principal="ana", thread="t")
    await asyncio.gather(deciding, new)
    assert {r.status for r in await desk.history("t")} == {"answered"}
    assert refunds() == [(1042, 12000), (1, 100), (2, 100), (3, 100), (4, 100)]


async def test_stream_that_is_not_read_to_its_end_leaves_no_run_unfinished(desk, refunds):
    async with contextlib.aclosing(desk.stream(PAY, principal="ana", thread="t")) as stream:
        async for event in stream:
            if event.kind == "step_started":
                break
    (left,) = await desk.history("t")
    assert left.status in ("cancelled", "answered", "escalated")
    after = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
    assert after.status == "answered"
    assert len(refunds()) == (1 if left.status == "cancelled" else 2)
