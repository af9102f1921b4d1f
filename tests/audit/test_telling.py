"""A run told in sentences, from events alone."""

from typing import Any, get_args

import pytest

from concertmaster.audit.sentences import LEFT_OUT, TOLD
from concertmaster.audit.telling import tell
from concertmaster.contracts import AuditEvent
from concertmaster.contracts.events import EventType


def event(
    type_: str, why: str = "because", actor: str = "executor", at: str = "10:00", **data: Any
):
    return AuditEvent(
        id=f"evt-{type_}",
        time=f"2026-01-31T{at}:00Z",
        type=type_,
        workspace="desk",
        thread="t",
        run="run-1",
        actor=actor,
        on_behalf_of="ana",
        why=why,
        data=data,
    )


def said(*events: AuditEvent, asked: str | None = None) -> list[str]:
    return [sentence.text for sentence in tell(events, asked=asked)]


FULL = {
    "tool": "pay",
    "attempt": 2,
    "to": "escalate",
    "model": "gpt",
    "decision": "allow",
    "approval": "apr-1",
    "answer": "approve",
    "method": "template",
    "status": "pass",
}


@pytest.mark.parametrize("type_", get_args(EventType))
def test_every_type_is_told_or_left_out_on_purpose(type_: str):
    (told,) = said(event(type_, **FULL)) or [None]
    assert (told is None) == (type_ in LEFT_OUT)
    assert told is None or (told[0].isupper() or told.startswith(("pay", "because", "executor"))), (
        told
    )
    assert "None" not in (told or ""), told


def test_no_type_is_told_twice_over():
    assert not LEFT_OUT & TOLD.keys()
    assert LEFT_OUT | TOLD.keys() <= set(get_args(EventType))


def test_unknown_type_is_told_by_its_reason():
    unknown = event("run.ended").model_copy(update={"type": "comet.passed", "why": "it was seen"})
    assert said(unknown) == ["executor recorded comet.passed: it was seen."]


def test_message_is_quoted_on_one_line_and_not_if_it_is_erased():
    received = event("run.received", "a message of 9 characters")
    assert said(received, asked="Where\n is\x1b[31m it") == [
        "On 31 January 2026 at 10:00 UTC, ana asked: “Where is[31m it”."
    ]
    assert said(received) == [
        "On 31 January 2026 at 10:00 UTC, ana sent a message of 9 characters;"
        " its text is not kept any more."
    ]
    assert len(said(received, asked="x " * 9000)[0]) < 700


DECIDED = {"tool": "pay", "position": 2, "call": "c", "policies": ["big"], "bundle": "b"}


def test_decision_names_rule_reason_and_unproven_values():
    (told,) = said(
        event(
            "policy.decided",
            "more than 50.00",
            **DECIDED,
            decision="review",
            needs=[{"role": "finance", "count": 2}, {"role": "risk", "count": 1}],
            provenance={"untrusted": ["iban"], "composed": ["text", "to"], "principal": ["n"]},
        )
    )
    assert told == (
        "Rule big sent pay to 2 people with the role finance and somebody with the role risk:"
        " more than 50.00. Of its values, iban stood only in what tools had returned from outside"
        " and text and to stood nowhere and was composed."
    )


def test_same_decision_at_execution_is_told_only_of_an_approval():
    gate = event("policy.decided", **DECIDED, decision="allow", actor="gate")
    again = event("policy.decided", **DECIDED, decision="allow", actor="act")
    assert len(said(gate, again)) == 1
    held = event("policy.decided", **DECIDED, decision="allow", actor="act", approval="apr-1")
    assert said(gate, held)[1] == "When pay was to run it was decided again, and apr-1 holds."
    other = event("policy.decided", **DECIDED | {"bundle": "new"}, decision="allow", actor="act")
    assert said(gate, other)[1].startswith("When it was to run it was decided again, and otherwise")


def test_approval_is_told_with_who_role_words_and_how_long_it_took():
    asked = event("approval.requested", approval="apr-1", tool="pay", needs=[{"role": "finance"}])
    answer = event(
        "approval.answered",
        "seen both",
        "li",
        at="10:03",
        approval="apr-1",
        answer="approve",
        role="finance",
        status="approved",
    )
    assert said(asked, answer) == [
        "So pay waited for somebody with the role finance, as apr-1.",
        "After 3 minutes, li, as finance, approved it with the words “seen both”.",
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [("reject", "rejected it"), ("edit", "with other arguments"), ("respond", "in its place")],
)
def test_other_answers_are_told(answer: str, words: str):
    silent = event("approval.answered", f"li answered: {answer}", "li", answer=answer)
    (told,) = said(silent)
    assert words in told
    assert told.endswith("without a word.")


def test_end_tells_status_cause_owner_and_cost():
    usage = {"tool_calls": 2, "model_calls": 1, "input_tokens": 1000, "output_tokens": 234}
    ended = event("run.ended", "no source", status="escalated", owner="ops", usage=usage)
    assert said(ended) == [
        "The run ended as escalated to ops: no source."
        " It took 2 tool calls and 1 model call with 1,234 tokens."
    ]
    paid = event("run.ended", "ended as answered", status="answered", usage={**usage, "cost": 0.5})
    assert said(paid)[0].endswith("1,234 tokens, which cost 0.5000 USD.")


@pytest.mark.parametrize("type_", get_args(EventType))
@pytest.mark.parametrize("data", [{}, {"needs": "x", "policies": 3, "documents": None, "usage": 1}])
def test_data_of_another_shape_breaks_nothing(type_: str, data: dict[str, Any]):
    assert all(s.strip() for s in said(event(type_, **data)))


def test_sentences_name_their_events_and_parts():
    told = tell([event("plan.proposed", tool="pay"), event("effect.done", tool="pay")])
    assert [(s.event, s.part) for s in told] == [
        ("evt-plan.proposed", "looked"),
        ("evt-effect.done", "acted"),
    ]
