"""Custom steps that ask predictors: checked both ways, bounded in time, told in the trail."""

import time
from dataclasses import replace

import pytest

from concertmaster.agents.custom import run_custom
from concertmaster.contracts.model import PredictorSpec
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.predictor import Predictors, load_predictor

NUMBER = {"type": "number"}


def predictor(name, function, **more):
    spec = PredictorSpec(
        name=name,
        use=f"m:{name}",
        serves=("fraud",),
        input={"type": "object", "properties": {"amount": NUMBER}, "required": ["amount"]},
        output={
            "type": "object",
            "properties": {"score": {"type": "number", "maximum": 1}},
            "required": ["score"],
            "additionalProperties": False,
        },
        version="v1",
        **more,
    )
    return load_predictor(spec, None, {spec.use: lambda: function})


@pytest.fixture
def step_with(task_of):
    """Return a function that makes a step which asks for `fraud`, with these predictors."""

    def make(*predictors, given=None):
        async def ask(state, runtime):
            found = await runtime.predict("fraud", given or {"amount": 120})
            return {"score": found.value["score"], "by": f"{found.predictor} {found.version}"}

        task = task_of("steps:ask", customs={"steps:ask": ask})
        return replace(task, services=replace(task.services, predictors=Predictors(predictors)))

    return make


async def test_step_asks_by_need_and_learns_who_answered(step_with):
    update = await run_custom(step_with(predictor("scores", lambda given: {"score": 0.9})))
    assert update == {"data": {"score": 0.9, "by": "scores v1"}}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda given: {"score": 7},
        lambda given: {"score": float("nan")},
        lambda given: {"score": 0.5, "note": "more"},
        lambda given: [0.5],
        lambda given: 1 / 0,
        lambda given: time.sleep(5),
    ],
)
async def test_next_one_answers_where_one_fails_lies_or_hangs(step_with, wrong):
    first = predictor("first", wrong, timeout=0.3)
    second = predictor("second", lambda given: {"score": 0.1})
    update = await run_custom(step_with(first, second))
    assert update["data"]["by"] == "second v1"


async def test_what_does_not_fit_is_not_given_to_it(step_with):
    asked = []

    def scores(given):
        asked.append(given)
        return {"score": 0.1}

    with pytest.raises(ModelError, match="cannot be given this") as caught:
        await run_custom(step_with(predictor("scores", scores), given={"amount": "DE89 3704"}))
    assert asked == []
    assert "3704" not in str(caught.value)


async def test_need_that_nobody_serves_is_told(step_with):
    with pytest.raises(ModelUnavailable, match="no predictor serves fraud"):
        await run_custom(step_with())


async def test_trail_says_which_one_in_which_version_answered_and_no_values(step_with, events):
    first = predictor("first", lambda given: {"score": 7})
    second = predictor("second", lambda given: {"score": 0.125})
    await run_custom(step_with(first, second, given={"amount": 98765}))
    found = [e for e in await events() if e.type.startswith("model.")]
    assert [(e.type, e.data["model"], e.data["version"]) for e in found] == [
        ("model.failed", "first", "v1"),
        ("model.called", "second", "v1"),
    ]
    assert not any(value in e.model_dump_json() for e in found for value in ("98765", "0.125"))
