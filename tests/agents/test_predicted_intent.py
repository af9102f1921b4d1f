"""An intent classifier with a predictor of the workspace: asked first, checked, and told of."""

from dataclasses import replace

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from concertmaster.agents.intent import classify_intent
from concertmaster.contracts import Confidentiality, Label
from concertmaster.contracts.model import PredictorSpec
from concertmaster.models.predictor import Predictors, load_predictor

NAMES = ["refund", "hours", "shipping"]
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def predictor(made, *, labels=(*NAMES, "out_of_scope"), name="house", **more):
    spec = PredictorSpec(
        name=name,
        serves=("intent",),
        use=f"m:{name}",
        input=TEXT,
        output={
            "type": "object",
            "properties": {
                "label": {"enum": list(labels)},
                "probability": {"type": "number", "minimum": 0, "maximum": 1},
            },
            "required": ["label"],
        },
        version="v7",
        **more,
    )
    return load_predictor(spec, None, {spec.use: lambda: made})


@pytest.fixture
def task_with(task_of, classifier):
    def make(*predictors, text="When do you open?", **more):
        task = task_of("intent_classifier", text, classifier=classifier, need=None, **more)
        services = replace(task.services, predictors=Predictors(predictors))
        step = task.step.model_copy(update={"predictor": "intent"})
        return replace(task, step=step, services=services)

    return make


def says(label, **more):
    return lambda given: {"label": label, **more}


async def test_predictor_decides_before_the_linear_model_and_the_trail_says_so(task_with, events):
    task = task_with(predictor(says("shipping", probability=0.75)))
    intent = (await classify_intent(task))["intent"]
    assert (intent.name, intent.method, intent.confidence) == ("shipping", "predictor", 0.75)
    found = {e.type: e for e in await events()}
    assert found["model.called"].data["model"] == "house"
    assert found["intent.classified"].why == "house, version v7 told it"
    assert found["intent.classified"].data["method"] == "predictor"
    assert "When do you open?" not in str([e.data for e in found.values()])


async def test_estimator_of_scikit_learn_reads_the_words(task_with):
    texts = ["when do you open", "opening hours", "where is my parcel", "track my parcel"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=100))
    model.fit(texts, ["hours", "hours", "shipping", "shipping"])
    task = task_with(predictor(model), text="my parcel, please")
    intent = (await classify_intent(task))["intent"]
    assert (intent.name, intent.method) == ("shipping", "predictor")
    assert 0.5 < intent.confidence < 1


async def test_out_of_scope_is_a_verdict_of_one_that_may_give_it(task_with):
    intent = (await classify_intent(task_with(predictor(says("out_of_scope")))))["intent"]
    assert (intent.name, intent.in_scope) == (None, False)


@pytest.mark.parametrize(
    ("labels", "name", "method"),
    [(NAMES, None, "linear"), ((*NAMES, "out_of_scope"), "hours", "predictor")],
)
async def test_scope_stays_with_the_linear_model_where_no_label_stands_for_it(
    task_with, labels, name, method
):
    task = task_with(predictor(says("hours"), labels=labels), text="What is the weather?")
    intent = (await classify_intent(task))["intent"]
    assert (intent.name, intent.method) == (name, method)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda given: 1 / 0,
        lambda given: {"label": "sudo"},
        lambda given: {"label": "hours", "probability": 7},
        lambda given: "hours",
    ],
)
async def test_linear_verdict_stands_where_the_predictor_fails_or_lies(task_with, events, wrong):
    intent = (await classify_intent(task_with(predictor(wrong))))["intent"]
    assert (intent.name, intent.method) == ("hours", "linear")
    assert "house" in [e.data["model"] for e in await events() if e.type == "model.failed"]


async def test_intent_that_was_taken_out_is_not_worked_on(task_with, events):
    task = task_with(predictor(says("gone"), labels=("gone",)))
    intent = (await classify_intent(task))["intent"]
    assert (intent.name, intent.method) == ("hours", "linear")
    told = [e.why for e in await events() if e.type == "model.failed"]
    assert told == ["house told an intent that is not declared"]


async def test_words_above_its_clearance_are_not_given_to_it(task_with):
    asked = []
    spied = predictor(
        lambda given: asked.append(given) or {"label": "shipping"}, clearance="public"
    )
    label = Label(sources=("request",), confidentiality=Confidentiality.restricted)
    intent = (await classify_intent(task_with(spied, label=label)))["intent"]
    assert (intent.name, intent.method, asked) == ("hours", "linear", [])


async def test_next_predictor_is_asked_where_one_fails(task_with):
    both = (predictor(lambda given: 1 / 0), predictor(says("shipping"), name="second"))
    intent = (await classify_intent(task_with(*both)))["intent"]
    assert (intent.name, intent.why) == ("shipping", "second, version v7 told it")
