"""A model fails, and the next one, the step's fallback or a person does what it did not."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import langchain_openai  # noqa: F401 - imported first, as it takes longer than a step has
import pytest

import concertmaster as cm
from concertmaster.contracts.model import RateSpec
from concertmaster.models import ModelSpec
from concertmaster.testing import (
    FAULTS,
    Call,
    Hang,
    OpenAIServer,
    ScriptedModel,
    Wait,
    fault,
    openai_server,
)

ASK = "please pay back what I overpaid on order 1042"
REFUND = Call("refund", {"order_id": 1042, "amount_cents": 2000})


@pytest.fixture
def planning(workspace: Path) -> Path:
    """Let a model plan what the playbook planned."""
    path = workspace / "workflow.yaml"
    text = path.read_text().replace("    playbook: refund\n", "", 1)
    path.write_text(text.replace("timeout: 10s", "timeout: 3s", 1))
    return workspace


def served(server: OpenAIServer, **declared: Any) -> ModelSpec:
    given = {"timeout": 1.0, "attempts": 1, **declared}
    return ModelSpec(
        name="ill", provider="url", base_url=server.url, model="m", tier="best", **given
    )


def well(*steps: Any) -> tuple[ModelSpec, ScriptedModel]:
    spec = ModelSpec(name="well", provider="program", tier="best", latency=60)
    return spec, ScriptedModel(*steps, otherwise="Done.")


def events(run: cm.Run, kind: str) -> list[Any]:
    return [event for event in run.events if event.type == kind]


SPEAKING = {"wrong_tool", "wrong_shape", "wrong_language", "invented", "doubled_ids", "slow"}
"""Faults that are answers, which the gate and the critic judge, and a slow one that arrives."""


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - SPEAKING - {"hang"}))
async def test_next_model_plans_where_the_first_fails(
    planning: Path, home: Path, refunds: Any, kind: Any
) -> None:
    with openai_server(otherwise=fault(kind)) as server:
        model = [served(server, latency=0.1), well(REFUND)]
        async with cm.open(planning, home=home, model=model) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
    first = events(run, "model.failed")[0]
    assert first.data["model"] == "ill"
    assert first.data["kind"] is not None


@pytest.mark.parametrize("kind", ["endless", "flood", "bomb"])
async def test_reply_of_ten_megabytes_is_in_the_trail_and_asked_for_once(
    planning: Path, home: Path, refunds: Any, kind: Any
) -> None:
    with openai_server(otherwise=fault(kind)) as server:
        model = [served(server, latency=0.1, attempts=4), well(REFUND)]
        async with cm.open(planning, home=home, model=model) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
        assert len(server.requests) == len(events(run, "model.failed"))
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
    first = events(run, "model.failed")[0]
    assert (first.data["model"], first.data["kind"]) == ("ill", "too_large")
    assert "more than 4194304 bytes" in first.why


@pytest.mark.parametrize("kind", sorted(SPEAKING))
async def test_whole_answers_that_are_wrong_move_no_money(
    planning: Path, home: Path, refunds: Any, kind: Any
) -> None:
    with openai_server(otherwise=fault(kind, "Nothing to do.")) as server:
        async with cm.open(planning, home=home, model=served(server)) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
    assert run.status in ("escalated", "refused")
    assert run.outcome is not None
    assert run.outcome.cause
    assert refunds() == []


async def test_model_that_hangs_leaves_time_for_the_next(
    planning: Path, home: Path, refunds: Any
) -> None:
    with openai_server(otherwise=Hang(30)) as server:
        model = [served(server, timeout=None, latency=0.1), well(REFUND)]
        async with cm.open(planning, home=home, model=model) as desk:
            began = time.monotonic()
            run = await desk.run(ASK, principal="ana", thread="t")
            took = time.monotonic() - began
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
    assert next(e.data["model"] for e in events(run, "model.called")) == "well"
    assert took < 30


async def test_model_at_its_rate_is_passed_over_for_one_that_fits(
    planning: Path, home: Path
) -> None:
    look = Call("get_order", {"order_id": 1042})
    with openai_server(otherwise=look) as server:
        full = served(server, latency=0.1, rate=RateSpec(requests_per_minute=1))
        async with cm.open(planning, home=home, model=[full, well("Done.")]) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
        assert len([r for r in server.requests if r.method == "POST"]) == 1
    assert [e.data["model"] for e in events(run, "model.called")] == ["ill", "well"]
    (failed,) = events(run, "model.failed")
    assert failed.data["kind"] == "limited"
    assert "has reached its limit of 1 requests a minute, free in" in failed.why


async def test_wait_that_is_longer_than_the_step_has_is_not_begun(
    planning: Path, home: Path
) -> None:
    look = Call("get_order", {"order_id": 1042})
    with openai_server(look, otherwise="Done.") as server:
        slow = served(server, rate=RateSpec(requests_per_minute=1))
        async with cm.open(planning, home=home, model=slow) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
    assert run.status == "escalated"
    assert [e.data["kind"] for e in events(run, "model.failed")] == ["limited", "limited"]


async def test_place_is_waited_for_where_no_other_model_fits(planning: Path, home: Path) -> None:
    with openai_server(otherwise=Wait(0.3, "Done.")) as server:
        narrow = served(server, timeout=2.0, rate=RateSpec(parallel=1))
        async with cm.open(planning, home=home, model=narrow) as desk:
            runs = await asyncio.gather(
                *(desk.run(ASK, principal="ana", thread=f"t-{n}") for n in range(2))
            )
    called = [len(events(run, "model.called")) for run in runs]
    failed = [e.data["kind"] for run in runs for e in events(run, "model.failed")]
    assert (called, failed) == ([1, 1], ["limited"])
