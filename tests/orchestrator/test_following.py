"""Following a run: every event once, in order, from wherever the listener stopped."""

import asyncio
import os
import subprocess
import sys

import pytest

import concertmaster as cm
from concertmaster.contracts import Approve, Reject
from concertmaster.errors import ApprovalUnknown, RequestError, UnknownRun

QUICK = "refund 20 EUR of order 7"
WAITING = "refund order 1042"


async def told(desk, run, **more):
    return [(t.id, t.event) async for t in desk.background.follow(run, **more)]


async def told_piecemeal(desk, run, **more):
    """Return the events as a listener gets them that goes away after each."""
    found = []
    while True:
        following = desk.background.follow(run, after=found[-1][0] if found else None, **more)
        try:
            first = await anext(following)
        except StopAsyncIteration:
            return found
        finally:
            await following.aclose()
        found.append((first.id, first.event))


async def test_a_listener_gets_everything_in_order(desk):
    started = await desk.background.start(QUICK, principal="ana")
    events = await told(desk, started.run)
    kinds = [event.kind for _, event in events]
    assert (kinds[0], kinds[-2], kinds[-1]) == ("run_started", "text_delta", "run_ended")
    places = [tuple(int(n) for n in id.split(".")) for id, _ in events]
    assert places == sorted(set(places))
    assert {(event.run, event.thread) for _, event in events} == {(started.run, started.thread)}


@pytest.mark.parametrize("until", ["rest", "end"])
async def test_every_place_is_one_to_go_on_from(desk, until):
    started = await desk.background.start(QUICK, principal="ana")
    whole = await told(desk, started.run, until=until)
    for number, (id, _) in enumerate(whole, 1):
        assert await told(desk, started.run, after=id, until=until) == whole[number:]
    assert await told_piecemeal(desk, started.run, until=until) == whole


async def test_a_long_answer_goes_on_in_the_middle(desk):
    started = await desk.background.start("refund " + "word " * 60, principal="ana")
    run = await desk.background.wait(started.run)
    whole = await told(desk, started.run)
    texts = [event.text for _, event in whole if event.kind == "text_delta"]
    assert "".join(texts) == run.outcome.text


async def test_ids_mean_the_same_after_the_home_was_opened_again(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        started = await desk.background.start(QUICK, principal="ana")
        whole = await told(desk, started.run)
    async with cm.open(workspace, home=home) as desk:
        assert await told(desk, started.run) == whole
        assert await told(desk, started.run, after=whole[3][0]) == whole[4:]


async def test_a_decision_comes_between_two_connections(desk):
    started = await desk.background.start(WAITING, principal="ana")
    staying = asyncio.create_task(told(desk, started.run, until="end"))
    first = await told(desk, started.run)
    assert first[-1][1].outcome.status == "awaiting_review"
    (approval,) = (await desk.get(started.run)).pending
    await desk.background.answer(approval.id, Approve(), principal="li")
    rest = await told(desk, started.run, after=first[-1][0])
    whole = await staying
    # Who stays to the end is not told twice that it waits; all else is the same.
    resting = [(id, event) for id, event in first if "." not in id]
    assert resting + rest == whole
    assert rest[-1][1].outcome.status == "answered"


async def test_an_approval_is_told_as_it_was_asked_for(desk):
    started = await desk.background.start(WAITING, principal="ana")
    before = await told(desk, started.run)
    (approval,) = (await desk.get(started.run)).pending
    await desk.background.answer(approval.id, Reject(reason="no"), principal="li")
    after = await told(desk, started.run, until="end")
    assert [e for e in before if e[1].kind == "approval_requested"] == [
        e for e in after if e[1].kind == "approval_requested"
    ]


async def test_what_becomes_clear_after_the_end_is_not_told(desk):
    started = await desk.background.start(QUICK, principal="ana")
    whole = await told(desk, started.run)
    ids = {"run": started.run, "thread": started.thread}
    desk.services.trail.emit("effect.done", why="it was looked up", actor="ledger", **ids)
    await desk.services.trail.flush()
    assert await told(desk, started.run) == whole
    assert await told(desk, started.run, after=whole[-1][0]) == []


async def test_many_listeners_are_told_the_same(desk):
    started = await desk.background.start(WAITING, principal="ana")
    listeners = [asyncio.create_task(told(desk, started.run, until="end")) for _ in range(30)]
    run = await desk.background.wait(started.run)
    await desk.background.answer(run.pending[0].id, Approve(), principal="li")
    first, *others = await asyncio.gather(*listeners)
    assert all(other == first for other in others)


async def test_a_queued_run_rests_until_its_thread_is_free(desk):
    first = await desk.background.start(WAITING, principal="ana", thread="t")
    run = await desk.background.wait(first.run)
    second = await desk.background.start(QUICK, principal="ana", thread="t")
    resting = await told(desk, second.run)
    assert resting[-1][1].outcome.status == "queued"
    await desk.background.answer(run.pending[0].id, Reject(reason="no"), principal="li")
    rest = await told(desk, second.run, after=resting[-1][0])
    assert rest[-1][1].outcome.status == "answered"
    assert not {id for id, _ in rest} & {id for id, _ in resting}


async def test_a_cancelled_run_ends_its_listeners(desk):
    started = await desk.background.start(WAITING, principal="ana")
    listening = asyncio.create_task(told(desk, started.run, until="end"))
    await desk.background.wait(started.run)
    await desk.background.cancel(started.run, principal="ana")
    assert (await listening)[-1][1].outcome.status == "cancelled"


@pytest.mark.parametrize("after", ["x", "-1", "1.2.3", "1.", ".1", "9" * 19, "１", " 1", 7, b"1"])
async def test_nonsense_is_no_place_to_go_on_from(desk, after):
    with pytest.raises(RequestError):
        # The call itself says so, before anything is waited for.
        desk.background.follow("run-0", after=after)


async def test_a_run_that_is_not_there_cannot_be_followed(desk):
    with pytest.raises(UnknownRun):
        await told(desk, "run-0")
    with pytest.raises(UnknownRun):
        await desk.background.wait("run-0")


async def test_an_erased_run_cannot_be_followed_any_more(desk):
    started = await desk.background.start(WAITING, principal="ana")
    await desk.background.wait(started.run)
    following = desk.background.follow(started.run, until="end")
    await anext(following)
    await desk.forget(started.thread, by="ana", why="asked for it", force=True)
    with pytest.raises((UnknownRun, ApprovalUnknown)):
        async for _ in following:
            pass
    with pytest.raises(UnknownRun):
        await told(desk, started.run)


async def test_a_listener_that_leaves_is_forgotten(desk):
    started = await desk.background.start(WAITING, principal="ana")
    following = desk.background.follow(started.run, until="end")
    await anext(following)
    await following.aclose()
    assert desk.background._following._woken == {}


DECIDE = """
import asyncio, sys
import concertmaster as cm

async def main(workspace, home, approval):
    async with cm.open(workspace, home=home) as desk:
        await desk.decide(approval, cm.Approve(), principal="li")

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_run_is_followed_although_another_process_carried_it_on(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        started = await desk.background.start(WAITING, principal="ana")
        whole = await told(desk, started.run)
        (approval,) = (await desk.get(started.run)).pending
    command = [sys.executable, "-c", DECIDE, str(workspace), str(home), approval.id]
    await asyncio.to_thread(subprocess.run, command, check=True, env=os.environ)
    async with cm.open(workspace, home=home) as desk:
        rest = await told(desk, started.run, after=whole[-1][0])
        assert rest[-1][1].outcome.status == "answered"
        assert (await told(desk, started.run))[-len(rest) :] == rest
