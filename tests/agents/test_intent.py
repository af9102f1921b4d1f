import pytest

from concertmaster.agents.intent import classify_intent
from concertmaster.contracts import Memory
from concertmaster.testing import Give, Say, ScriptedModel

VAGUE = "bananas are yellow"
REFUNDED = Memory(topic="Refund order 12", intent="refund")
OPENED = Memory(topic="When do you open?", intent="hours")


async def classified(task):
    return (await classify_intent(task))["intent"]


async def test_clear_message_needs_no_model(task_of, classifier, events):
    model = ScriptedModel()
    task = task_of("intent_classifier", "refund please", classifier=classifier, model=model)
    intent = await classified(task)
    assert (intent.name, intent.method, intent.acts) == ("refund", "linear", True)
    assert intent.owner == "refund-team"
    assert [a.name for a in intent.alternatives]
    assert model.prompts == ()
    (event,) = await events()
    assert event.data["intent"] == "refund"


async def test_message_unlike_every_intent_is_out_of_scope(task_of, classifier):
    intent = await classified(task_of("intent_classifier", VAGUE, classifier=classifier))
    assert (intent.name, intent.in_scope, intent.owner) == (None, False, "ops")


async def test_workspace_without_intents_knows_none(task_of):
    intent = await classified(task_of("intent_classifier", "anything"))
    assert not intent.in_scope
    assert "declares no intents" in intent.why


async def test_model_is_asked_below_the_threshold(task_of, classifier, events):
    model = ScriptedModel(Give({"intent": "hours"}))
    task = task_of("intent_classifier", VAGUE, classifier=classifier, model=model)
    update = await classify_intent(task)
    assert (update["intent"].name, update["intent"].method) == ("hours", "model")
    assert update["usage"].model_calls == 1
    types = [e.type for e in await events()]
    assert types == ["model.chosen", "model.called", "intent.classified"]


@pytest.mark.parametrize(
    ("answer", "method", "why"),
    [
        (Give({"intent": "out_of_scope"}), "model", "both found no intent"),
        (Give({"intent": "world_domination"}), "linear", "the model failed"),
        (Say("refund, obviously"), "linear", "the model failed"),
        (ValueError("hunter2"), "linear", "the model failed"),
    ],
    ids=["none", "undeclared", "prose", "raises"],
)
async def test_model_that_names_no_declared_intent_changes_nothing(
    task_of, classifier, events, answer, method, why
):
    model = ScriptedModel(otherwise=answer)
    task = task_of("intent_classifier", VAGUE, classifier=classifier, model=model)
    intent = await classified(task)
    assert (intent.in_scope, intent.method) == (False, method)
    assert why in intent.why
    assert "hunter2" not in "".join(e.model_dump_json() for e in await events())


async def test_answer_to_the_desks_question_keeps_the_intent(task_of, classifier):
    memory = REFUNDED.model_copy(update={"asked": "order_id"})
    follows = "answers the question about order_id"
    task = task_of("intent_classifier", "12", classifier=classifier, memory=memory, follows=follows)
    intent = await classified(task)
    assert (intent.name, intent.method, intent.why) == (
        "refund",
        "thread",
        f"the message {follows}",
    )


async def test_intent_that_is_no_longer_declared_is_not_taken_from_the_thread(task_of, classifier):
    memory = Memory(topic="Sell my soul", intent="soul_trade", asked="price")
    task = task_of(
        "intent_classifier", VAGUE, classifier=classifier, memory=memory, follows="answers"
    )
    assert not (await classified(task)).in_scope


async def test_follow_up_takes_the_threads_intent_when_it_only_informs(task_of, classifier):
    task = task_of(
        "intent_classifier", "and there?", classifier=classifier, memory=OPENED, follows="is short"
    )
    intent = await classified(task)
    assert (intent.name, intent.method) == ("hours", "thread")


async def test_follow_up_never_takes_over_what_acts(task_of, classifier):
    task = task_of(
        "intent_classifier", "and then?", classifier=classifier, memory=REFUNDED, follows="is short"
    )
    intent = await classified(task)
    assert intent.name != "refund"
    assert not intent.acts
