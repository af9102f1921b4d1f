import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from concertmaster.audit import Trail
from concertmaster.contracts import Action, Confidentiality
from concertmaster.errors import StorageError, ToolError
from concertmaster.storage import Database
from concertmaster.tools import Tool, ToolContext, declare
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.effects import Carrier
from concertmaster.tools.journal import Journal
from concertmaster.tools.ledger import Ledger


class Bank:
    """Books refunds, and can break down before or after a booking."""

    def __init__(self, *, before: Exception | None = None, after: Exception | None = None) -> None:
        self.before, self.after = before, after
        self.booked: dict[str, int] = {}
        self.calls = 0

    def refund(self, order: int, amount: int, ctx: ToolContext) -> dict[str, int]:
        self.calls += 1
        if self.before is not None:
            error, self.before = self.before, None
            raise error
        self.booked[f"{ctx.idempotency_key} {self.calls}"] = amount
        if self.after is not None:
            error, self.after = self.after, None
            raise error
        return {"paid": amount}

    def look_up(self, arguments: Mapping[str, Any], ctx: ToolContext) -> dict[str, int] | None:
        return {"paid": arguments["amount"]} if self.booked else None

    def tool(self, **declaration: Any) -> Tool:
        def refund(order: int, amount: int, ctx: ToolContext) -> dict[str, int]:
            return self.refund(order, amount, ctx)

        return declare(refund, **{"effect": "write", "label": "internal", **declaration})


@pytest.fixture
def carrier(ledger: Ledger, trail: Trail, journal: Journal, tmp_path: Path) -> Carrier:
    return Carrier(ledger, Artifacts(tmp_path / "artifacts"), trail, journal)


async def test_read_runs_without_the_ledger(
    carrier: Carrier, ctx: ToolContext, refund: Action, trail: Trail
) -> None:
    look = declare(lambda: {"rows": [1]}, name="refund", effect="read", label="internal")
    result = await carrier.carry_out(look, refund.model_copy(update={"arguments": {}}), ctx)
    assert (result.status, result.output, result.consequential) == ("done", {"rows": [1]}, False)
    assert result.label.confidentiality is Confidentiality.internal
    assert result.label.sources == ("refund",)
    assert await carrier.ledger.effects("run-1") == []
    await trail.flush()
    assert [e.type for e in await trail.events()] == ["tool.called"]


async def test_large_result_is_referenced(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    rows = [{"id": i} for i in range(30_000)]
    tool = declare(lambda: rows, name="refund", effect="write")
    bare = refund.model_copy(update={"arguments": {}})
    first = await carrier.carry_out(tool, bare, ctx)
    again = await carrier.carry_out(tool, bare, ctx)
    assert first.reference is not None
    assert carrier.artifacts.load(first.reference) == rows
    assert again == first


async def test_effect_takes_place_once_however_often_it_is_asked_for(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    bank = Bank()
    tool = bank.tool()
    results = await asyncio.gather(*(carrier.carry_out(tool, refund, ctx) for _ in range(5)))
    assert {r.status for r in results} == {"done"}
    assert bank.calls == 1


async def test_tool_that_says_it_did_nothing_has_failed(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    bank = Bank(before=ToolError("The account is closed."))
    result = await carrier.carry_out(bank.tool(), refund, ctx)
    assert (result.status, result.message) == ("failed", "The account is closed.")
    assert [e.status for e in await carrier.ledger.effects("run-1")] == ["failed"]


async def test_unexpected_error_leaves_an_effect_in_doubt_and_it_is_not_repeated(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    bank = Bank(after=ConnectionError("reset"))
    tool = bank.tool()
    for _ in range(3):
        result = await carrier.carry_out(tool, refund, ctx, attempts=5)
        assert result.status == "in_doubt"
    assert bank.calls == 1
    (row,) = await carrier.ledger.in_doubt()
    assert "ConnectionError" in row.why


async def test_idempotent_tool_is_repeated_under_one_key(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    bank = Bank(after=ConnectionError("reset"))
    result = await carrier.carry_out(bank.tool(idempotent=True), refund, ctx, attempts=2)
    assert result.status == "done"
    assert len({key.split()[0] for key in bank.booked}) == 1


@pytest.mark.parametrize(
    ("bank", "status"),
    [
        (Bank(after=ConnectionError()), "done"),
        (Bank(before=ConnectionError()), "failed"),
    ],
    ids=["after the booking", "before the booking"],
)
async def test_reconciling_tells_what_happened(
    carrier: Carrier, ctx: ToolContext, refund: Action, bank: Bank, status: str
) -> None:
    tool = bank.tool(reconcile=bank.look_up)
    result = await carrier.carry_out(tool, refund, ctx)
    assert result.status == status
    assert result.output == ({"paid": 500} if status == "done" else None)
    assert await carrier.ledger.in_doubt() == []


async def test_reconciling_that_breaks_down_leaves_the_doubt(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    bank = Bank(after=ConnectionError())

    def broken(arguments: Mapping[str, Any], ctx: ToolContext) -> None:
        raise OSError("the bank does not answer")

    result = await carrier.carry_out(bank.tool(reconcile=broken), refund, ctx)
    assert result.status == "in_doubt"
    (row,) = await carrier.ledger.in_doubt()
    assert "looking it up failed: OSError" in row.why


async def test_call_that_still_runs_is_not_taken_for_one_without_effect(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    release = threading.Event()
    bank = Bank()

    def slow(order: int, amount: int, ctx: ToolContext) -> None:
        release.wait(10)
        bank.refund(order, amount, ctx)

    tool = declare(slow, name="refund", effect="write", timeout=0.05, reconcile=bank.look_up)
    assert (await carrier.carry_out(tool, refund, ctx)).status == "in_doubt"
    assert (await carrier.carry_out(tool, refund, ctx)).status == "in_doubt"
    release.set()
    while not bank.booked:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert (await carrier.carry_out(tool, refund, ctx)).status == "done"
    assert bank.calls == 1


async def test_cancelled_call_is_in_doubt(
    carrier: Carrier, ctx: ToolContext, refund: Action
) -> None:
    began = asyncio.Event()

    async def slow(order: int, amount: int) -> None:
        began.set()
        await asyncio.sleep(30)

    task = asyncio.create_task(
        carrier.carry_out(declare(slow, name="refund", effect="write"), refund, ctx)
    )
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [row.status for row in await carrier.ledger.effects("run-1")] == ["in_doubt"]


async def test_effect_is_recorded_even_if_its_large_result_cannot_be_stored(
    ledger: Ledger, trail: Trail, ctx: ToolContext, refund: Action, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    carrier = Carrier(ledger, Artifacts(tmp_path / "file" / "artifacts"), trail, Journal(trail))
    tool = declare(lambda: ["x" * 100_000], name="refund", effect="write")
    result = await carrier.carry_out(tool, refund.model_copy(update={"arguments": {}}), ctx)
    assert (result.status, result.reference) == ("done", None)
    assert [e.status for e in await ledger.effects("run-1")] == ["done"]


async def test_nothing_runs_when_the_intent_cannot_be_stored(
    carrier: Carrier, ctx: ToolContext, refund: Action, database: Database
) -> None:
    bank = Bank()
    await database.write(lambda c: c.execute("DROP TABLE effects"))
    with pytest.raises(StorageError):
        await carrier.carry_out(bank.tool(), refund, ctx)
    assert bank.calls == 0


PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from concertmaster.audit import MIGRATIONS as AUDIT, Trail
from concertmaster.contracts import Action, Principal
from concertmaster.storage import Database
from concertmaster.tools import ToolContext, declare
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.effects import Carrier
from concertmaster.tools.journal import MIGRATIONS as JOURNAL, Journal
from concertmaster.tools.ledger import MIGRATIONS, Ledger

home, when, idempotent, reconciles = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
bank = home / "bank"

def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

def refund(order: int, amount: int, ctx: ToolContext) -> int:
    if when == "before":
        die()
    with bank.open("a") as out:
        out.write(ctx.idempotency_key + "\\n")
    if when == "after":
        die()
    return amount

def look_up(arguments, ctx):
    return arguments["amount"] if bank.exists() else None

tool = declare(refund, effect="write", idempotent=idempotent == "yes",
               reconcile=look_up if reconciles == "yes" else None)
action = Action(position=0, step="executor", tool="refund", key="refund", why="test",
                arguments={"order": 7, "amount": 500})
ctx = ToolContext(principal=Principal(id="ana"), run="run-1", thread="t-1",
                  idempotency_key="none", data_dir=home)

async def main() -> None:
    database = Database.open(home / "home.db", (*AUDIT, *MIGRATIONS, *JOURNAL))
    trail = Trail(database, "desk")
    carrier = Carrier(Ledger(database, trail), Artifacts(home / "artifacts"), trail, Journal(trail))
    result = await carrier.carry_out(tool, action, ctx)
    print(result.status, result.output)
    database.close()

asyncio.run(main())
"""


def carried_out(home: Path, when: str, idempotent: str, reconciles: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home), when, idempotent, reconciles],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    return ended.returncode, ended.stdout.strip()


@pytest.mark.parametrize(
    ("when", "idempotent", "reconciles", "status", "keys"),
    [
        ("before", "no", "no", "in_doubt None", 0),
        ("after", "no", "no", "in_doubt None", 1),
        ("before", "no", "yes", "done 500", 1),
        ("after", "no", "yes", "done 500", 1),
        ("after", "yes", "no", "done 500", 2),
    ],
)
def test_killed_call_is_settled_by_the_next_process(
    tmp_path: Path, when: str, idempotent: str, reconciles: str, status: str, keys: int
) -> None:
    killed, _ = carried_out(tmp_path, when, idempotent, reconciles)
    assert killed == -signal.SIGKILL
    assert carried_out(tmp_path, "never", idempotent, reconciles) == (0, status)
    bank = tmp_path / "bank"
    booked = bank.read_text().split() if bank.exists() else []
    assert len(booked) == keys
    assert len(set(booked)) <= 1
