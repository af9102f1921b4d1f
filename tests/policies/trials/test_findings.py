"""What a check of policies finds beside errors: only what is certain."""

import pytest

from concertmaster.contracts import ToolShape
from concertmaster.policies.trials import findings
from concertmaster.policies.trials.findings import Surroundings

REFUND = 'action == Action::"refund_payment", resource'
AROUND = Surroundings(
    steps=frozenset({"executor"}),
    intents=frozenset({"refund"}),
    workspace="shop",
    roles=frozenset({"customer", "finance"}),
    places={"change_address": ("tools.py", 40)},
)


@pytest.fixture
def found(folder, shapes):
    """Return what is found in policies over the shop's refunds, by code."""

    def look(*texts: str, tools=("refund_payment",), around=AROUND):
        return findings(folder(*texts), {name: shapes[name] for name in tools}, around)

    return look


def codes(listed):
    return [f.code for f in listed]


def guarded(condition: str, effect: str = "permit") -> str:
    return (
        f'@id("base") @obligation("review:finance") permit (principal, {REFUND}) '
        f"when {{ context.facts.dispatched }};\n"
        f'@id("x") {effect} (principal, {REFUND})\nwhen {{ {condition} }};'
    )


def test_sound_policies_have_no_findings(found):
    assert found(guarded("context.args.amount_cents < 5")) == []


def test_errors_have_line_column_and_what_was_meant(found):
    listed = found(
        guarded("context.args.amount_cent < 5"),
        '@id("u") permit (principal, action == Action::"refund_paymnt", resource);',
        '@id("b\u00e4se") permit (principal, action, resource);',
    )
    assert {(f.line, f.column, f.severity, f.hint) for f in listed} == {
        (3, 21, "error", "did you mean 'amount_cents'?"),
        (1, 48, "error", "did you mean 'refund_payment'?"),
        (1, None, "error", None),
    }
    first = listed[0]
    assert first.place == f"{first.file}:3:21"


@pytest.mark.parametrize(
    ("condition", "told", "hint"),
    [
        ('context.history.thread.done.contains("refund_paymnt")', "refund_paymnt", "payment"),
        ('context.provenance.untrusted.contains("amount")', "'amount'", "amount_cents"),
        ('context.label.confidentiality == "secret"', "'secret'", "public"),
        ('"secret" != context.label.confidentiality', "'secret'", "public"),
        ('context.step == "exector"', "'exector'", "executor"),
        ('context has intent && context.intent == "refnd"', "'refnd'", "refund"),
        ('context.workspace == "shopp"', "'shopp'", "shop"),
        ('resource.effect == "reads"', "'reads'", "irreversible"),
        ('principal.roles.containsAny(["finanse", "customer"])', "'finanse'", "finance"),
        ('["secret", "public"].contains(context.label.confidentiality)', "'secret'", "public"),
    ],
)
def test_value_that_can_never_come_is_found(found, condition, told, hint):
    (finding,) = found(guarded(condition, "forbid"))
    assert (finding.code, finding.severity, finding.line) == ("never-true", "warning", 3)
    assert told in finding.message
    assert hint in finding.hint


@pytest.mark.parametrize(
    "condition",
    [
        'context.history.run.done.contains("refund_payment")',
        'principal.roles.contains("accountant")',
        'principal.id == "nobody"',
        'context.step == "executor" && context.label.confidentiality == "restricted"',
        'context.args has note && context.args.note == "anything"',
    ],
)
def test_value_that_may_come_is_not_found(found, condition):
    assert found(guarded(condition, "forbid")) == []


def test_enumeration_of_an_argument_is_known(found, shapes):
    tools = ("everything",)
    base = '@id("e") permit (principal, action, resource) when { context.provenance.asked && %s };'
    ok = "context.args has colour && context.args.colour == %r"
    assert found(base % (ok % "red").replace("'", '"'), tools=tools) == []
    (finding,) = found(base % (ok % "rde").replace("'", '"'), tools=tools)
    assert "'red'" in finding.hint


@pytest.mark.parametrize(
    "condition",
    [
        "context.args.amount_cents > 10 && context.args.amount_cents < 11",
        "context.args.amount_cents > 10 && 5 >= context.args.amount_cents",
        "context.args.amount_cents == 1 && context.args.amount_cents == 2",
        "context.args.amount_cents == 1 && context.args.amount_cents > 2",
        "context.facts.dispatched && !context.facts.dispatched",
        "context.facts.dispatched && context.facts.dispatched == false",
        'context.facts.customer == "a" && context.facts.customer == "b"',
        "context.facts.dispatched } unless { context.facts.dispatched",
        "context.args.amount_cents < 5 } unless { context.args.amount_cents < 5",
        "false",
    ],
)
def test_conditions_that_exclude_each_other_are_found(found, condition):
    assert codes(found(guarded(condition))) == ["never-matches"]


@pytest.mark.parametrize(
    "condition",
    [
        "context.args.amount_cents > 10 && context.args.amount_cents < 12",
        "context.args.amount_cents >= 10 && context.args.amount_cents <= 10",
        "context.args.amount_cents == 3 && context.args.amount_cents >= 3",
        "context.args.amount_cents < 5 || context.args.amount_cents > 10",
        "!(context.args.amount_cents == 3) && context.args.amount_cents == 4",
        "context.facts.dispatched } unless { context.args.amount_cents == 3",
    ],
)
def test_conditions_that_can_hold_are_not_found(found, condition):
    assert found(guarded(condition)) == []


def test_same_conditions_twice_are_found(found):
    twice = guarded("context.args.amount_cents < 5 && context.facts.dispatched")
    twin = twice.partition("\n")[2].replace('"x"', '"y"')
    swapped = twin.replace(
        "context.args.amount_cents < 5 && context.facts.dispatched",
        "context.facts.dispatched && context.args.amount_cents   < 5",
    )
    (finding,) = found(f"{twice}\n{swapped}")
    assert finding.code == "twin"
    assert "'x'" in finding.message


def test_permit_under_a_forbid_of_everything_is_found(found):
    text = guarded("context.args.amount_cents < 5")
    listed = found(text + f'\n@id("stop") forbid (principal, {REFUND});')
    assert codes(listed) == ["shadowed", "shadowed"]
    some = f'\n@id("stop") forbid (principal == User::"ben", {REFUND});'
    assert found(text + some) == []


def test_tool_that_nothing_permits_is_found_where_it_is_declared(found):
    listed = found(guarded("true"), tools=("refund_payment", "change_address"))
    assert [(f.code, f.file, f.line) for f in listed] == [("unpermitted-tool", "tools.py", 40)]


def test_effect_that_nothing_guards_is_found(found):
    bare = f'@id("b") permit (principal, {REFUND}) when {{ context.args.amount_cents < 5 }};'
    assert codes(found(bare)) == ["unguarded"]
    waived = Surroundings(waived=frozenset({"refund_payment"}))
    assert found(bare, around=waived) == []
    look = f'@id("f") forbid (principal, {REFUND}) unless {{ context.provenance.asked }};'
    assert found(bare + look) == []
    notified = bare.replace("permit", '@obligation("notify:boss") permit')
    assert codes(found(notified)) == ["unguarded"]
    assert (
        codes(found('@id("r") permit (principal, action, resource);', tools=("get_order",))) == []
    )


def test_nothing_is_concluded_about_tools_while_there_are_errors(found):
    listed = found('@id("b") permit (principal, action, resource) when { context.nothing };')
    assert {f.severity for f in listed} == {"error"}


def test_no_folder_denies_everything(shapes: dict[str, ToolShape]):
    listed = findings(None, {"get_order": shapes["get_order"]})
    assert codes(listed) == ["unpermitted-tool"]
