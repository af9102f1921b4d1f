"""What is wrong with a declared model, or with what it answers: told in words, or done without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.orchestrator.library import FILES, QUESTION, SOURCE, answering, library

import concertmaster as cm
from concertmaster.errors import ConfigError, NotReady
from concertmaster.graphs.readiness import check
from concertmaster.models import Models, ModelSpec
from concertmaster.testing import (
    Garbage,
    ScriptedModel,
    fault,
    openai_server,
    temporary_workspace,
)

GOOD = f"{SOURCE} [1]"
MONEY = "budgets:\n  - {id: purse, of: money, most: 0.05, at_limit: cheaper}\n"
WORKFLOW = library(
    answering("answer", "Answer.", timeout="20s"), chosen="to: answer", revised="answer"
)


@contextmanager
def desk_with(models: str, budgets: str = "") -> Iterator[Path]:
    files = {**FILES, "workflow.yaml": WORKFLOW + budgets, "models.yaml": models}
    with temporary_workspace(content=files) as folder:
        yield folder


async def asked(folder: Path, home: Path, **given: Any) -> cm.Run:
    async with cm.open(folder, home=home, **given) as desk:
        return await desk.run(QUESTION, principal="ana")


async def asked_of(step: Any, home: Path) -> cm.Run:
    with openai_server(otherwise=step) as server:
        with_odd = f"models: [{{name: odd, use: '{server.url}#m'}}]\n"
        with desk_with(with_odd) as folder:
            return await asked(folder, home)


def told(run: cm.Run, kind: str = "model.failed") -> list[str]:
    return [event.why for event in run.events if event.type == kind]


async def test_price_of_zero_is_a_price(home: Path) -> None:
    with openai_server(otherwise=GOOD) as server:
        free = f"{{name: free, use: '{server.url}#m', price: {{input: 0, output: 0}}}}"
        with desk_with(f"models: [{free}]\n", MONEY) as folder:
            run = await asked(folder, home)
    assert (run.status, run.turn.draft and run.turn.draft.method) == ("answered", "model")
    assert {e.data["cost"] for e in run.events if e.type == "model.called"} == {0.0}


def test_price_below_zero_is_refused_by_check() -> None:
    wrong = "models: [{name: a, use: 'http://127.0.0.1:9/v1#m', price: {input: -1, output: 0}}]\n"
    with desk_with(wrong) as folder:
        (problem,) = [p for p in check(folder) if Path(p.file).name == "models.yaml"]
    assert (problem.severity, problem.line) == ("error", 1)
    assert "price" in problem.message
    assert "0" in problem.message


@pytest.mark.parametrize("model", [None, "gpt-that-nobody-lists"], ids=["missing", "unlisted"])
async def test_model_without_a_price_is_not_asked_where_money_is_bounded(
    home: Path, model: str | None
) -> None:
    chat = ScriptedModel(otherwise=GOOD, model_name=model or "scripted-model")
    spec = ModelSpec(name="dark", provider="program", model=model, tier="best")
    with desk_with("models: []\n", MONEY) as folder:
        run = await asked(folder, home, model=(spec, chat))
    assert (run.status, chat.prompts) == ("answered", ())
    assert run.turn.draft is not None
    assert run.turn.draft.method == "extractive"
    assert "dark has no known price, and money is bounded" in told(run)


@pytest.mark.parametrize(
    ("use", "price", "dark"),
    [
        ("http://10.0.0.7:8000/v1#m", "", True),
        ("openai:gpt-that-nobody-lists", "", True),
        ("openai:gpt-4o-mini", "", False),
        ("http://127.0.0.1:9/v1#m", "", False),
        ("http://127.0.0.1:9/v1#m:1t-cloud", "", True),
        ("http://10.0.0.7:8000/v1#m", ", price: {input: 0, output: 0}", False),
    ],
)
def test_check_warns_of_a_model_that_a_budget_of_money_leaves_out(
    use: str, price: str, dark: bool
) -> None:
    entry = f"models: [{{name: a, use: '{use}'{price}}}]\n"
    with desk_with(entry, MONEY) as folder:
        problems = [p for p in check(folder) if p.code == "no-price"]
    with desk_with(entry) as folder:
        assert [p for p in check(folder) if p.code == "no-price"] == []
    assert len(problems) == dark
    for problem in problems:
        assert problem.severity == "warning"
        assert (
            problem.message == "model 'a' has no known price: budget 'purse' of money leaves it out"
        )
        assert "USD per million tokens" in str(problem.hint)


async def test_model_without_a_price_is_asked_where_money_is_not_and_its_cost_is_not_known(
    home: Path,
) -> None:
    spec = ModelSpec(name="dark", provider="program", model="gpt-that-nobody-lists", tier="best")
    with desk_with("models: []\n") as folder:
        run = await asked(folder, home, model=(spec, ScriptedModel(otherwise=GOOD)))
    assert run.status == "answered"
    assert {e.data["cost"] for e in run.events if e.type == "model.called"} == {None}


async def test_two_models_of_one_name_are_refused_with_their_lines(home: Path) -> None:
    two = "models:\n  - {name: a, use: 'http://h/v1'}\n  - {name: a, use: 'http://i/v1'}\n"
    with desk_with(two) as folder:
        with pytest.raises(NotReady) as caught:
            await asked(folder, home)
        (problem,) = [p for p in check(folder) if p.code == "duplicate"]
    assert "two models 'a' (first in line 2)" in problem.message
    assert (problem.line, problem.hint) == (3, "give one of them another name")
    assert "two models 'a'" in str(caught.value)
    spec = ModelSpec(name="a", provider="program")
    with pytest.raises(ConfigError, match="another name"):
        Models.of([(spec, ScriptedModel("x")), (spec, ScriptedModel("y"))])


async def test_need_that_no_model_meets_is_found_by_check_and_done_without_in_a_run(
    home: Path,
) -> None:
    weak = "models: [{name: weak, use: 'http://127.0.0.1:9/v1#m', clearance: public}]\n"
    with desk_with(weak) as folder:
        problems = [p for p in check(folder) if p.code == "no-model"]
        assert problems
        assert all("weak is cleared for public data, not for" in p.message for p in problems)
        assert {p.hint for p in problems} == {
            "declare a model that fits, or lower what the step needs"
        }
        run = await asked(folder, home, draft=True)
    assert (run.status, run.turn.draft and run.turn.draft.method) == ("answered", "extractive")


async def test_base_url_that_is_no_model_server_is_told_in_the_trail(home: Path) -> None:
    with openai_server(otherwise=GOOD) as server:
        wrong = f"models: [{{name: lost, use: '{server.url.removesuffix('/v1')}/nowhere'}}]\n"
        with desk_with(wrong) as folder:
            run = await asked(folder, home)
    assert run.status == "answered"
    (why, *_) = told(run)
    assert why == (
        "lost does not say which models it serves: it does not know this model or address"
        " (HTTP 404)"
    )


async def test_page_of_a_web_server_is_no_answer(home: Path) -> None:
    page = Garbage("<html><body>It works!</body></html>")
    with openai_server(otherwise=page) as server:
        site = f"models: [{{name: site, use: '{server.url}#m'}}]\n"
        with desk_with(site) as folder:
            run = await asked(folder, home)
    assert run.status == "answered"
    assert "site answered no JSON; is its URL that of a model server?" in told(run)
    assert "It works" not in str(run.events)


@pytest.mark.parametrize("kind", ["wrong_tool", "endless", "flood", "not_json"])
async def test_unusable_answer_is_in_the_trail_and_the_sources_answer(
    home: Path, kind: Any
) -> None:
    run = await asked_of(fault(kind), home)
    assert (run.status, run.turn.draft and run.turn.draft.method) == ("answered", "extractive")
    assert any(why.startswith("odd ") for why in told(run))


@pytest.mark.parametrize("kind", ["wrong_language", "invented", "wrong_shape"])
async def test_answer_in_the_wrong_language_or_shape_does_not_go_out(home: Path, kind: Any) -> None:
    run = await asked_of(fault(kind), home)
    assert run.outcome is not None
    assert run.status == "escalated"
    for written in ("Turm", "9,999", "the kind"):
        assert written not in run.outcome.text
    judged = [e.data["status"] for e in run.events if e.type == "critic.judged"]
    assert judged[-1] == "escalate"
