"""Why a call is decided as it is, and which condition kept a rule from matching."""

import pytest

from concertmaster.policies.bundle import Policy
from concertmaster.policies.trials import CallCase, explain
from concertmaster.policies.trials.conditions import conditions

ORDER = {"customer": "ana", "total_cents": 500_000, "dispatched": False}
REFUND = 'action == Action::"refund_payment", resource'


def policy(text: str) -> Policy:
    return Policy(id="p", effect="permit", text=text, file="p.cedar", line=10, column=5)


def call(**changes):
    given = {
        "tool": "refund_payment",
        "principal": "ana",
        "arguments": {"order_id": 1042, "amount_cents": 3000},
        "facts": ORDER,
    }
    return CallCase.model_validate(given | changes)


def rule(found, id_):
    return next(r for r in found.rules if r.policy.id == id_)


def texts(checked):
    return [c.condition.text for c in checked]


def test_conditions_are_cut_where_the_meaning_allows_it():
    found = conditions(
        policy(
            """@id("a") // when { x }
@reason("if (this) && that")
permit (principal == User::"ana", action, resource)
when {
  // a comment && another
  context.args.note == "a && b  {;" && context.facts.dispatched // more
  && (context.label.trusted || context.label.cleared)
}
when { context.args has note || context.label.trusted && context.label.cleared }
when { if context.label.trusted then context.label.cleared else true && false }
unless { context.facts.dispatched || !(context.args has note) && context.label.trusted };"""
        )
    )
    assert [(c.kind, c.line, c.column, c.text) for c in found] == [
        ("scope", 12, 9, 'principal == User::"ana", action, resource'),
        ("when", 15, 3, 'context.args.note == "a && b  {;"'),
        ("when", 15, 40, "context.facts.dispatched"),
        ("when", 16, 6, "(context.label.trusted || context.label.cleared)"),
        (
            "when",
            18,
            8,
            "context.args has note || context.label.trusted && context.label.cleared",
        ),
        (
            "when",
            19,
            8,
            "if context.label.trusted then context.label.cleared else true && false",
        ),
        ("unless", 20, 10, "context.facts.dispatched"),
        ("unless", 20, 38, "!(context.args has note) && context.label.trusted"),
    ]


def test_place_counts_from_where_the_policy_begins():
    (found,) = conditions(policy('@id("a") permit (principal, action, resource) when { true };'))
    assert (found.line, found.column) == (10, 5 + 53)


def test_conditions_that_hold_or_do_not_are_told_with_their_values(setting_of):
    setting = setting_of(
        f"""@id("mine") permit (principal, {REFUND})
when {{ principal.id == context.facts.customer
  && context.args.amount_cents < 1000 && context.facts.dispatched }};
@id("all") @obligation("review:finance") permit (principal, {REFUND})
unless {{ context.facts.dispatched || context.args.amount_cents > 3000 }};
@id("not-done") forbid (principal, {REFUND})
unless {{ context.args.order_id == 1042 }};"""
    )
    found = explain(call(), setting)
    assert found.decision.kind == "review"
    assert rule(found, "all").standing == "decided"
    mine = rule(found, "mine")
    assert mine.standing == "did not match"
    assert texts(mine.unmet) == ["context.args.amount_cents < 1000", "context.facts.dispatched"]
    assert mine.unmet[0].seen == {"context.args.amount_cents": 3000}
    assert mine.unmet[0].condition.line == 3
    assert texts(rule(found, "not-done").unmet) == ["context.args.order_id == 1042"]


def test_permit_under_a_forbid_is_outweighed(setting_of):
    setting = setting_of(
        f'@id("yes") permit (principal, {REFUND}); @id("no") forbid (principal, {REFUND});'
        f'@id("other") permit (principal == User::"sam", {REFUND});'
    )
    found = explain(call(), setting)
    assert [(r.policy.id, r.standing) for r in found.rules] == [
        ("yes", "outweighed"),
        ("no", "decided"),
        ("other", "did not match"),
    ]
    assert rule(found, "other").unmet[0].seen == {"principal.id": "ana"}


def test_guarded_condition_is_not_held_against_the_rule(setting_of):
    setting = setting_of(
        f"""@id("noted") permit (principal, {REFUND})
when {{ context.args has note && context.args.note == "x" && context.facts.dispatched }};"""
    )
    noted = rule(explain(call(), setting), "noted")
    assert [c.fits for c in noted.conditions] == [False, None, False]
    assert noted.standing == "did not match"
    assert noted.conditions[0].seen == {"context.args.note": "absent"}


def test_rule_that_fails_is_named(setting_of):
    setting = setting_of(
        f"""@id("yes") permit (principal, {REFUND});
@id("sum") forbid (principal, {REFUND})
when {{ context.args.amount_cents + 9223372036854775807 > 0 }};"""
    )
    found = explain(call(), setting)
    assert found.decision.kind == "deny"
    assert rule(found, "sum").standing == "failed"
    assert rule(found, "yes").standing == "outweighed"


@pytest.mark.parametrize(
    "changes",
    [
        {"tool": "no_such_tool"},
        {"step": "reader"},
        {"facts": None},
        {"arguments": {"order_id": "x"}},
        {"arguments": {"order_id": 1, "amount_cents": 2**70}},
        {"arguments": {"order_id": 1, "amount_cents": 1, "__entity": {}}},
    ],
)
def test_call_that_never_came_to_the_policies_has_no_rules(setting_of, changes):
    found = explain(call(**changes), setting_of(f'@id("yes") permit (principal, {REFUND});'))
    assert found.decision.kind == "deny"
    assert not found.reached
    assert found.rules == ()
    assert found.decision.reasons


def test_facts_that_could_not_be_had_deny(setting_of):
    setting = setting_of(f'@id("yes") permit (principal, {REFUND});')
    found = explain(call(facts=None), setting, facts_error="the books are closed")
    assert not found.reached
    assert "the books are closed" in found.decision.reasons[0]


def test_origins_are_told_in_words(setting_of):
    setting = setting_of(f'@id("yes") permit (principal, {REFUND});')
    case = call(said="refund order 1042", arguments={"order_id": 1042, "amount_cents": 77})
    origins = {o.argument: o for o in explain(case, setting).origins}
    assert origins["order_id"].told == ("stands in the principal's own words (message 1)",)
    assert origins["amount_cents"].origin == "composed"
    assert origins["note"].origin is None
    assert "nobody chose it" in origins["note"].told[0]


def test_explained_decision_is_the_gates(setting_of):
    """Each rule's standing agrees with what the gate says decided."""
    setting = setting_of(
        f"""@id("a") permit (principal, {REFUND}) when {{ context.args.amount_cents > 10 }};
@id("b") permit (principal, {REFUND}) when {{ context.args.amount_cents > 20 }};
@id("c") forbid (principal, {REFUND}) when {{ context.args.amount_cents > 30 }};
@id("d") forbid (principal, {REFUND}) unless {{ context.args.amount_cents > 0 }};"""
    )
    for cents in (0, 5, 15, 25, 35):
        found = explain(call(arguments={"order_id": 1, "amount_cents": cents}), setting)
        decided = {r.policy.id for r in found.rules if r.standing == "decided"}
        assert decided == set(found.decision.policies)
        for one in found.rules:
            assert bool(one.unmet) == (one.standing == "did not match")
