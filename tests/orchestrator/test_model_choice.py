"""Which model a desk asks, and what it does when that one fails."""

from __future__ import annotations

from typing import Any

import pytest

import concertmaster as cm
from concertmaster.models import ModelSpec
from concertmaster.testing import ScriptedModel, Status, openai_server, temporary_workspace

ANSWER = "You have 30 days from delivery to return something. [1]"
QUESTION = "How long do I have to return a lamp?"
DEAD = "http://127.0.0.1:9/v1"


def declared(name: str, **more: Any) -> ModelSpec:
    return ModelSpec(name=name, provider="url", base_url=DEAD, model="m", **more)


def events(run: cm.Run, kind: str) -> list[Any]:
    return [event for event in run.events if event.type == kind]


async def test_next_best_model_answers_when_the_first_cannot_be_reached() -> None:
    second = (ModelSpec(name="second", provider="program", tier="best"), ScriptedModel(ANSWER))
    with temporary_workspace("support_desk") as folder:
        async with cm.open(folder, model=[declared("first"), second]) as desk:
            run = await desk.run(QUESTION, principal="ana")
    assert run.outcome is not None
    assert run.outcome.text.startswith("You have 30 days from delivery")
    assert [e.data["model"] for e in events(run, "model.failed")] == ["first"]
    assert [e.data["model"] for e in events(run, "model.chosen")] == ["first", "second"]
    assert [e.data["model"] for e in events(run, "model.called")] == ["second"]


async def test_model_that_keeps_failing_is_left_alone_by_all_threads() -> None:
    with temporary_workspace("support_desk") as folder:
        async with cm.open(folder, model=declared("dead")) as desk:
            runs = [await desk.run(QUESTION, principal="ana", thread=f"t-{n}") for n in range(4)]
    assert all(run.status == "answered" for run in runs)
    failed = [bool(events(run, "model.failed")) for run in runs]
    assert failed == [True, True, True, False]


async def test_models_of_the_workspace_are_asked_and_the_reason_is_in_the_trail() -> None:
    with temporary_workspace("support_desk") as folder, openai_server(ANSWER) as server:
        (folder / "models.yaml").write_text(
            f"models:\n  - {{name: house, use: '{server.url}#small', tier: capable}}\n"
            f"  - {{name: away, use: 'openai:gpt-4o', key: NOT_SET_ANYWHERE, tier: best}}\n"
        )
        async with cm.open(folder) as desk:
            run = await desk.run(QUESTION, principal="ana")
    assert len(server.requests) == 1
    (event,) = events(run, "model.chosen")
    assert "house serves chat" in event.why
    assert "away needs the environment variable NOT_SET_ANYWHERE" in event.why


@pytest.mark.parametrize(("person", "asked"), [("ana", False), ("li", True)])
async def test_rule_decides_for_whom_a_model_may_be_asked(person: str, asked: bool) -> None:
    with temporary_workspace("support_desk") as folder, openai_server(otherwise=ANSWER) as server:
        (folder / "models.yaml").write_text(
            f"models: [{{name: house, use: '{server.url}#small', tier: best}}]\n"
            "rules: [{id: staff, when: \"!('finance' in principal.roles)\", never: [house]}]\n"
        )
        async with cm.open(folder) as desk:
            run = await desk.run(QUESTION, principal=person)
    assert run.status == "answered"
    assert bool(server.requests) is asked


def two_models(folder: Any, first: str, second: str, more: str = "") -> None:
    (folder / "models.yaml").write_text(
        f"models:\n  - {{name: one, use: '{first}#a', tier: capable}}\n"
        f"  - {{name: two, use: '{second}#b', tier: best}}\n{more}"
    )


async def test_model_follows_the_risk_that_the_intent_declares() -> None:
    rule = "rules: [{id: careful, when: \"risk == 'high'\", tier: best}]\n"
    asked = {}
    for risk in ("normal", "high"):
        with temporary_workspace("support_desk") as folder:
            async with openai_server(otherwise=ANSWER) as one, openai_server(ANSWER) as two:
                two_models(folder, one.url, two.url, rule)
                intents = folder / "intents.yaml"
                added = f"needs_evidence: true\n    risk: {risk}\n"
                intents.write_text(intents.read_text().replace("needs_evidence: true\n", added))
                async with cm.open(folder) as desk:
                    run = await desk.run(QUESTION, principal="ana")
                asked[risk] = [e.data["model"] for e in events(run, "model.called")]
    assert asked == {"normal": ["one"], "high": ["two"]}


@pytest.mark.parametrize(("sticky", "second"), [(True, "two"), (False, "one")])
async def test_sticky_step_stays_with_the_model_that_answered_the_thread(
    sticky: bool, second: str
) -> None:
    with temporary_workspace("support_desk") as folder:
        flow = folder / "workflow.yaml"
        need = "{need: chat, tier: capable, clearance: internal"
        flow.write_text(flow.read_text().replace(need, f"{need}, sticky: {str(sticky).lower()}"))
        async with (
            openai_server(Status(400), otherwise=ANSWER) as one,
            openai_server(otherwise=ANSWER) as two,
        ):
            two_models(folder, one.url, two.url)
            async with cm.open(folder) as desk:
                runs = [await desk.run(QUESTION, principal="ana", thread="t-1") for _ in range(2)]
                other = await desk.run(QUESTION, principal="ana", thread="t-2")
    called = [[e.data["model"] for e in events(run, "model.called")] for run in (*runs, other)]
    assert called == [["two"], [second], ["one"]]
    assert ("the thread's own" in events(runs[1], "model.chosen")[0].why) is sticky
