import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from concertmaster.audit import Trail
from concertmaster.contracts import Action, Confidentiality, Label, Trust
from concertmaster.storage import Database
from concertmaster.tools import Tool, ToolContext, declare
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.effects import Carrier
from concertmaster.tools.journal import Journal, Note, entry_of
from concertmaster.tools.ledger import Ledger


def action(position: int, tool: str = "look", **arguments: Any) -> Action:
    return Action(
        position=position, step="executor", tool=tool, arguments=arguments, key="k", why="test"
    )


def entry(position: int, tool: str = "look", *, run: str = "run-1", **known: Any) -> Any:
    return entry_of(action(position, tool), run, "t-1", known.pop("status", "done"), **known)


@pytest.fixture
def carrier(ledger: Ledger, trail: Trail, journal: Journal, tmp_path: Path) -> Carrier:
    return Carrier(ledger, Artifacts(tmp_path / "artifacts"), trail, journal)


def write(name: str = "write") -> Tool:
    return declare(lambda: "written", name=name, effect="write", label="internal")


async def test_what_was_added_counts_at_once_and_after_it_was_stored(
    journal: Journal, trail: Trail
) -> None:
    journal.add(entry(0, output={"id": 7}))
    journal.add(entry(1, "pay", status="refused"))
    waiting = await journal.read("run-1", "t-1")
    trail.emit("tool.called", why="test", actor="test")
    await trail.flush()
    assert not journal.waiting
    stored = await journal.read("run-1", "t-1")
    for chronicle in (waiting, stored):
        history = chronicle.history(9, "")
        assert history.run == history.thread
        assert (history.run.done, history.run.calls, history.run.refused) == ({"look"}, 1, 1)
        assert [m.output for m in chronicle.outputs(9, "")] == ['{"id": 7}']


async def test_rows_are_stored_only_with_the_transaction_that_succeeds(
    journal: Journal, trail: Trail, database: Database
) -> None:
    journal.add(entry(0))

    def fails(connection: Any) -> None:
        trail.store(connection)
        raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError):
        await database.write(fails)
    assert journal.waiting
    await database.write(lambda connection: trail.store(connection) and None)
    assert not journal.waiting
    assert (await journal.read("run-1", "t-1")).history(9, "").run.calls == 1


async def test_rows_are_stored_once_by_writes_that_share_a_transaction(
    journal: Journal, trail: Trail, database: Database
) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        begun.set()
        go_on.wait()

    holding = asyncio.create_task(database.write(hold))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    journal.add(entry(0))
    journal.add(entry(1, "pay", status="refused"))
    others = asyncio.gather(*(database.write(trail.store) for _ in range(3)))
    await asyncio.sleep(0)
    go_on.set()
    await holding
    await others
    assert not journal.waiting
    history = (await journal.read("run-1", "t-1")).history(9, "")
    assert (history.run.calls, history.run.refused) == (1, 1)


async def test_other_runs_count_for_the_thread_and_other_threads_do_not(journal: Journal) -> None:
    journal.add(entry(0, run="run-0"))
    journal.add(entry(0))
    journal.add(entry_of(action(0), "run-9", "t-9", "done"))
    history = (await journal.read("run-1", "t-1")).history(9, "")
    assert (history.run.calls, history.thread.calls) == (1, 2)


async def test_effects_of_every_outcome_are_counted_from_the_ledger(
    journal: Journal, ledger: Ledger
) -> None:
    for position, run in enumerate(("run-0", "run-0", "run-1")):
        await ledger.begin(run, position, f"call-{position}", "pay", False, thread="t-1")
    await ledger.finish("run-0", 0, "paid")
    await ledger.fail("run-0", 1, "no funds")
    history = (await journal.read("run-1", "t-1")).history(9, "")
    assert (history.run.consequential, history.thread.consequential) == (1, 3)
    assert (history.run.done, history.thread.done) == (frozenset(), {"pay"})


async def test_call_does_not_count_for_itself_nor_what_followed_it(
    carrier: Carrier, journal: Journal, ctx: ToolContext
) -> None:
    journal.add(entry(0))
    first, second = action(1, "write"), action(2, "other")
    await carrier.carry_out(write(), first, ctx)
    await asyncio.sleep(0.005)
    await carrier.carry_out(write("other"), second, ctx)
    chronicle = await journal.read("run-1", "t-1")
    again = chronicle.history(1, first.call_digest())
    assert (again.run.done, again.run.consequential) == ({"look"}, 0)
    assert chronicle.history(2, second.call_digest()).run.done == {"look", "write"}
    assert chronicle.history(3, "").run.done == {"look", "write", "other"}
    another = chronicle.history(1, action(1, "write", amount=2).call_digest())
    assert another.run.done == {"look", "other"}


async def test_read_that_is_repeated_counts_once_and_keeps_its_time(
    journal: Journal, trail: Trail
) -> None:
    first = entry(0, output="old").model_copy(update={"at": "2026-01-01T00:00:00.000+00:00"})
    journal.add(first)
    trail.emit("tool.called", why="test", actor="test")
    await trail.flush()
    journal.add(entry(0, output="new"))
    chronicle = await journal.read("run-1", "t-1")
    (made,) = chronicle.outputs(9, "")
    assert (made.at, made.output) == (first.at, '"new"')
    assert chronicle.history(9, "").run.calls == 1


async def test_labels_of_all_runs_are_joined_upwards(journal: Journal, trail: Trail) -> None:
    secret = Label(trust=Trust.trusted, confidentiality=Confidentiality.restricted)
    journal.add(entry(0, run="run-0", label=secret))
    journal.add(entry(0, run="run-0", label=Label(trust=Trust.untrusted)))
    trail.emit("tool.called", why="test", actor="test")
    await trail.flush()
    (label,) = (await journal.read("run-1", "t-1")).labels(0, "")
    assert (label.trust, label.confidentiality) == (
        Trust.untrusted,
        Confidentiality.restricted,
    )


async def test_outputs_of_old_runs_are_dropped_and_their_calls_still_count(
    journal: Journal, trail: Trail
) -> None:
    for number in range(30):
        journal.add(entry(0, run=f"run-{number}", output={"number": number}))
        trail.emit("tool.called", why="test", actor="test")
        await trail.flush()
    chronicle = await journal.read("run-x", "t-1")
    outputs = [m.output for m in chronicle.outputs(0, "")]
    assert len(outputs) == 20
    assert (outputs[0], outputs[-1]) == ('{"number": 29}', '{"number": 10}')
    assert chronicle.history(0, "").thread.calls == 30


async def test_first_note_of_a_run_stays(journal: Journal, trail: Trail) -> None:
    note = Note(run="run-1", thread="t-1", intent="ask", passages=(("a", "1", 0, 9),))
    for intent in (note, Note(run="run-1", thread="t-1", intent="refund", offered=True)):
        journal.note(intent)
        trail.emit("tool.called", why="test", actor="test")
        await trail.flush()
    chronicle = await journal.read("run-1", "t-1")
    assert chronicle.note == note
    assert (await journal.read("run-2", "t-1")).note_before == note


async def test_read_is_stored_before_the_effect_that_follows_it(
    carrier: Carrier, journal: Journal, ctx: ToolContext, tmp_path: Path, database: Database
) -> None:
    look = declare(lambda: {"rows": [1]}, name="look", effect="read", label="internal")
    await carrier.carry_out(look, action(0), ctx)
    assert journal.waiting
    seen: list[int] = []

    def tool() -> str:
        import sqlite3

        other = sqlite3.connect(database.path)
        seen.append(other.execute("SELECT count(*) FROM journal").fetchone()[0])
        other.close()
        return "written"

    await carrier.carry_out(declare(tool, name="write", effect="write"), action(1, "write"), ctx)
    assert seen == [1]


async def test_withheld_fields_are_in_neither_store_nor_replay(
    carrier: Carrier, ctx: ToolContext, trail: Trail
) -> None:
    tool = declare(lambda: {"iban": "DE89", "n": 1}, name="pay", effect="write", label="internal")
    first = await carrier.carry_out(tool, action(0, "pay"), ctx, withhold=["iban"])
    replay = await carrier.carry_out(tool, action(0, "pay"), ctx)
    assert first.output == replay.output == {"iban": "[redacted]", "n": 1}
    await trail.flush()
    assert [e.type for e in await trail.events(types=["value.redacted"])] == ["value.redacted"]


async def test_what_was_stored_before_the_duty_is_withheld_from_a_replay(
    carrier: Carrier, ctx: ToolContext
) -> None:
    tool = declare(lambda: {"iban": "DE89"}, name="pay", effect="write", label="internal")
    await carrier.carry_out(tool, action(0, "pay"), ctx)
    replay = await carrier.carry_out(tool, action(0, "pay"), ctx, withhold=["IBAN"])
    assert replay.output == {"iban": "[redacted]"}
