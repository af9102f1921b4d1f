"""Forgetting a thread: nothing of it is left in the home, and the trail still verifies."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.errors import RequestError, ThreadForbidden, UnknownRun
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.remains import keyed

THREAD = "thread-canary-anthracite"
PERSON = "person-canary-vermilion"
SAID = "said-canary-cerulean"
REVIEWED = "reviewed-canary-ochre"
CANARIES = (THREAD, PERSON, SAID, REVIEWED, "cut-canary-umber")

TOOLS = """
from concertmaster.tools import ToolContext, declare

@declare(effect="read", label="internal")
def get_order(order_id: int, ctx: ToolContext) -> dict:
    "Look an order up; the larger ones fill a file."
    who = ctx.principal.id
    what = "cut-canary-umber" if who.startswith("person") else "a lamp"
    more = [f"{who} bought {what} {n}" for n in range(9000 if order_id == 77 else 1)]
    return {"id": order_id, "total_cents": 12000, "customer": who, "lines": more}

@declare(effect="irreversible", label="internal")
def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict:
    "Pay money back."
    return {"order_id": order_id, "amount_cents": amount_cents, "to": ctx.principal.id}
"""
POLICY = """
@id("orders.read") permit (principal, action == Action::"get_order", resource);
@id("refunds") @reason("refunds go to finance") @obligation("review:finance")
permit (principal, action == Action::"refund", resource);
"""


def everything(home: Path) -> bytes:
    """Return all bytes of a home, names of files included."""
    files = [f for f in home.rglob("*") if f.is_file()]
    return b"".join(str(f.relative_to(home)).encode() + f.read_bytes() for f in files)


def left(home: Path) -> list[str]:
    found = everything(home).lower()
    return [c for c in CANARIES if c.encode() in found or c.encode("utf-16-le") in found]


@pytest.fixture
def workspace(workspace: Path) -> Path:
    (workspace / "tools.py").write_text(TOOLS)
    (workspace / "policies" / "refunds.cedar").write_text(POLICY)
    people = (workspace / "principals.yaml").read_text()
    people += f"  - {{id: {PERSON}, roles: [customer]}}\n  - {{id: olga, roles: [ops]}}\n"
    (workspace / "principals.yaml").write_text(people)
    return workspace


async def talk(desk: cm.Desk, order: int = 77) -> cm.Run:
    """Have the person ask for a refund, one that is approved, and return the run."""
    text = f"Refund order {order}, {SAID}"
    run = await desk.run(text, principal=PERSON, thread=THREAD)
    assert run.status == "awaiting_review", run.outcome
    return await desk.decide(run.pending[0].id, cm.Approve(reason=REVIEWED), principal="li")


async def whole(desk: cm.Desk) -> bool:
    places = places_of(desk.home.path)
    checked = await check_home(desk.database, places.read)
    assert checked
    for stream in checked:
        assert not stream.findings, stream
        assert not stream.problems, stream
    return all(stream.whole for stream in checked)


async def test_nothing_of_the_thread_is_left_in_any_byte_of_the_home(desk: cm.Desk, home: Path):
    run = await talk(desk)
    await desk.run("Refund order 8 please", principal="ana", thread="another")
    assert run.status == "answered"
    assert set(left(home)) == set(CANARIES)
    assert list(desk.home.artifacts.glob("??/*.json"))
    forgotten = await desk.forget(THREAD, by="olga", why="ticket 4711")
    assert (forgotten.runs, forgotten.purged) == (1, True)
    assert forgotten.events > 20
    assert forgotten.artifacts == 1
    assert left(home) == []
    assert await whole(desk)
    (told,) = [e for e in await desk.events() if e.type == "audit.erased"]
    assert (told.actor, told.why, told.data["events"]) == ("olga", "ticket 4711", forgotten.events)
    assert (await desk.history("another"))[0].status == "awaiting_review"
    with pytest.raises(UnknownRun):
        await desk.history(THREAD)


async def test_nothing_is_left_after_it_is_closed_either(workspace: Path, home: Path):
    async with cm.open(workspace, home=home) as desk:
        for _ in range(3):
            await talk(desk)
        await desk.forget(THREAD, by=PERSON, why="asked for it")
    assert left(home) == []
    async with cm.open(workspace, home=home) as desk:
        assert await whole(desk)
        run = await desk.run("Refund order 8", principal="ana", thread=THREAD)
        assert run.status == "awaiting_review"  # the id is free again


async def test_effects_keep_what_keeps_them_from_being_made_again(desk: cm.Desk, home: Path):
    run = await talk(desk, order=5)
    (before,) = await desk.services.carrier.ledger.effects(run.id)
    await desk.forget(THREAD, by="olga", why="ticket 4711")
    (after,) = await desk.services.carrier.ledger.effects(run.id)
    assert before.result is not None
    assert (after.result, after.thread, after.on_behalf_of) == (None, None, None)
    same = ("run", "position", "digest", "key", "tool", "status", "attempts", "begun", "settled")
    assert all(getattr(before, n) == getattr(after, n) for n in same)


async def test_every_table_of_a_home_says_whose_its_rows_are(desk: cm.Desk):
    await talk(desk, order=5)
    tables = await desk.database.read(keyed)
    assert [name for name, columns in tables.items() if not columns] == []
    columns = await desk.database.read(
        lambda c: [r["name"] for r in c.execute("PRAGMA table_xinfo(effects)")]
    )
    blanked = {"result", "reference", "why", "thread", "on_behalf_of", "settled_by"}
    kept = {"run", "position", "digest", "tool", "key", "idempotent", "status", "attempts"}
    kept |= {"begun", "settled", "epoch", "worker"}
    assert set(columns) <= blanked | kept


async def test_waiting_thread_is_erased_by_force_only(desk: cm.Desk, home: Path):
    text = f"Refund order 5, {SAID}"
    await desk.run(text, principal=PERSON, thread=THREAD)
    queued = await desk.run(text, principal=PERSON, thread=THREAD)
    assert queued.status == "queued"
    with pytest.raises(RequestError, match=r"awaiting review|queued"):
        await desk.forget(THREAD, by="olga", why="ticket 4711")
    assert len(await desk.history(THREAD)) == 2
    await desk.forget(THREAD, by="olga", why="ticket 4711", force=True)
    assert left(home) == []
    assert await desk.approvals() == []
    assert await whole(desk)


async def test_running_thread_is_not_erased(workspace: Path, home: Path):
    slow = TOOLS.replace("    who =", "    import time; time.sleep(0.5)\n    who =")
    (workspace / "tools.py").write_text(slow)
    async with cm.open(workspace, home=home) as desk:
        text = f"Refund order 5, {SAID}"
        task = asyncio.create_task(desk.run(text, principal=PERSON, thread=THREAD))
        while [r.status for r in await desk.runs.unfinished()] != ["running"]:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        with pytest.raises(RequestError, match="running"):
            await desk.forget(THREAD, by="olga", why="ticket 4711")
        await desk.forget(THREAD, by="olga", why="ticket 4711", force=True)
        assert (await task).status == "cancelled"
        assert left(home) == []
        assert await whole(desk)


@pytest.mark.parametrize("who", ["ben", "li"])
async def test_stranger_may_not_erase(desk: cm.Desk, who: str):
    await talk(desk, order=5)
    with pytest.raises(ThreadForbidden, match="may not erase"):
        await desk.forget(THREAD, by=who, why="ticket 4711")
    assert len(await desk.history(THREAD)) == 1


@pytest.mark.parametrize("why", ["", "  ", f"{PERSON} asked", f"thread {THREAD.upper()} is over"])
async def test_reason_names_nobody(desk: cm.Desk, why: str):
    await talk(desk, order=5)
    with pytest.raises(RequestError, match="reason"):
        await desk.forget(THREAD, by="olga", why=why)


async def test_owner_who_erases_is_not_named(desk: cm.Desk, home: Path):
    await talk(desk, order=5)
    await desk.forget(THREAD, by=PERSON, why="asked for it")
    assert left(home) == []
    (told,) = [e for e in await desk.events() if e.type == "audit.erased"]
    assert told.actor == "the thread's owner"


async def test_unknown_thread_is_told_and_an_erased_one_is_cleared_again(desk: cm.Desk):
    with pytest.raises(UnknownRun):
        await desk.forget("t-none", by="olga", why="ticket")
    await talk(desk, order=5)
    await desk.forget(THREAD, by="olga", why="ticket")
    again = await desk.forget(THREAD, by="olga", why="ticket")
    assert (again.runs, again.events, again.purged) == (0, 0, True)


async def test_result_that_others_hold_stays(desk: cm.Desk, workspace: Path, home: Path):
    same = TOOLS.replace("{who} bought", "somebody bought").replace('"customer": who, ', "")
    (workspace / "tools.py").write_text(same)
    async with cm.open(workspace, home=home.with_name("other")) as desk:
        await desk.run("Refund order 77", principal="ana", thread="one")
        await desk.run("Refund order 77", principal="ana", thread="two")
        (file,) = desk.home.artifacts.glob("??/*.json")
        assert (await desk.forget("one", by="ana", why="w", force=True)).artifacts == 0
        assert file.exists()
        assert (await desk.forget("two", by="ana", why="w", force=True)).artifacts == 1
        assert not file.exists()


async def test_head_is_signed_after_an_erasure(desk: cm.Desk, home: Path):
    await talk(desk, order=5)
    await desk.forget(THREAD, by="olga", why="ticket")
    (checked,) = await check_home(desk.database, places_of(home).read)
    assert checked.signed == checked.events
    assert checked.erased > 20


async def test_erased_thread_leaves_only_headers_in_the_chain(desk: cm.Desk, home: Path):
    await talk(desk, order=5)
    await desk.forget(THREAD, by="olga", why="ticket")
    await desk.database.read(lambda c: c.execute("SELECT 1").fetchall())
    connection = sqlite3.connect(home / "concertmaster.sqlite3")
    rows = connection.execute("SELECT id, type, time FROM audit_links").fetchall()
    connection.close()
    assert all(re.fullmatch(r"evt-[0-9a-f]{16}", id_) for id_, _, _ in rows)
    assert {type_ for _, type_, _ in rows} >= {"concertmaster.effect.done"}
