"""A critic with a predictor of the workspace: asked a sentence at a time, it may only object."""

import asyncio
import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from concertmaster.agents.critic import judge
from concertmaster.contracts import Citation, Confidentiality, Draft, Label, Sentence
from concertmaster.contracts.model import PredictorSpec
from concertmaster.models.predictor import Predictors, load_predictor
from concertmaster.testing import ScriptedModel

OPEN = "We open at nine in the morning."
SAID = "We open at nine in every morning."
LABEL = {"label": {"enum": ["supported", "unsupported"]}}
SCORE = {"score": {"type": "number", "minimum": 0, "maximum": 1}}
SUPPORTED = {"supported": {"type": "boolean"}}
OBJECTS = {"unsupported": [{"sentence": 1, "why": "too sure", "needs": "hours"}]}


def predictor(made, output=LABEL, *, name="house", **more):
    text = {"type": "string"}
    spec = PredictorSpec(
        name=name,
        serves=("judge",),
        use=f"m:{name}",
        input={"type": "object", "properties": {"answer": text, "evidence": text}},
        output={"type": "object", "properties": output, "required": [next(iter(output))]},
        version="v7",
        **more,
    )
    return load_predictor(spec, None, {spec.use: lambda: made})


@pytest.fixture
def task_with(task_of):
    """Return a maker of a critic's task over a model's draft of the given sentences."""

    def make(*predictors, said=(SAID,), method="model", timeout=2.0, **more):
        cites = (Citation(number=1, document="doc-1", version="v1", title="T", start=0, end=5),)
        sentences = tuple(
            Sentence(text=s, basis="form" if s.endswith("?") else "evidence", citations=cites)
            for s in said
        )
        draft = Draft(text=" ".join(said), sentences=sentences, method=method)
        more = {"model": None, "need": None, **more}
        task = task_of(
            "critic", "When?", evidence=more.pop("evidence", [OPEN]), draft=draft, **more
        )
        services = replace(task.services, predictors=Predictors(predictors))
        step = task.step.model_copy(update={"predictor": "judge", "timeout": timeout})
        return replace(task, step=step, services=services)

    return make


async def verdict_of(task):
    return (await judge(task))["verdict"]


async def test_each_stated_sentence_is_judged_with_what_it_cites(task_with, events):
    seen = []

    def judged(given):
        seen.append(given)
        return {"label": "supported"}

    verdict = await verdict_of(task_with(predictor(judged), said=(SAID, "Anything else?", OPEN)))
    assert verdict.status == "pass"
    assert seen == [
        {"question": "When?", "answer": SAID, "evidence": OPEN},
        {"question": "When?", "answer": OPEN, "evidence": OPEN},
    ]
    called = [e for e in await events() if e.type == "model.called"]
    assert [(e.data["model"], e.data["version"]) for e in called] == [("house", "v7")] * 2
    assert not any(SAID in str(e) or OPEN in str(e) for e in called)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (LABEL, {"label": "unsupported"}),
        (SUPPORTED, {"supported": False}),
        (SCORE, {"score": 0.49}),
        (LABEL | SCORE, {"label": "unsupported", "score": 0.9}),
        (SUPPORTED | SCORE, {"supported": False, "score": 1}),
    ],
    ids=str,
)
async def test_judge_may_object_in_each_form(task_with, output, told):
    verdict = await verdict_of(task_with(predictor(lambda given: told, output)))
    assert verdict.status == "revise"
    (finding,) = verdict.findings
    assert (finding.check, finding.sentence) == ("judge", 0)
    assert finding.why.startswith("house, version v7 tells that its sources do not support it")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (LABEL, {"label": "supported"}),
        (SUPPORTED, {"supported": True}),
        (SCORE, {"score": 0.5}),
        (LABEL | SCORE, {"label": "supported", "score": 0.1}),
    ],
    ids=str,
)
async def test_judge_that_objects_to_nothing_leaves_the_verdict(task_with, output, told):
    assert (await verdict_of(task_with(predictor(lambda given: told, output)))).status == "pass"


async def test_judge_cannot_save_what_the_checks_found(task_with):
    task = task_with(predictor(lambda given: {"label": "supported"}), said=("We open at 7.",))
    assert (await verdict_of(task)).status == "revise"


@pytest.mark.parametrize("method", ["extractive", "template"])
async def test_judge_is_asked_about_drafts_of_models_only(task_with, method):
    task = task_with(predictor(lambda given: {"label": "unsupported"}), said=(OPEN,), method=method)
    assert (await verdict_of(task)).status == "pass"


def fails(given):
    raise RuntimeError(SAID)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (fails, "house failed (RuntimeError)"),
        (lambda given: {"label": "perhaps"}, "house returned what it does not declare"),
        (lambda given: {}, "house returned what it does not declare"),
        (lambda given: None, "house returned NoneType, not a mapping"),
    ],
)
async def test_judge_that_fails_has_no_opinion_and_its_failure_is_told(
    task_with, events, made, why
):
    verdict = await verdict_of(task_with(predictor(made)))
    assert verdict.status == "pass"
    (failed,) = [e for e in await events() if e.type == "model.failed"]
    assert why in failed.why
    assert SAID not in failed.why


async def test_judge_that_fails_at_one_sentence_has_no_opinion_on_any(task_with):
    def once(given):
        if given["answer"] == OPEN:
            raise RuntimeError
        return {"label": "unsupported"}

    assert (await verdict_of(task_with(predictor(once), said=(SAID, OPEN)))).status == "pass"


async def test_model_judges_where_the_predictor_fails(task_with, events):
    model = ScriptedModel(OBJECTS)
    verdict = await verdict_of(task_with(predictor(fails), model=model, need="judge"))
    assert (verdict.status, verdict.findings[0].why) == ("revise", "too sure")
    called = [e.data["model"] for e in await events() if e.type in ("model.failed", "model.called")]
    assert called[0] == "house"
    assert len(called) == 2


async def test_model_is_not_asked_where_the_predictor_judged(task_with):
    model = ScriptedModel(OBJECTS)
    task = task_with(predictor(lambda given: {"label": "supported"}), model=model, need="judge")
    assert (await verdict_of(task)).status == "pass"
    assert model.prompts == ()


async def test_next_judge_is_asked_where_one_fails(task_with):
    second = predictor(lambda given: {"score": 0.1}, SCORE, name="second")
    verdict = await verdict_of(task_with(predictor(fails), second))
    assert verdict.findings[0].why.startswith("second, version v7 tells")


async def test_judge_that_is_not_cleared_for_the_evidence_is_not_asked(
    task_with, passage_of, events
):
    secret = passage_of(1, OPEN).model_copy(
        update={"label": Label(confidentiality=Confidentiality.restricted, sources=("d",))}
    )
    asked = []
    judged = predictor(asked.append, clearance="internal")
    verdict = await verdict_of(task_with(judged, evidence=[secret]))
    assert (verdict.status, asked) == ("pass", [])
    (failed,) = [e for e in await events() if e.type == "model.failed"]
    assert "house is cleared for internal data, not restricted" in failed.why


async def test_judge_that_is_too_slow_has_no_opinion(task_with, events):
    ended = threading.Event()
    slow = predictor(lambda given: ended.wait(30) and {"label": "supported"}, timeout=20)
    try:
        async with asyncio.timeout(20):
            verdict = await verdict_of(task_with(slow, timeout=0.2))
    finally:
        ended.set()
    assert verdict.status == "pass"
    (failed,) = [e for e in await events() if e.type == "model.failed"]
    assert failed.why == "no second opinion: judge took too long for 1 sentences"


async def test_estimator_judges_by_its_columns(task_with):
    """Columns are the declared inputs in their order: the answer, then the evidence."""

    def shared(rows):
        return np.array(
            [[len(set(answer.split()) & set(evidence.split()))] for answer, evidence in rows]
        )

    rows = [["a b c", "a b c"], ["a b c", "x y z"], ["d e f", "d e f"], ["d e f", "g h i"]]
    answers = ["supported", "unsupported", "supported", "unsupported"]
    made = make_pipeline(FunctionTransformer(shared), LogisticRegression()).fit(rows, answers)
    judged = predictor(made, LABEL | {"probability": {"type": "number"}})
    assert (await verdict_of(task_with(judged))).status == "pass"
    assert (await verdict_of(task_with(judged, evidence=["Nine mornings"]))).status != "pass"
