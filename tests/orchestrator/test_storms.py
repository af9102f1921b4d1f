"""The support desk in storms: models that fail in every way, and each run ends as promised.

A storm is seeded, so one that broke something breaks it again; which run meets which fault depends
on nothing but what is asked.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import langchain_openai  # noqa: F401 - imported first, as it takes longer than a step has
import pytest
import yaml

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.contracts import FINAL
from concertmaster.orchestrator.auditing import places_of
from concertmaster.storage import Database
from concertmaster.testing import (
    FAULTS,
    AutoReviewer,
    Call,
    Say,
    Storm,
    openai_server,
    temporary_home,
    temporary_workspace,
)

LI = cm.Principal(id="li", roles=("staff", "finance"))
SMALL = "Please refund 35.50 EUR for order 1058"
LARGE = "Please refund 89 EUR for order 1042"
SECRET = "9,999.00"
MODEL_CALLS = 12
STEP = 3.0
ASKED = (
    "How long do I have to return a lamp?",
    SMALL,
    LARGE,
    "blue zebra accordion tuesday?",
    "How do I get my points?",
)


def healthy(messages: list[dict[str, Any]]) -> Any:
    """Answer as a model does that works, whatever it is asked."""
    system, last = str(messages[0]["content"]), messages[-1]
    whole = " ".join(str(m.get("content")) for m in messages)
    if system.startswith("Classify"):
        return {"intent": "out_of_scope"}
    if "supports" in system or "Check an answer" in system:
        return {"unsupported": []}
    if "executor" not in system.split(".")[0]:
        if "refund_payment" in whole or "amount_cents" in whole:
            large = "1042" in whole
            return (
                f"Refunded {'89.00' if large else '35.50'} EUR for order {1042 if large else 1058}."
            )
        return "You have 30 days from delivery to return something, without giving a reason. [1]"
    if last["role"] == "tool":
        done = sum(m["role"] == "tool" for m in messages)
        return Say("That is all.") if done > 1 else _refund(whole)
    order = 1042 if "1042" in whole else 1058
    return Call("get_order", {"order_id": order})


def _refund(whole: str) -> Call:
    large = "order 1042" in whole
    order, cents = (1042, 8900) if large else (1058, 3550)
    return Call("refund_payment", {"order_id": order, "amount_cents": cents})


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """Yield a home with what does not depend on models: the index, the trained classifier."""
    with temporary_workspace("support_desk") as folder, temporary_home() as home:
        _prepare(folder)
        with cm.open_sync(folder, home=home):
            pass
        yield home


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """Return a copy of the prepared home."""
    return Path(shutil.copytree(prepared, tmp_path / "home"))


@contextmanager
def storm(seed: int, *shares: float, faults: Any = FAULTS) -> Iterator[tuple[Path, list[Storm]]]:
    """Make a support desk whose refunds a model plans, with as many models as there are shares."""
    with ExitStack() as open_:
        folder = open_.enter_context(temporary_workspace("support_desk"))
        declared, storms = [], []
        for n, share in enumerate(shares):
            weather = Storm(
                healthy, seed=seed * 10 + n, share=share, faults=faults, hang=20, latency=0.05
            )
            server = open_.enter_context(openai_server(otherwise=weather))
            storms.append(weather)
            declared.append(
                {
                    "name": f"model-{n}",
                    "use": f"{server.url}#m",
                    "tier": "best",
                    "timeout": 0.5,
                    "price": {"input": n + 1.0, "output": n + 1.0},
                    "rate": {"parallel": 2, "requests_per_minute": 600},
                }
            )
        (folder / "models.yaml").write_text(yaml.safe_dump({"models": declared}))
        _prepare(folder)
        yield folder, storms


def _prepare(folder: Path) -> None:
    file = folder / "intents.yaml"
    file.write_text(file.read_text().replace("    playbook: refund\n", "    acts: true\n", 1))
    file = folder / "workflow.yaml"
    workflow = yaml.safe_load(file.read_text())
    for step in workflow["steps"]:
        step["timeout"], step["retry"] = f"{STEP:g}s", {"attempts": 1}
        if step["id"] == "critic":
            step["model"] = {"need": "judge"}
    workflow["budgets"] = [
        {"id": "calls", "of": "model_calls", "most": MODEL_CALLS, "at_limit": "without_model"},
        {"id": "money", "of": "money", "most": 0.5, "at_limit": "cheaper"},
    ]
    file.write_text(yaml.safe_dump(workflow, sort_keys=False))


async def asked(desk: cm.Desk, text: str, thread: str) -> tuple[cm.Run, float]:
    """Return a run at rest; no exception but those of a test may come out of it."""
    began = time.monotonic()
    async with asyncio.timeout(120):
        run = await desk.run(text, principal="ana", thread=thread)
        took = time.monotonic() - began
        if run.pending:
            run = await AutoReviewer(LI).decide_all(desk, run)
    return run, took


def check_promise(run: cm.Run) -> None:
    """Every run ended, with what the promise says that it has."""
    outcome = run.outcome
    assert outcome is not None
    assert run.status in {"answered", "escalated", "refused", "failed"} <= FINAL, outcome
    assert outcome.text
    assert run.status != "failed" or outcome.cause
    assert run.status != "refused" or outcome.cause
    assert run.status != "escalated" or (outcome.owner and outcome.cause)
    # What a model invented did not go out, whatever else did.
    assert SECRET not in outcome.text
    called = [e for e in run.events if e.type == "model.called"]
    assert len(called) <= MODEL_CALLS
    assert run.turn.usage.cost <= 0.5
    for failed in (e for e in run.events if e.type == "model.failed"):
        assert failed.why
    assert not any("unexpected" in e.why for e in run.events if e.type == "step.failed")


def check_time(run: cm.Run, took: float) -> None:
    """A run takes no longer than the steps that it visited may take; twice that on a busy host."""
    assert took < 2 * STEP * (1 + len(run.turn.hops)) + 10


def check_effects(home: Path, runs: list[cm.Run]) -> None:
    """Every effect in the trail stands in the books once, and nothing else does."""
    done = [e for run in runs for e in run.events if e.type == "effect.done"]
    calls = Counter((e.run, e.data.get("position")) for e in done)
    assert set(calls.values()) <= {1}
    with sqlite3.connect(next((home / "data").glob("*.sqlite3"))) as books:
        made = books.execute(
            "SELECT order_id, amount_cents FROM refunds WHERE order_id IN (1042, 1058)"
            " AND (order_id, amount_cents) IN ((1042, 8900), (1058, 3550))"
        ).fetchall()
    books.close()
    refunds = [
        r
        for run in runs
        for r in run.turn.results.values()
        if r.tool == "refund_payment" and r.status == "done"
    ]
    assert len(made) == len(refunds) == len(done)
    per_run = Counter(run.id for run in runs for r in run.turn.results.values() if r in refunds)
    assert set(per_run.values()) <= {1}


async def check_trail(home: Path) -> None:
    database = Database.open(home / "concertmaster.sqlite3", read_only=True)
    try:
        for stream in await check_home(database, places_of(home).read):
            assert stream.whole, stream
    finally:
        database.close()


@pytest.mark.parametrize(
    ("seed", "shares"),
    [
        (1, (1.0,)),
        (2, (0.6, 0.6)),
        (3, (1.0, 0.3)),
        (4, (0.5, 1.0, 0.2)),
        (5, (0.0,)),
        (12, (0.5, 0.5)),
        (22, (0.7, 0.3)),
        (14, (0.4, 0.4, 0.4)),
    ],
)
async def test_every_run_ends_as_promised(home: Path, seed: int, shares: tuple[float, ...]) -> None:
    with storm(seed, *shares) as (folder, storms):
        async with cm.open(folder, home=home) as desk:
            ended = [
                await asked(desk, text, f"t-{n}") for n, text in enumerate([*ASKED, *ASKED[:2]])
            ]
        runs = [run for run, _ in ended]
        for run, took in ended:
            check_promise(run)
            check_time(run, took)
        check_effects(home, runs)
        await check_trail(home)
        met = sum(sum(one.met.values()) for one in storms)
        assert bool(met) == any(shares)
        if not met:
            assert [r.status for r in runs[:3]] == ["answered"] * 3
            assert sum(e.type == "effect.done" for r in runs[1:3] for e in r.events) == 2


async def test_runs_at_the_same_time_share_what_is_known_of_the_models(home: Path) -> None:
    with storm(6, 0.7, 0.4) as (folder, _):
        async with cm.open(folder, home=home) as desk:
            ended = await asyncio.gather(
                *(asked(desk, text, f"t-{n}") for n, text in enumerate(ASKED * 2))
            )
        runs = [run for run, _ in ended]
        for run in runs:
            check_promise(run)
        check_effects(home, runs)
        await check_trail(home)


@pytest.mark.parametrize("kind", ["doubled_ids", "wrong_tool", "wrong_arguments"])
async def test_spoiled_calls_move_no_money_twice(home: Path, kind: Any) -> None:
    with storm(7, 0.5, faults=(kind,)) as (folder, _):
        async with cm.open(folder, home=home) as desk:
            runs = [(await asked(desk, SMALL, f"t-{n}"))[0] for n in range(2)]
        for run in runs:
            check_promise(run)
        check_effects(home, runs)
