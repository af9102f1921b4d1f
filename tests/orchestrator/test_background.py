"""Runs that go on by themselves: started once, whoever stays, and taken up by the next opening."""

import asyncio
from contextlib import suppress

import pytest

import concertmaster as cm
from concertmaster.contracts import FINAL, Approve, Principal, Reject
from concertmaster.errors import (
    ApprovalForbidden,
    ApprovalUnknown,
    KeyReused,
    RequestError,
    ServerBusy,
    ThreadBusy,
    ThreadForbidden,
    UnknownPrincipal,
    UnknownRun,
)
from concertmaster.testing import Call, Say, Wait

QUICK = "refund 20 EUR of order 7"
WAITING = "refund order 1042"
HELD = "refund 20 EUR of order 77"
BLOCK = """"Look an order up."
    while order_id == 77 and not (ctx.data_dir / "go").exists():
        time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def let_go(workspace, home):
    """Have order 77 be looked up for as long as nobody lets go of it; return what lets go."""
    tools = workspace / "tools.py"
    tools.write_text(tools.read_text().replace('"Look an order up."', BLOCK))

    def go() -> None:
        (home / "data").mkdir(parents=True, exist_ok=True)
        (home / "data" / "go").touch()

    yield go
    go()


async def test_start_returns_before_the_answer_and_wait_has_it(desk, let_go):
    started = await desk.background.start(HELD, principal="ana")
    assert (await desk.get(started.run)).status == "running"
    assert desk.background.count == desk.background.count_of(Principal(id="ana")) == 1
    assert desk.background.count_of(Principal(id="ben")) == 0
    with pytest.raises(TimeoutError):
        await desk.background.wait(started.run, seconds=0.05)
    let_go()
    run = await desk.background.wait(started.run)
    assert run.outcome.text == "Refunded 20.00 EUR for order 77."
    await asyncio.sleep(0.05)
    assert desk.background.count == 0


async def test_a_cancelled_wait_leaves_its_run_alone(desk, let_go):
    started = await desk.background.start(HELD, principal="ana")
    waiting = asyncio.create_task(desk.background.wait(started.run))
    await asyncio.sleep(0.05)
    waiting.cancel()
    let_go()
    assert (await desk.background.wait(started.run)).status == "answered"


async def test_one_key_brings_about_one_run(desk, refunds):
    starts = await asyncio.gather(
        *(desk.background.start(QUICK, principal="ana", key="k") for _ in range(10))
    )
    assert len({s.run for s in starts}) == 1
    assert [s.fresh for s in starts].count(True) == 1
    await desk.background.wait(starts[0].run)
    again = await desk.background.start(QUICK, principal="ana", key="k")
    assert (again.run, again.fresh) == (starts[0].run, False)
    assert refunds() == [(7, 2000)]


async def test_a_key_holds_after_the_home_was_opened_again(workspace, home, refunds):
    runs = set()
    for _ in range(2):
        async with cm.open(workspace, home=home) as desk:
            started = await desk.background.start(QUICK, principal="ana", key="k")
            await desk.background.wait(started.run)
            runs.add(started.run)
    assert len(runs) == 1
    assert refunds() == [(7, 2000)]


async def test_a_key_stands_for_one_message_and_one_person(desk):
    first = await desk.background.start(QUICK, principal="ana", key="k", thread="t")
    with pytest.raises(KeyReused):
        await desk.background.start(WAITING, principal="ana", key="k", thread="t")
    with pytest.raises(KeyReused):
        await desk.background.start(QUICK, principal="ana", key="k", thread="u")
    other = await desk.background.start(QUICK, principal="ben", key="k")
    elsewhere = Principal(id="ana", tenant="elsewhere")
    third = await desk.background.start(QUICK, principal=elsewhere, key="k")
    assert len({first.run, other.run, third.run}) == 3


async def test_a_key_is_not_stored(desk, home):
    key = "a-key-that-nobody-else-would-think-of"
    started = await desk.background.start(QUICK, principal="ana", key=key)
    await desk.background.wait(started.run)
    await desk.services.trail.flush()
    found = [f for f in home.rglob("*") if f.is_file() and key.encode() in f.read_bytes()]
    assert found == []


async def test_the_key_of_an_erased_run_is_free_again(desk):
    started = await desk.background.start(QUICK, principal="ana", key="k")
    await desk.background.wait(started.run)
    await desk.forget(started.thread, by="ana", why="asked for it")
    # Nothing is left that it could stand for: not even that there was such a run.
    again = await desk.background.start(QUICK, principal="ana", key="k")
    assert again.fresh
    assert (await desk.background.wait(again.run)).status == "answered"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", 7])
async def test_what_is_no_key_is_refused(key, desk):
    with pytest.raises(RequestError):
        await desk.background.start(QUICK, principal="ana", key=key)


async def test_a_refused_message_is_told_to_who_sent_it_and_leaves_nothing(desk):
    await desk.background.start(QUICK, principal="ana", thread="t")
    with pytest.raises(ThreadForbidden):
        await desk.background.start(QUICK, principal="ben", thread="t")
    with pytest.raises(RequestError):
        await desk.background.start("  ", principal="ana")
    with pytest.raises(UnknownPrincipal):
        await desk.background.start(QUICK, principal="nobody")
    assert len(await desk.threads()) == 1


async def test_a_busy_thread_queues(desk, let_go):
    first = await desk.background.start(HELD, principal="ana", thread="t")
    second = await desk.background.start(QUICK, principal="ana", thread="t")
    assert (await desk.get(second.run)).status == "queued"
    let_go()
    assert (await desk.background.wait(second.run)).status == "answered"
    assert (await desk.get(first.run)).status == "answered"


async def test_a_busy_thread_refuses_all_but_one_of_many(desk, let_go):
    asked = await asyncio.gather(
        *(
            desk.background.start(HELD, principal="ana", thread="t", conflict="reject")
            for _ in range(6)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(a, ThreadBusy) for a in asked) == 5
    assert len(await desk.history("t")) == 1
    let_go()


async def test_a_thread_that_waits_for_people_is_busy(desk):
    first = await desk.background.start(WAITING, principal="ana", thread="t")
    await desk.background.wait(first.run)
    with pytest.raises(ThreadBusy):
        await desk.background.start(QUICK, principal="ana", thread="t", conflict="reject")


async def test_a_later_message_takes_the_place_of_earlier_ones(desk, let_go, refunds):
    waiting = await desk.background.start(WAITING, principal="ana", thread="t")
    await desk.background.wait(waiting.run)
    queued = await desk.background.start(QUICK, principal="ana", thread="t")
    last = await desk.background.start(
        "refund 30 EUR of order 7", principal="ana", thread="t", conflict="cancel"
    )
    assert (await desk.background.wait(last.run)).status == "answered"
    for earlier in (waiting, queued):
        run = await desk.get(earlier.run)
        assert (run.status, run.pending) == ("cancelled", ())
        assert run.outcome.cause == "a later message took its place"
    assert refunds() == [(7, 3000)]


async def test_nobody_makes_way_by_naming_somebody_elses_thread(desk, let_go):
    held = await desk.background.start(HELD, principal="ana", thread="t")
    with pytest.raises(ThreadForbidden):
        await desk.background.start(QUICK, principal="ben", thread="t", conflict="cancel")
    assert (await desk.get(held.run)).status == "running"
    let_go()


async def test_a_decision_returns_at_once_and_the_run_goes_on(desk, let_go):
    started = await desk.background.start(WAITING, principal="ana")
    run = await desk.background.wait(started.run)
    decided = await desk.background.answer(run.pending[0].id, Approve(), principal="li")
    assert decided.status == "approved"
    # It has not moved yet, and is not taken for one that rests.
    assert (await desk.background.wait(started.run)).status == "answered"


async def test_what_was_queued_follows_a_decision(desk):
    first = await desk.background.start(WAITING, principal="ana", thread="t")
    run = await desk.background.wait(first.run)
    second = await desk.background.start(QUICK, principal="ana", thread="t")
    assert (await desk.background.wait(second.run)).status == "queued"
    await desk.background.answer(run.pending[0].id, Reject(reason="no"), principal="li")
    assert (await desk.background.wait(second.run)).status == "answered"


async def test_an_answer_by_the_wrong_person_changes_nothing(desk):
    started = await desk.background.start(WAITING, principal="ana")
    approval = (await desk.background.wait(started.run)).pending[0].id
    for who in ("ana", "sam"):
        with pytest.raises(ApprovalForbidden):
            await desk.background.answer(approval, Approve(), principal=who)
    elsewhere = Principal(id="li", roles=("finance",), tenant="elsewhere")
    with pytest.raises(ApprovalUnknown):
        await desk.background.answer(approval, Approve(), principal=elsewhere)
    assert desk.background.count == 0
    assert (await desk.get(started.run)).status == "awaiting_review"


async def test_a_run_is_cancelled_without_waiting_for_what_follows(desk, let_go):
    first = await desk.background.start(WAITING, principal="ana", thread="t")
    await desk.background.wait(first.run)
    held = await desk.background.start(HELD, principal="ana", thread="t")
    async with asyncio.timeout(5):
        run = await desk.background.cancel(first.run, principal="ana", why="by mistake")
    assert (run.status, run.outcome.cause) == ("cancelled", "by mistake")
    let_go()
    assert (await desk.background.wait(held.run, until="end")).status == "answered"


async def test_a_running_run_can_be_cancelled(desk, let_go):
    started = await desk.background.start(HELD, principal="ana")
    run = await desk.background.cancel(started.run, principal="ana")
    assert run.status == "cancelled"
    let_go()
    assert (await desk.background.wait(started.run, until="end")).status == "cancelled"


async def test_a_run_of_somebody_else_is_not_cancelled(desk):
    started = await desk.background.start(WAITING, principal="ana")
    await desk.background.wait(started.run)
    elsewhere = Principal(id="ana", roles=("customer",), tenant="elsewhere")
    for who, run in (("ben", started.run), (elsewhere, started.run), ("ana", "run-0")):
        with pytest.raises(UnknownRun):
            await desk.background.cancel(run, principal=who)
        with pytest.raises(UnknownRun):
            await desk.cancel(run, principal=who)
    assert (await desk.get(started.run)).status == "awaiting_review"
    await desk.background.cancel(started.run, principal=Principal(id="ana"))
    with pytest.raises(UnknownRun):
        await desk.background.cancel(started.run, principal="ben")


async def test_who_gives_up_before_the_message_is_stored_takes_it_back(desk, let_go):
    holding = await desk.background.start(HELD, principal="ana")
    starting = asyncio.create_task(desk.background.start(QUICK, principal="ana", thread="t"))
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    let_go()
    await desk.background.wait(holding.run)
    # Either it was never stored, or it came to an end of its own; nothing hangs.
    for run in [r for t in await desk.threads() for r in await desk.history(t["id"])]:
        assert (await desk.background.wait(run.id)).status in FINAL


async def test_draining_waits_for_what_is_done_in_time(desk, let_go):
    started = await desk.background.start(HELD, principal="ana")
    draining = asyncio.create_task(desk.background.drain(20))
    await asyncio.sleep(0.05)
    assert not draining.done()
    let_go()
    assert await draining == 0
    assert (await desk.get(started.run)).status == "answered"


async def test_what_is_not_done_in_time_is_taken_up_by_the_next_opening(
    workspace, home, refunds, let_go
):
    async with cm.open(workspace, home=home) as desk:
        running = await desk.background.start(HELD, principal="ana", thread="t")
        queued = await desk.background.start(QUICK, principal="ana", thread="t")
        assert await desk.background.drain(0.05) == 2
        assert (await desk.get(running.run)).status == "running"
        assert (await desk.get(queued.run)).status == "queued"
    let_go()
    async with cm.open(workspace, home=home) as desk:
        for started in (running, queued):
            assert (await desk.background.wait(started.run)).status == "answered"
    assert sorted(refunds()) == [(7, 2000), (77, 2000)]


async def test_a_message_that_comes_while_the_desk_closes_is_to_come_again(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        starting = asyncio.create_task(desk.background.start(QUICK, principal="ana", key="k"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await desk.background.drain(0)
        # Who sent it is not cancelled with it, but told.
        with pytest.raises(ServerBusy):
            await starting
    # Whether or not it was stored at the last moment, it counts once.
    async with cm.open(workspace, home=home) as desk:
        again = await desk.background.start(QUICK, principal="ana", key="k")
        assert (await desk.background.wait(again.run)).status == "answered"
        assert [run.id for run in await desk.history(again.thread)] == [again.run]
        assert len(await desk.threads()) == 1


async def test_closing_a_desk_leaves_what_runs_for_the_next_one(workspace, home, let_go):
    async with cm.open(workspace, home=home) as desk:
        started = await desk.background.start(HELD, principal="ana")
    let_go()
    async with cm.open(workspace, home=home) as desk:
        assert (await desk.background.wait(started.run)).status == "answered"


async def test_a_run_in_the_middle_of_a_models_answer_is_taken_up(paying):
    async with paying(Wait(60, Say("too late"))) as desk:
        started = await desk.background.start("verify my identity with 4711", principal="ana")
        async with asyncio.timeout(20):
            while not await desk.services.trail.events(run=started.run, types=["run.started"]):
                await asyncio.sleep(0.02)
                await desk.services.trail.flush()
        assert await desk.background.drain(0.1) == 1
    async with paying(Call("verify_identity", {"code": "4711"}), Say("done")) as desk:
        run = await desk.background.wait(started.run, seconds=30)
        assert run.status == "answered"
        assert await told_once(desk, started.run, "tool.called")


async def told_once(desk, run: str, kind: str) -> bool:
    return len([e for e in await desk.events(run=run) if e.type == kind]) == 1
