"""What a model is asked when one message holds several requests: the one that is worked on."""

from concertmaster.agents.responder import compose
from concertmaster.contracts import Intent
from concertmaster.testing import ScriptedModel

OPEN = "We open at nine in the morning and close at six."
BOTH = "When do you open? And also, where is my parcel?"


def reading(text):
    return Intent(
        name="hours",
        in_scope=True,
        confidence=0.9,
        method="linear",
        why="the first of 2 requests in the message",
        owner="hours-team",
        text=text,
    )


async def test_model_is_asked_about_the_request_that_is_worked_on(task_of):
    model = ScriptedModel("We open at nine in the morning [1].")
    intent = reading("When do you open?")
    await compose(task_of(evidence=[OPEN], text=BOTH, model=model, intent=intent))
    (prompt,) = model.prompts
    assert "When do you open?" in prompt.text
    assert "where is my parcel" not in prompt.text


async def test_model_is_asked_the_whole_message_if_it_is_one_request(task_of):
    model = ScriptedModel("We open at nine in the morning [1].")
    await compose(task_of(evidence=[OPEN], text=BOTH, model=model, intent=reading(None)))
    assert "where is my parcel" in model.prompts[0].text


async def test_sources_answer_the_request_that_is_worked_on(task_of):
    evidence = ["Where your parcel is, the parcel service tells.", OPEN]
    made = await compose(task_of(evidence=evidence, text=BOTH, intent=reading("When do you open?")))
    assert [s.text for s in made["draft"].sentences] == [OPEN]
