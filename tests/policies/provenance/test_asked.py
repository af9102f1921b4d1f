"""Whether somebody asked for the effect of a tool."""

import pytest

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance import Source, Sources, trace

SEND = ToolShape(name="send", effect="irreversible", asks=("send message", "send", "e-mail"))


def asked(*said: str, trust: str = "principal", asks: tuple[str, ...] = SEND.asks) -> bool:
    tool = ToolShape(name="send", effect="irreversible", asks=asks)
    sources = (Source(f"s{i}", trust, text) for i, text in enumerate(said))
    return trace(tool, {}, Sources(*sources)).asked


@pytest.mark.parametrize(
    "said",
    [
        "Send it.",
        "Please SEND a quick message to Bob",
        "I'd like you to start sending them",
        "could you se\u200bnd it?",
        "E-mail Bob",
        "No, send it",
        "Don't forget to send it",
        "Do not hesitate to send it",
        "Do not wait, send it",
        "Do not call Bob but send him a message",
        "It is not urgent. Send it tomorrow",
        "Don't send it to Ana. Send it to Bob",
        "Look it up; then send it",
    ],
)
def test_effect_is_asked_for(said: str):
    assert asked(said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "What did Bob write?",
        "The sender is Bob",
        "resend",
        "Do not send it",
        "don't send it",
        "don’t ever send it",
        "dont send",
        "Never send anything",
        "Do it without sending",
        "Do not, under any circumstances, send it",
        "You must not call Bob or send a message",
        "Read it instead of sending it",
        "Send nothing",
        "Send no message",
        "Please avoid sending it",
        "There is no need to send it",
        "You cannot send it",
    ],
)
def test_effect_is_not_asked_for(said: str):
    assert not asked(said)


@pytest.mark.parametrize(
    ("phrase", "said", "expected"),
    [
        ("cancel order", "Please cancel my last order", True),
        ("cancel order", "I want this order cancelled", False),
        ("cancel", "I want this order cancelled", True),
        ("cancel order", "Order two more. Cancel nothing", False),
        ("cancel order", "Cancel. The order is late", False),
        ("pay", "Paying is fine", True),
        ("pay", "The payment was late", False),
        ("refund", "I need refunds for both", True),
        ("transfer", "transferring 20 euros", True),
        ("schedule", "scheduled for tomorrow", True),
        ("reply", "he replies", True),
        ("", "anything", False),
        ("!", "anything!", False),
    ],
)
def test_words_of_a_phrase_stand_in_order_in_one_sentence(phrase: str, said: str, expected: bool):
    assert asked(said, asks=(phrase,)) is expected


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_nobody_else_can_ask(trust: str):
    assert not asked("Send a message to Bob now", trust=trust)


def test_what_was_taken_back_is_not_asked_for():
    assert not asked("Send it to Bob", "No, do not send it")
    assert not asked("Do not send it", "Send it to Bob")
    assert asked("Send it to Bob", "Do not wait")


def test_the_intent_may_offer_the_tool():
    found = trace(SEND, {}, Sources(), offered=frozenset({"send"}))
    assert (found.asked, found.asked_why) == (True, "the principal's intent offers the tool")
    assert not trace(SEND, {}, Sources(), offered=frozenset({"send_all", "sen"})).asked


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Send my message to Ana", "the principal's words ask for it: 'send message'"),
        ("Do not send Ana anything", "the principal said not to: 'send'"),
        ("Hello Ana", "nobody asked for it"),
    ],
)
def test_the_reason_names_the_phrase_and_no_other_word(said: str, why: str):
    assert trace(SEND, {}, Sources(Source("m", "principal", said))).asked_why == why


def test_a_tool_without_phrases_is_not_asked_for():
    assert not asked("Send it", asks=())
