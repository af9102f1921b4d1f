"""Runs at once share transactions: killed in the middle of one, each is found again, acts once."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import pytest

import concertmaster as cm
from concertmaster.errors import UnknownRun

RUNS = 10
RUN = """
import asyncio, os, sys
import concertmaster as cm
from concertmaster.storage import Database

workspace, home, when, number = *sys.argv[1:4], int(sys.argv[4])
together, shared = Database._together, 0

def die(*_):
    os.kill(os.getpid(), 9)

def dying(self, asked):
    global shared
    shared += 1
    if shared == number and when == "within":
        last = asked[-1].work
        asked[-1].work = lambda connection: (last(connection), die())
    together(self, asked)
    if shared == number:
        die()

Database._together = dying

async def main():
    async with cm.open(workspace, home=home) as desk:
        said = [f"refund 20 euros for order {1000 + n}" for n in range(10)]
        runs = [desk.run(text, principal="ana", thread=f"t-{n}") for n, text in enumerate(said)]
        await asyncio.gather(*runs)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["within", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_killed_in_a_shared_transaction_every_run_ends_with_one_effect(
    workspace, home, refunds, when, number
):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), workspace, home, when, str(number)],
        env=dict(os.environ),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    async with cm.open(workspace, home=home) as desk:
        found = []
        for n in range(RUNS):
            try:
                found += await desk.history(f"t-{n}")
            except UnknownRun:  # Its message was not stored yet, and nobody was told that it was.
                text = f"refund 20 euros for order {1000 + n}"
                found.append(await desk.run(text, principal="ana", thread=f"t-{n}"))
    assert len(found) == RUNS
    # A call that was cut off is in doubt, and goes to a person; every other one took place once.
    assert {run.status for run in found} <= {"answered", "escalated"}
    orders = [order for order, _ in refunds()]
    assert len(orders) == len(set(orders))
    assert len(orders) >= sum(run.status == "answered" for run in found)


async def test_runs_at_once_leave_what_runs_one_after_the_other_leave(workspace, home, refunds):
    async with cm.open(workspace, home=home) as desk:
        said = [f"refund 20 euros for order {1000 + n}" for n in range(RUNS)]
        runs = await asyncio.gather(
            *(desk.run(text, principal="ana", thread=f"t-{n}") for n, text in enumerate(said))
        )
        alone = await desk.run("refund 20 euros for order 1077", principal="ana", thread="alone")
        read = desk.services.trail.events
        wanted = [e.type for e in await read(run=alone.id)]
        for run in runs:
            assert run.status == "answered"
            assert [e.type for e in await read(run=run.id)] == wanted
            plan = await desk.services.carrier.ledger.effects(run.id)
            assert [effect.status for effect in plan] == ["done"]
        every = await read()
        assert [e.seq for e in every] == sorted({e.seq for e in every})
    assert sorted(order for order, _ in refunds()) == [*range(1000, 1000 + RUNS), 1077]
