"""Marks for models elsewhere, rules by place, log lines."""

import logging

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts.spec import RedactionSpec
from concertmaster.policies.redaction import Finding, Masking, RedactingFilter, Redaction, Redactor


def test_same_value_has_the_same_mark_and_comes_back():
    masking = Masking(Redactor())
    prompt = [
        {"role": "user", "content": "ana@example.com and li@example.com"},
        {"role": "tool", "content": '{"to": "ana@example.com", "iban": "DE89370400440532013000"}'},
    ]
    hidden = masking.hide(prompt)
    assert hidden[0]["content"] == "[email-1] and [email-2]"
    assert hidden[1]["content"] == '{"to": "[email-1]", "iban": "[iban-1]"}'
    assert masking.show(hidden) == prompt
    assert masking.hidden == (Finding("email", 2), Finding("iban", 1))


def test_secret_is_never_filled_in_again():
    masking = Masking(Redactor())
    assert masking.hide("password: hunter2") == "password: [secret]"
    assert masking.show("password: [secret]") == "password: [secret]"


def test_mark_that_stands_for_nothing_stays():
    assert Masking(Redactor()).show("write to [email-7]") == "write to [email-7]"


@given(st.lists(st.sampled_from(["ana@x.example", "li@x.example", " ", "4111111111111111", "b "])))
def test_what_is_hidden_comes_back(parts: list[str]):
    masking = Masking(Redactor())
    text = " ".join(parts)
    assert masking.show(masking.hide(text)) == text


TEXT = "4111111111111111 sk-proj-Ab3dEf6hIj9kLm2nOp5q DE89370400440532013000 ana@example.com C-1042"


def test_message_keeps_what_tools_need_and_nothing_dangerous():
    assert Redaction().stored.redact(TEXT).text == (
        "[card] [secret] DE89370400440532013000 ana@example.com C-1042"
    )
    assert Redaction().told.redact(TEXT).text == "[card] [secret] [iban] [email] C-1042"


def test_keep_is_exactly_what_stays():
    spec = RedactionSpec(keep=("email",), patterns={"customer": r"C-\d{4}"})
    assert Redaction(spec).stored.redact(TEXT).text == (
        "[card] [secret] [iban] ana@example.com [customer]"
    )


def test_kept_pattern_stays_in_the_message_and_is_told_to_nobody():
    spec = RedactionSpec(keep=("customer",), patterns={"customer": r"C-\d{4}"})
    assert Redaction(spec).stored.redact("C-1042").text == "C-1042"
    assert Redaction(spec).told.redact("C-1042").text == "[customer]"


def test_cards_and_secrets_are_looked_for_whatever_is_listed():
    spec = RedactionSpec(kinds=("email",), keep=())
    assert Redaction(spec).stored.redact(TEXT).text == (
        "[card] [secret] DE89370400440532013000 [email] C-1042"
    )


def test_log_line_is_redacted_with_its_arguments(caplog):
    logger = logging.getLogger("redaction-test")
    logger.addFilter(RedactingFilter(Redactor()))
    with caplog.at_level(logging.INFO):
        logger.info("%s paid with %s", "ana@example.com", "4111111111111111")
        logger.info("broken %d", "ana@example.com")
    assert caplog.messages == [
        "[email] paid with [card]",
        "a log message that cannot be put together",
    ]
