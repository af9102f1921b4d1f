"""A step for which no model fits goes straight to its fallback; one whose model rests does not."""

from typing import Any

import pytest

import concertmaster as cm
from concertmaster.contracts import Confidentiality
from concertmaster.graphs import steps
from concertmaster.models import ModelSpec
from concertmaster.testing import Call, ScriptedModel, Status, openai_server

PAY = "refund 20 euros for order 1042"


@pytest.fixture
def tried(monkeypatch) -> list[str]:
    """What an executor was called for, once an attempt."""
    calls: list[str] = []
    inner = steps.AGENTS["executor"]

    async def counted(task: Any) -> Any:
        calls.append(task.step.id)
        return await inner(task)

    monkeypatch.setitem(steps.AGENTS, "executor", counted)
    return calls


def planned_by_a_model(workspace, need: str = "need: plan", fallback: str = "escalate") -> None:
    path = workspace / "workflow.yaml"
    text = path.read_text().replace("    playbook: refund\n", "", 1)
    text = text.replace("model: {need: plan}", f"model: {{{need}}}", 1)
    once, often = "retry: {attempts: 1}", "retry: {attempts: 3, pause: 10ms}"
    text = text.replace(once, often, 1).replace("fallback: escalate", f"fallback: {fallback}", 1)
    path.write_text(text)


def program(**declared: Any) -> tuple[ModelSpec, ScriptedModel]:
    declared = {"clearance": Confidentiality.internal, **declared}
    spec = ModelSpec(name="away", provider="program", tier="best", **declared)
    return spec, ScriptedModel(otherwise=Call("get_order", {"order_id": 1042}))


@pytest.mark.parametrize(
    ("need", "declared", "why"),
    [
        ("need: plan, clearance: restricted", {}, "away is cleared for internal data"),
        ("need: plan, regions: [eu]", {"region": "us"}, "away is in us, not in eu"),
        ("need: plan", {"capabilities": ("chat",)}, "away is not declared for plan"),
        ("need: plan", {"context": 10}, "away holds 10 tokens, fewer than"),
        ("need: plan", None, "no model is configured"),
    ],
    ids=["clearance", "region", "capability", "context", "none"],
)
async def test_step_without_a_fitting_model_is_not_tried_again(
    workspace, home, tried, need, declared, why
):
    planned_by_a_model(workspace, need)
    model = None if declared is None else program(**declared)
    async with cm.open(workspace, home=home, model=model) as desk:
        run = await desk.run(PAY, principal="ana")
    assert (run.status, tried) == ("escalated", ["executor"])
    (failed,) = [e for e in run.events if e.type == "step.failed"]
    assert why in failed.why
    assert failed.why.endswith("not tried again, which could not help")
    assert failed.data["fallback"] == "escalate"
    assert why in run.outcome.cause


async def test_declared_step_takes_the_place_of_one_without_a_fitting_model(workspace, home, tried):
    planned_by_a_model(workspace, fallback="other")
    async with cm.open(workspace, home=home, model=program(context=10)) as desk:
        run = await desk.run(PAY, principal="ana")
    assert tried[:2] == ["executor", "other"]
    assert run.turn.outputs()["order"] == {"id": 1042, "total_cents": 12000}


async def test_step_whose_model_failed_is_tried_as_often_as_declared(workspace, home, tried):
    planned_by_a_model(workspace)
    with openai_server(otherwise=Status(400)) as server:
        async with cm.open(workspace, home=home, model=server.url) as desk:
            run = await desk.run(PAY, principal="ana")
    assert tried == ["executor"] * 3
    (failed,) = [e for e in run.events if e.type == "step.failed"]
    assert "not tried again" not in failed.why


async def test_step_whose_model_rests_is_tried_as_often_as_declared(workspace, home, tried):
    planned_by_a_model(workspace)
    with openai_server(otherwise=Status(429, retry_after=120)) as server:
        async with cm.open(workspace, home=home, model=server.url) as desk:
            await desk.run(PAY, principal="ana", thread="first")
            tried.clear()
            run = await desk.run(PAY, principal="ana", thread="second")
    assert (run.status, tried) == ("escalated", ["executor"] * 3)
