"""The question between two close intents, its answers, and several requests in a message."""

from dataclasses import replace

import pytest

from concertmaster.agents.clarifying import called, chosen_of, margin_of, question
from concertmaster.agents.followup import AGREES, DECLINES, MEANS, QUEUED, resolve
from concertmaster.agents.intent import classify_intent
from concertmaster.agents.several import requests_in
from concertmaster.contracts import Memory
from concertmaster.contracts.queued import Queued
from concertmaster.models.classifier import Scores

CLOSE = "my order please"
BOTH = "Refund my order. And also, when do you open?"
OFFERED = Memory(topic=CLOSE, offered=("refund", "shipping"), asked="intent")
LATER = Memory(
    topic="Refund order 12",
    intent="refund",
    asked=QUEUED,
    queued=(Queued(intent="hours", text="when do you open?"),),
)


class Torn:
    """A classifier of the test's own ranking for one text, the real one's for all others."""

    margin = 0.2

    def __init__(self, real, text, *ranked):
        self._real, self._text, self._ranked = real, text, ranked

    def predict(self, text):
        if text != self._text:
            return self._real.predict(text)
        return Scores(ranked=self._ranked, in_scope=True, in_scope_score=0.8, nearest=0.5)


@pytest.fixture
def torn(classifier):
    return Torn(classifier, CLOSE, ("shipping", 0.46), ("refund", 0.44), ("hours", 0.1))


def said(task, *words):
    return replace(task, session=replace(task.session, words=words))


async def test_two_close_intents_make_the_desk_ask_and_do_nothing_else(task_of, torn, events):
    update = await classify_intent(task_of("intent_classifier", CLOSE, classifier=torn))
    intent, outcome = update["intent"], update["outcome"]
    assert (intent.name, intent.in_scope, intent.method) == (None, True, "clarify")
    assert not intent.acts
    assert update["offers"] == ("shipping", "refund")
    assert outcome.asks == "intent"
    assert "(1) shipping or (2) refund" in outcome.text
    (event,) = await events()
    assert event.data["offers"] == ["shipping", "refund"]


async def test_lead_beyond_the_margin_asks_nothing(task_of, classifier):
    clear = Torn(classifier, CLOSE, ("shipping", 0.6), ("refund", 0.3), ("hours", 0.1))
    update = await classify_intent(task_of("intent_classifier", CLOSE, classifier=clear))
    assert update["intent"].name == "shipping"
    assert "outcome" not in update


@pytest.mark.parametrize(("declared", "margin"), [(True, 0.15), (False, 0.0), (0.3, 0.3)])
def test_margin_is_learned_declared_or_off(task_of, declared, margin):
    spec = task_of().services.spec
    intents = spec.intents.model_copy(update={"clarify": declared})
    assert margin_of(spec.model_copy(update={"intents": intents}), 0.15) == margin


@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("1", "refund"),
        ("2.", "shipping"),
        ("the second one", "shipping"),
        ("refund", "refund"),
        ("the shipping please", "shipping"),
        ("I want my money back", "refund"),
        ("where is my parcel", "shipping"),
        ("neither", False),
        ("bananas are yellow", None),
        ("when do you open?", None),
        ("12", None),
    ],
)
def test_answer_chooses_by_number_name_or_paraphrase(task_of, classifier, answer, chosen):
    spec = task_of().services.spec
    scores = classifier.predict(answer)
    assert chosen_of(answer, ("refund", "shipping"), spec, scores) == chosen


async def test_chosen_intent_is_read_from_the_first_message(task_of, torn):
    task = task_of("intent_classifier", "2", classifier=torn, memory=OFFERED, follows=MEANS)
    intent = (await classify_intent(said(task, "2", CLOSE)))["intent"]
    assert (intent.name, intent.method, intent.text) == ("shipping", "chosen", CLOSE)


@pytest.mark.parametrize("words", [(), ("1",), ("1", "what is the weather?")])
async def test_forged_offer_does_not_count_as_the_principals_own_words(task_of, torn, words):
    """Attack: state is written so that an intent seems to have been offered."""
    task = task_of("intent_classifier", "1", classifier=torn, memory=OFFERED, follows=MEANS)
    intent = (await classify_intent(said(task, *words)))["intent"]
    assert (intent.name, intent.method) == ("refund", "thread")


async def test_forged_offer_of_what_was_never_close_is_not_the_principals_own(task_of, torn):
    memory = OFFERED.model_copy(update={"offered": ("hours", "refund"), "topic": "when open"})
    task = task_of("intent_classifier", "2", classifier=torn, memory=memory, follows=MEANS)
    intent = (await classify_intent(said(task, "2", "when open")))["intent"]
    assert intent.method == "thread"


async def test_question_that_is_not_answered_is_not_asked_again(task_of, classifier):
    torn = Torn(classifier, "hmm my order", ("shipping", 0.46), ("refund", 0.44), ("hours", 0.1))
    task = task_of(
        "intent_classifier", "hmm my order", classifier=torn, memory=OFFERED, follows=MEANS
    )
    update = await classify_intent(task)
    assert "outcome" not in update
    assert update["intent"].name == "shipping"


async def test_none_of_both_is_out_of_scope(task_of, torn):
    task = task_of("intent_classifier", "neither", classifier=torn, memory=OFFERED, follows=MEANS)
    assert not (await classify_intent(task))["intent"].in_scope


async def test_second_request_is_queued_and_the_first_worked_on(task_of, classifier, events):
    update = await classify_intent(task_of("intent_classifier", BOTH, classifier=classifier))
    assert (update["intent"].name, update["intent"].text) == ("refund", "Refund my order.")
    assert update["queued"] == (Queued(intent="hours", text="when do you open?"),)
    (event,) = await events()
    assert event.data["queued"] == ["hours"]


@pytest.mark.parametrize(
    "text",
    ["Refund my order", "Refund my order. I want my money back", "Hello there. Refund my order"],
)
def test_one_request_in_many_words_stays_one(classifier, text):
    assert requests_in(text, classifier.predict(text), classifier.predict) == ()


@pytest.mark.parametrize(("words", "method"), [((BOTH,), "chosen"), ((), "thread")])
async def test_agreement_takes_up_the_queued_words(task_of, classifier, words, method):
    memory = LATER.model_copy(
        update={"queued": (Queued(intent="hours", text="when do you open?"),)}
    )
    task = task_of("intent_classifier", "yes", classifier=classifier, memory=memory, follows=AGREES)
    intent = (await classify_intent(said(task, "yes", *words)))["intent"]
    assert (intent.name, intent.method, intent.text) == ("hours", method, "when do you open?")


async def test_declined_request_is_left(task_of, classifier):
    task = task_of("intent_classifier", "no", classifier=classifier, memory=LATER, follows=DECLINES)
    update = await classify_intent(task)
    assert update["outcome"].status == "answered"
    assert "queued" not in update


@pytest.mark.parametrize(
    ("text", "follows", "resolved"),
    [
        ("yes please", AGREES, "when do you open?"),
        ("No, thanks", DECLINES, "No, thanks"),
        ("How large is the largest lamp in the shop", None, None),
    ],
)
def test_offer_is_taken_declined_or_passed_over(text, follows, resolved):
    resolution = resolve(text, LATER)
    assert (resolution.follows, resolution.text) == (follows, resolved or text)


def test_answer_to_the_question_is_joined_with_the_first_message():
    assert resolve("2", OFFERED).follows == MEANS
    assert resolve("2", OFFERED).text == f"{CLOSE}\n2"


def test_options_are_told_by_description_and_in_the_workspaces_words(task_of):
    spec = task_of().services.spec
    hours = spec.intent("hours").model_copy(update={"description": "When we are open."})
    assert called(hours) == "when we are open"
    assert called(hours.model_copy(update={"description": "A charge."})) == "a charge"
    assert called(hours.model_copy(update={"description": "PIN codes."})) == "PIN codes"
    workflow = spec.workflow.model_copy(update={"messages": {"clarify": "Which? {options}"}})
    told = question(spec.model_copy(update={"workflow": workflow}), ("refund", "hours"))
    assert told == "Which? (1) refund or (2) hours"
