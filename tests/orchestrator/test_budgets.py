"""What a run may spend, and how it ends where a budget is used up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import concertmaster as cm
import concertmaster.errors
from concertmaster.contracts.model import PriceSpec
from concertmaster.graphs.readiness import check
from concertmaster.models import ModelSpec
from concertmaster.orchestrator.granting import accounts, grant
from concertmaster.testing import Call, ScriptedModel, temporary_workspace

ORDER = "Please refund 35.50 EUR for order 7"


def budgeted(folder: Path, *lines: str) -> Path:
    file = folder / "workflow.yaml"
    listed = "\n".join(f"  - {line}" for line in lines)
    file.write_text(f"{file.read_text()}\nbudgets:\n{listed}\n")
    return folder


def planned(folder: Path, *lines: str) -> Path:
    """Have a model plan instead of the playbook."""
    file = folder / "workflow.yaml"
    text = file.read_text().replace("    playbook: refund\n", "")
    file.write_text(text.replace("model: {need: plan}", "model: {need: plan, prefer: latency}"))
    return budgeted(folder, *lines)


def planner(name: str = "m", cost: float | None = 0.0, **declared: Any) -> Any:
    price = None if cost is None else PriceSpec(input=cost, output=cost)
    spec = ModelSpec(name=name, provider="program", tier="best", price=price, **declared)
    call = Call("get_order", {"order_id": 7})
    return spec, ScriptedModel(call, "Done.", call, "Done.", call, "Done.")


def asked(run: cm.Run) -> list[Any]:
    return [event.data["model"] for event in run.events if event.type == "model.called"]


def reached(run: cm.Run) -> list[str]:
    return [event.why for event in run.events if event.type == "budget.reached"]


async def test_each_principal_has_an_account_that_survives_the_process(
    workspace: Path, home: Path
) -> None:
    planned(workspace, "{id: day, of: model_calls, most: 2, per: principal}")
    async with cm.open(workspace, home=home, model=planner()) as desk:
        first = await desk.run(ORDER, principal="ana")
    async with cm.open(workspace, home=home, model=planner()) as desk:
        second = await desk.run(ORDER, principal="ana")
        other = await desk.run("Please refund order 13", principal="ben")
    assert asked(first) == asked(other) == ["m", "m"]
    assert asked(second) == []
    assert second.status == "refused"
    assert reached(second) == ["the budget day of 2 model calls per principal a day is used up"]


async def test_run_at_a_limit_that_stops_is_refused_with_the_reason(
    workspace: Path, home: Path
) -> None:
    planned(workspace, "{id: few, of: tokens, most: 100}")
    model = planner()
    async with cm.open(workspace, home=home, model=model) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "refused"
    assert run.outcome is not None
    assert any("the budget few of 100 tokens per run" in e.why for e in run.events)
    assert model[1].prompts == ()


async def test_run_at_a_limit_that_asks_goes_to_the_owner_of_the_budget(
    workspace: Path, home: Path
) -> None:
    file = workspace / "workflow.yaml"
    file.write_text(
        file.read_text().replace(
            "owners: {", "owners: {treasury: {role: finance, contact: t@shop.example}, "
        )
    )
    planned(workspace, "{id: few, of: tokens, most: 100, at_limit: ask, owner: treasury}")
    async with cm.open(workspace, home=home, model=planner()) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "escalated"
    assert run.outcome is not None
    assert run.outcome.owner == "treasury"


async def test_cheaper_model_is_asked_when_the_rest_does_not_pay_for_the_chosen_one(
    workspace: Path, home: Path
) -> None:
    planned(workspace, "{id: purse, of: money, most: 0.05, at_limit: cheaper}")
    models = [planner("dear", 500.0, latency=0.1), planner("cheap", 1.0, latency=9.0)]
    async with cm.open(workspace, home=home, model=models) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert asked(run) == ["cheap", "cheap"]
    assert "leaves 0.0500 USD" in reached(run)[0]
    assert models[0][1].prompts == ()


async def test_model_of_unknown_price_is_not_asked_where_money_is_bounded(
    workspace: Path, home: Path
) -> None:
    planned(workspace, "{id: purse, of: money, most: 5, at_limit: without_model}")
    model = planner(cost=None)
    async with cm.open(workspace, home=home, model=model) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "escalated"
    assert model[1].prompts == ()
    assert any("no known price" in e.why for e in run.events if e.type == "model.failed")


async def test_call_beyond_the_budget_has_no_effect_and_ends_the_run(
    workspace: Path, home: Path, refunds: Any
) -> None:
    budgeted(workspace, "{id: calls, of: tool_calls, most: 1}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "refused"
    assert [r.status for r in run.turn.results.values()] == ["done", "denied"]
    assert refunds() == []
    assert reached(run) == ["the budget calls of 1 tool calls per run is used up"]


async def test_visits_of_steps_are_counted(workspace: Path, home: Path) -> None:
    budgeted(workspace, "{id: visits, of: steps, most: 2}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "refused"
    assert reached(run) == ["the budget visits of 2 steps per run is used up"]


async def test_seconds_in_tools_are_counted(workspace: Path, home: Path) -> None:
    budgeted(workspace, "{id: time, of: seconds, most: 0.000001}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(ORDER, principal="ana")
    assert run.status == "refused"
    assert [r.status for r in run.turn.results.values()] == ["done", "denied"]


async def test_without_budgets_nothing_is_kept_of_what_was_spent(
    workspace: Path, home: Path
) -> None:
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(ORDER, principal="ana")
        rows = await desk.services.trail.database.read(
            lambda c: c.execute("SELECT count(*) FROM spent").fetchone()[0]
        )
    assert run.status == "answered"
    assert rows == 0


async def test_desk_answers_from_its_documents_where_a_budget_leaves_no_model() -> None:
    price = PriceSpec(input=0, output=0)
    spec = ModelSpec(name="m", provider="program", tier="best", price=price)
    model = ScriptedModel(otherwise="You have 30 days from delivery to return something. [1]")
    with temporary_workspace("support_desk") as folder:
        budgeted(folder, "{id: few, of: tokens, most: 50, at_limit: without_model}")
        async with cm.open(folder, model=(spec, model)) as desk:
            run = await desk.run("How long do I have to return a lamp?", principal="ana")
    assert run.status == "answered"
    assert model.prompts == ()
    assert "the budget few of 50 tokens per run leaves" in reached(run)[0]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["{id: a, of: tokens, most: 5, at_limit: ask, owner: nobody}"],
            "there is no owner 'nobody'",
        ),
        (["{id: a, of: tokens, most: -5}"], "most"),
        (["{id: a, of: hops, most: 5}"], "of"),
        (["{id: a, of: tokens, most: 5}", "{id: a, of: money, most: 5}"], "two budgets 'a'"),
    ],
)
def test_budget_that_cannot_be_kept_is_found_before_anything_runs(
    workspace: Path, lines: list[str], told: str
) -> None:
    budgeted(workspace, *lines)
    assert any(told in p.message and p.severity == "error" for p in check(workspace))


GRANTED = "{id: day, of: model_calls, most: 2, per: principal, at_limit: ask, owner: ops}"


def with_people(folder: Path) -> Path:
    file = folder / "principals.yaml"
    file.write_text(file.read_text() + "  - {id: olga, roles: [ops]}\n")
    return folder


async def test_owner_grants_more_and_the_trail_tells_why(workspace: Path, home: Path) -> None:
    planned(with_people(workspace), GRANTED)
    async with cm.open(workspace, home=home, model=planner()) as desk:
        await desk.run(ORDER, principal="ana")
        stopped = await desk.run(ORDER, principal="ana")
        account = await grant(
            desk, "day", 2, to="ana", principal="olga", reason="a long case, call +49 30 901820"
        )
        again = await desk.run(ORDER, principal="ana")
        told = await desk.services.trail.events(types=["budget.granted"])
    assert stopped.status == "escalated"
    assert account.left == 2
    assert asked(again) == ["m", "m"]
    (event,) = told
    assert (event.actor, event.on_behalf_of) == ("olga", "ana")
    assert "a long case" in event.why


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        (
            {"principal": "ana"},
            concertmaster.errors.ApprovalForbidden,
            "somebody else with the role ops",
        ),
        (
            {"principal": "li"},
            concertmaster.errors.ApprovalForbidden,
            "somebody else with the role ops",
        ),
        (
            {"principal": "olga", "to": "olga"},
            concertmaster.errors.ApprovalForbidden,
            "somebody else with the role ops",
        ),
        ({"amount": float("nan")}, concertmaster.errors.RequestError, "above 0"),
        ({"amount": -5}, concertmaster.errors.RequestError, "above 0"),
        ({"reason": " "}, concertmaster.errors.RequestError, "with a reason"),
        ({"budget": "night"}, concertmaster.errors.ConfigError, "there is no budget 'night'"),
        ({"to": "nobody"}, concertmaster.errors.UnknownPrincipal, "nobody"),
    ],
)
async def test_nobody_grants_what_is_not_theirs_to_grant(
    workspace: Path, home: Path, wrong: dict[str, Any], error: type[Exception], told: str
) -> None:
    planned(with_people(workspace), GRANTED)
    given: dict[str, Any] = {
        "budget": "day",
        "amount": 1,
        "to": "ana",
        "principal": "olga",
        "reason": "why not",
        **wrong,
    }
    async with cm.open(workspace, home=home) as desk:
        with pytest.raises(error, match=told):
            await grant(desk, given.pop("budget"), given.pop("amount"), **given)
        (account,) = await accounts(desk, "ana")
    assert account.left == 2


async def test_accounts_of_a_forgotten_thread_go_with_it(workspace: Path, home: Path) -> None:
    budgeted(
        with_people(workspace),
        "{id: run, of: tool_calls, most: 9}",
        "{id: thread, of: tool_calls, most: 9, per: thread}",
        "{id: day, of: tool_calls, most: 9, per: principal}",
    )
    async with cm.open(workspace, home=home) as desk:
        await desk.run(ORDER, principal="ana", thread="t-1")
        await desk.forget("t-1", by="olga", why="asked to")
        left = await desk.database.read(
            lambda c: [row[0] for row in c.execute("SELECT account FROM spent")]
        )
    assert left == ["principal:ana"]
