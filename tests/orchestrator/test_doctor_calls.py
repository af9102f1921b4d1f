"""Calls in doubt are told with what is known of them; ledger and trail are compared."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

import concertmaster as cm
from concertmaster.errors import ApprovalForbidden, RequestError, UnknownRun
from concertmaster.orchestrator.settling import settle

PAY = "refund 20 euros for order 1042"
RUN = """
import asyncio, sys
import concertmaster as cm

async def main(workspace, home, text):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(text, principal="ana", thread="t")

asyncio.run(main(*sys.argv[1:]))
"""


def cut_off(workspace, home):
    """Run a refund in a process that is killed within the tool, after its effect."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(workspace), str(home), PAY],
        env={**os.environ, "DIE_AFTER_EFFECT": "1"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def declare(workspace, **how):
    tools = workspace / "tools.py"
    text = tools.read_text()
    if "reconcile" in how:
        mark = '@declare(effect="irreversible"'
        text = text.replace(mark, f"def look(arguments, ctx):\n    return None\n\n{mark}")
    for name, value in how.items():
        text = text.replace('effect="irreversible"', f'effect="irreversible", {name}={value}')
    tools.write_text(text)


async def reopened(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        return (await desk.history("t"))[-1]


@pytest.fixture
def run(workspace, home):
    """Return a run that refunded something, in a home where nobody works any more."""

    async def work():
        async with cm.open(workspace, home=home) as desk:
            return await desk.run(PAY, principal="ana", thread="t")

    return asyncio.run(work())


# In doubt


@pytest.mark.parametrize(
    ("how", "known", "mend"),
    [
        ({}, "would act again; it cannot look up", "makes no second call and gives it to ops"),
        ({"reconcile": "look"}, "it can look up", "has the tool look it up"),
        ({"idempotent": "True"}, "A second call does no harm", "again under the same key"),
    ],
)
async def test_call_that_was_cut_off_is_in_doubt(workspace, home, examined, how, known, mend):
    declare(workspace, **how)
    cut_off(workspace, home)
    found = await examined()
    assert set(found) == {"call.in_doubt", "run.abandoned"}
    finding = found["call.in_doubt"]
    assert finding.severity == "problem"
    assert finding.id == f"{found['run.abandoned'].id} 1"
    assert "refund was begun" in finding.what
    assert known in finding.what
    assert "no person was asked" in finding.what
    assert mend in finding.mend
    assert "runs recover" in finding.command
    assert finding.since.startswith("20")


async def test_call_in_doubt_is_with_a_person_once_its_run_ended_and_then_settled(
    workspace, home, examined
):
    cut_off(workspace, home)
    run = await reopened(workspace, home)
    found = await examined()
    assert set(found) == {"call.in_doubt"}
    finding = found["call.in_doubt"]
    assert finding.severity == "attention"
    assert "ended as escalated: ops has it" in finding.what
    assert f"runs settle {run.id} 1 --as WHO --took-effect" in finding.command
    ops = cm.Principal(id="olga", roles=("ops",))
    async with cm.open(workspace, home=home) as desk:
        row = await settle(desk, run.id, 1, took_effect=True, principal=ops)
        assert (row.status, row.settled_by) == ("done", "olga")
    assert await examined() == {}


async def test_call_in_doubt_of_a_run_that_told_nobody_is_a_problem(
    workspace, home, examined, by_hand, process_ended
):
    cut_off(workspace, home)
    by_hand("UPDATE runs SET status = 'failed', record = json_set(record, '$.status', 'failed')")
    finding = (await examined())["call.in_doubt"]
    assert finding.severity == "problem"
    assert "ended as failed, and no person was asked" in finding.what


async def test_only_who_answers_for_the_call_settles_it(workspace, home, refunds):
    cut_off(workspace, home)
    async with cm.open(workspace, home=home, recover=False) as desk:
        (record,) = await desk.runs.unfinished()
        run = record.id
        ops = cm.Principal(id="olga", roles=("ops",))
        with pytest.raises(RequestError, match="has not ended"):
            await settle(desk, run, 1, took_effect=False, principal=ops)
        await desk.recover()
        ana = cm.Principal(id="ana", roles=("customer", "ops"))
        for other in ("sam", "li", ana):
            with pytest.raises(ApprovalForbidden):
                await settle(desk, run, 1, took_effect=False, principal=other)
        with pytest.raises(UnknownRun):
            await settle(desk, run, 0, took_effect=False, principal=ops)
        row = await settle(desk, run, 1, took_effect=False, principal=ops)
        assert row.status == "failed"
        with pytest.raises(RequestError, match="not in doubt"):
            await settle(desk, run, 1, took_effect=True, principal=ops)
        events = await desk.events(run=run)
        assert (events[-1].type, events[-1].actor) == ("effect.failed", "olga")
    assert refunds() == [(1042, 2000)]


# Against the trail


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ("result = json_set(result, '$.amount_cents', 1)", "call.result_changed", "recorded"),
        ("result = NULL", "call.result_changed", "recorded"),
        ("reference = 'artifact:0'", "call.result_changed", "recorded"),
        ("status = 'failed'", "call.changed", "says that refund is failed"),
        ("status = 'in_doubt'", "call.changed", "the trail says done"),
        ("key = 'sha256:other'", "call.changed", "The key in the ledger"),
        ("digest = 'sha256:b'", "call.changed", "another call of refund"),
        ("result = '{'", "call.unreadable", "changed from outside"),
        ("position = 7", "call.missing", "the ledger has none"),
    ],
)
async def test_row_that_was_changed_by_hand_is_named(run, examined, by_hand, change, code, told):
    by_hand(f"UPDATE effects SET {change}")
    found = await examined()
    assert code in found, found
    assert (found[code].severity, found[code].kind) == ("problem", "call")
    assert found[code].id.startswith(run.id)
    assert told in found[code].what


async def test_row_that_was_taken_away_is_missing(run, examined, by_hand):
    by_hand("DELETE FROM effects")
    found = await examined()
    assert set(found) == {"call.missing"}
    assert found["call.missing"].id == f"{run.id} 1"


async def test_row_that_was_written_by_hand_has_no_event(run, examined, by_hand):
    from concertmaster.tools.effect_records import idempotency_key

    by_hand(
        "INSERT INTO effects SELECT run, 5, digest, tool, ?, idempotent, status, result, reference,"
        " why, attempts, thread, on_behalf_of, begun, settled, settled_by, epoch FROM effects",
        idempotency_key(run.id, 5),
    )
    found = await examined()
    assert set(found) == {"call.untold"}
    assert found["call.untold"].id == f"{run.id} 5"


async def test_row_that_was_blanked_by_hand_is_not_taken_for_forgotten(
    workspace, home, run, examined, by_hand
):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="other")
        await desk.forget("other", by="ana", why="asked for it")
    assert await examined() == {}
    by_hand("UPDATE effects SET result = NULL, thread = NULL, on_behalf_of = NULL"
            " WHERE run = ?", run.id)  # fmt: skip
    assert set(await examined()) == {"call.result_changed"}


async def test_effect_of_a_release_without_seals_is_not_compared(run, home, examined, by_hand):
    # Such an event says nothing of the result.
    by_hand(
        "UPDATE audit_events SET envelope = json_remove(envelope, '$.data.detail.result')"
        " WHERE type = 'concertmaster.effect.done'"
    )
    by_hand("UPDATE effects SET result = '1'")
    assert not [code for code in await examined() if code.startswith("call.")]


async def test_findings_repeat_nothing_that_was_said_or_returned(run, examined, by_hand):
    by_hand("UPDATE effects SET result = ?", json.dumps({"note": "a private matter"}))
    by_hand("UPDATE runs SET record = json_set(record, '$.text', 'a private matter')")
    found = await examined()
    assert found
    assert "private" not in str(found)
