"""What `make test-local-model` calls a broken promise, and what it does not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import concertmaster as cm
from concertmaster.testing import Call, ScriptedModel, temporary_workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("local_model", ROOT / "scripts/local_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def refunded(trained: Path) -> cm.Run:
    with temporary_workspace("support_desk") as folder:
        async with cm.open(folder) as desk:
            return await desk.run("Please refund 35.50 EUR for order 1058", principal="ana")


def without(run: cm.Run, kind: str) -> cm.Run:
    return replace(run, events=tuple(e for e in run.events if e.type != kind))


def ended(run: cm.Run, **outcome: Any) -> cm.Run:
    status = outcome["status"]
    return replace(run, status=status, outcome=run.outcome.model_copy(update=outcome))


def refused(run: cm.Run) -> cm.Run:
    (event,) = [e for e in run.events if e.type == "effect.done"]
    return replace(run, events=(*run.events, event.model_copy(update={"type": "tool.refused"})))


def sent_back(run: cm.Run) -> cm.Run:
    *events, judged = [e for e in run.events if e.type == "critic.judged"]
    worse = judged.model_copy(update={"data": {**judged.data, "status": "revise"}})
    return replace(run, events=(*without(run, "critic.judged").events, *events, worse))


BROKEN: dict[str, Callable[[cm.Run], cm.Run]] = {
    "ended as running": lambda run: ended(run, status="running"),
    "escalated to nobody": lambda run: ended(run, status="escalated", owner=None),
    "failed without a cause": lambda run: ended(run, status="failed", cause=None),
    "refund_payment took place without a decision": lambda run: without(run, "policy.decided"),
    "refund_payment took place": refused,
    "that nobody judged": lambda run: without(run, "critic.judged"),
    "that the critic did not pass": sent_back,
}


async def test_run_that_kept_its_promises_broke_none(script: ModuleType, refunded: cm.Run) -> None:
    assert refunded.status == "answered"
    assert [e for e in refunded.events if e.type == "effect.done"]
    assert list(script.broken(refunded)) == []


@pytest.mark.parametrize("told", sorted(BROKEN))
async def test_each_broken_promise_is_told(script: ModuleType, refunded: cm.Run, told: str) -> None:
    assert any(told in fault for fault in script.broken(BROKEN[told](refunded)))


def test_file_that_is_not_the_measured_model_is_not_taken(
    script: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / Path(script.INSIDE).name
    file.write_bytes(b"GGUF, but another one")
    with pytest.raises(SystemExit, match="not the model that was measured"):
        script.fetched(tmp_path)


async def test_desk_in_which_a_model_plans_asks_it_for_refunds(
    script: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "weak.gguf").write_bytes(b"GGUF")
    folder = script.workspace(tmp_path, tmp_path / "weak.gguf", 5, planning=True)
    model = ScriptedModel(Call("get_order", {"order_id": 1058}), otherwise="Enough.")
    async with cm.open(folder, home=tmp_path / "home", model=model, draft=True) as desk:
        run = await desk.run("Please refund 35.50 EUR for order 1058", principal="ana")
    assert [action.tool for action in run.turn.actions] == ["get_order"]
    assert list(script.broken(run)) == []
