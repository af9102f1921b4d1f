from concertmaster.agents.followup import resolve
from concertmaster.contracts import Memory

TOPIC = Memory(topic="I want a refund for order 1042", intent="refund")


def test_first_message_stands_alone():
    assert resolve("And when do I see it?", Memory()).follows is None


def test_short_message_that_points_back_is_joined_with_the_topic():
    resolution = resolve("And when do I see the money?", TOPIC)
    assert resolution.follows
    assert resolution.text.startswith(TOPIC.topic)
    assert resolution.text.endswith("And when do I see the money?")


def test_message_with_its_own_subject_stands_alone():
    text = "Please tell me which of your lamps fit a bathroom with high humidity in Portugal"
    assert resolve(text, TOPIC).follows is None
    assert resolve(text, TOPIC).text == text


def test_answer_to_the_desks_question_follows_whatever_its_form():
    asked = TOPIC.model_copy(update={"asked": "order_id"})
    assert resolve("1042", asked).follows == "answers the question about order_id"
