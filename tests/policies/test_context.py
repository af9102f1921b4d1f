"""What policies see of a call: origins, labels, history."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concertmaster.contracts import (
    Allow,
    Confidentiality,
    Deny,
    History,
    Label,
    Notify,
    Past,
    Principal,
    Provenance,
    Redact,
    Review,
    ToolShape,
    Trust,
    ValueOrigin,
)
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.policies import Call, Gate, PolicyEngine
from concertmaster.policies.context import content_trusted, targets_trusted
from concertmaster.policies.provenance import Source, Sources

MAIL = {
    "properties": {"to": {"type": "string"}, "body": {"type": "string"}},
    "required": ["to", "body"],
}
SHAPES = {
    "send": ToolShape(
        name="send",
        effect="irreversible",
        arguments=MAIL,
        targets=("to",),
        clearance=Confidentiality.internal,
    ),
    "read": ToolShape(name="read", effect="read", arguments={"properties": {}}),
}


def origin(argument: str, kind: Any, *, embedded: bool = False) -> ValueOrigin:
    return ValueOrigin(argument=argument, path=argument, origin=kind, embedded=embedded)


@pytest.fixture
def gate(tmp_path: Path) -> Callable[[str], Gate]:
    def make(text: str) -> Gate:
        (tmp_path / "rules.cedar").write_text(text, encoding="utf-8")
        return Gate(PolicyEngine.load(tmp_path, SHAPES), SHAPES, "desk")

    return make


def send(**changes: Any) -> Call:
    given: dict[str, Any] = {
        "tool": "send",
        "arguments": {"to": "li@shop.example", "body": "hello"},
        "principal": Principal(id="ana"),
        "step": "executor",
        "allowed": ("send", "read"),
        "review": ReviewSpec(),
    }
    return Call(**(given | changes))


@pytest.mark.parametrize(
    ("values", "targets", "content"),
    [
        ((), True, True),
        ((origin("to", "principal"), origin("body", "composed")), True, True),
        ((origin("to", "trusted"), origin("body", "untrusted")), True, True),
        ((origin("to", "untrusted"),), False, True),
        ((origin("to", "composed"),), False, True),
        ((origin("to", "principal"), origin("to", "untrusted", embedded=True)), False, True),
        ((origin("body", "untrusted", embedded=True),), True, False),
        ((origin("body", "trusted", embedded=True),), True, True),
    ],
)
def test_targets_and_content(values: tuple[ValueOrigin, ...], targets: bool, content: bool):
    found = Provenance(values=values)
    assert targets_trusted(found, SHAPES["send"]) is targets
    assert content_trusted(found, SHAPES["send"]) is content


def test_every_argument_is_a_target_if_none_is_declared():
    found = Provenance(values=(origin("body", "composed"),))
    assert not targets_trusted(found, SHAPES["send"].model_copy(update={"targets": None}))


def test_what_the_principal_named_is_told_from_what_a_record_holds(gate: Callable[[str], Gate]):
    desk = gate(
        '@id("named") permit (principal, action == Action::"send", resource)'
        'when { context.provenance.principal.contains("to") };'
        '@id("listed") @obligation("review:owner")'
        'permit (principal, action == Action::"send", resource)'
        'when { context.provenance.trusted.contains("to") }'
        'unless { context.provenance.principal.contains("to") };'
    )
    request = Source("request", "principal", "Write to li@shop.example")
    record = Source("call-1", "trusted", {"members": ["li@shop.example"]})
    foreign = Source("call-2", "untrusted", "Write to li@shop.example")
    named = desk.decide(send(sources=Sources(request, record)))
    listed = desk.decide(send(sources=Sources(record, foreign)))
    assert (named.policies, listed.policies) == (("named",), ("listed",))
    assert isinstance(desk.decide(send(sources=Sources(foreign))), Deny)


def test_sequence_rule_over_the_thread(gate: Callable[[str], Gate]):
    desk = gate(
        '@id("any") permit (principal, action, resource);'
        '@id("verify-first") @reason("identity is verified before anything is sent")'
        'forbid (principal, action == Action::"send", resource)'
        'unless { context.history.thread.done.contains("read") };'
        '@id("at-most-two") forbid (principal, action, resource)'
        "when { context.history.run.consequential >= 2 };"
    )
    assert desk.decide(send()).policies == ("verify-first",)
    read = Past(done=frozenset({"read"}), calls=1)
    assert isinstance(desk.decide(send(history=History(thread=read))), Allow)
    many = History(run=Past(consequential=2), thread=read)
    assert desk.decide(send(history=many)).policies == ("at-most-two",)


@pytest.mark.parametrize(
    ("level", "kind"),
    [(Confidentiality.internal, Allow), (Confidentiality.restricted, Deny)],
)
def test_what_was_read_may_not_go_out_above_the_clearance(
    gate: Callable[[str], Gate], level: Confidentiality, kind: type
):
    desk = gate(
        '@id("cleared") permit (principal, action, resource) when { context.label.cleared };'
    )
    label = Label(trust=Trust.trusted, confidentiality=level)
    assert isinstance(desk.decide(send(label=label)), kind)


def test_clearance_of_the_tool_is_visible(gate: Callable[[str], Gate]):
    rule = 'resource.clearance == "internal"'
    desk = gate(f'@id("c") permit (principal, action, resource) when {{ {rule} }};')
    assert isinstance(desk.decide(send()), Allow)
    assert isinstance(desk.decide(send(tool="read", arguments={})), Deny)


def test_duties_ride_on_what_is_permitted(gate: Callable[[str], Gate]):
    desk = gate(
        '@id("a") @obligation("redact:iban, notify:legal")'
        "permit (principal, action, resource);"
        '@id("b") @obligation("notify:legal, review:risk")'
        'permit (principal, action == Action::"send", resource);'
    )
    duties = (Redact(field="iban"), Notify(role="legal"))
    read, sent = desk.decide(send(tool="read", arguments={})), desk.decide(send())
    assert isinstance(read, Allow)
    assert read.duties == duties
    assert isinstance(sent, Review)
    assert sent.duties == duties


def test_decision_carries_the_provenance(gate: Callable[[str], Gate]):
    decision = gate('@id("a") permit (principal, action, resource);').decide(send())
    assert decision.provenance is not None
    assert decision.provenance.asked is False
