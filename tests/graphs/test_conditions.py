from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.graphs.view import PLAYBOOK_FIELDS, ROUTE_FIELDS, RULE_FIELDS, RouteView
from concertmaster.policies.conditions import Condition, ConditionError, Expression, Template, paths

FIELDS = {"slots": {"order": None, "amount": None}, "data": None, "items": [{"n": None}]}


def test_value_over_plain_data():
    expression = Expression.compile("slots.amount > 5000 && 'x' in data.tags", FIELDS)
    assert expression.value({"slots": {"amount": 9900}, "data": {"tags": ["x"]}}) is True


def test_name_that_is_not_given_is_null():
    assert Expression.compile("slots == null").value({}) is True


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("slots.amunt > 1", "slots has: amount, order"),
        ("slts.amount > 1", "there has: data, items, slots"),
        ("1 + (slots.order + nothing)", "there has: data, items, slots"),
    ],
)
def test_unknown_name_is_told_with_what_there_is(text, hint):
    with pytest.raises(ConditionError, match="does not exist") as caught:
        Expression.compile(text, FIELDS)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "text",
    [
        "data.anything.below.it == 1",
        "items.exists(i, i.n == 1)",
        "items.map(i, i.n).all(n, n > 0)",
        "size(items) > 0 && items[0].n == 1",
        "has(slots.order)",
        "slots.order in ['slots.unknown', \"data.'x\"]",
        "'it\\'s.here' == slots.order",
        "{'key': slots.order}.key == 1",
        "true || false",
    ],
)
def test_known_names_bound_names_and_strings_pass(text):
    Expression.compile(text, FIELDS)


@pytest.mark.parametrize("text", ["", "1 +", "slots.", "a b", "'open", "(" * 5000 + "1"])
def test_what_is_no_expression_does_not_compile(text):
    with pytest.raises(ConditionError, match="does not compile"):
        Expression.compile(text)


@pytest.mark.parametrize("text", ["1" + "+1" * 50_000, "a" + ".b" * 50_000, "!" * 50_000 + "true"])
def test_endless_expression_is_refused_and_not_parsed(text):
    with pytest.raises(ConditionError, match="longer than 4000 characters") as caught:
        Expression.compile(text)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("text", ["slots.missing", "1 / 0", "slots.order < 'x'", "nothing()"])
def test_what_cannot_be_evaluated_is_an_error_without_values(text):
    with pytest.raises(ConditionError, match="cannot be evaluated") as caught:
        Expression.compile(text).value({"slots": {"order": 31337}})
    assert "31337" not in caught.value.message


@pytest.mark.parametrize("text", ["size(items)", "null", "'true'", "1"])
def test_condition_is_true_or_false_and_nothing_else(text):
    with pytest.raises(ConditionError, match="neither true nor false"):
        Condition.compile(text).holds({"items": []})


def test_condition_holds_or_does_not():
    condition = Condition.compile("slots.amount >= 10", FIELDS)
    assert condition.holds({"slots": {"amount": 10}}) is True
    assert condition.holds({"slots": {"amount": 9}}) is False


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{=money(slots.amount, 'EUR')} for {=slots.order}", "1,234.50 EUR for A-1"),
        ("{=slots.amount > 1}, {=[1, 2]}", "yes, 1, 2"),
        ("{=lower(slots.order)} {=slots.order == 'A-1' ? 'it is' : 'not'}", "a-1 it is"),
        ("no placeholder, {braces} stay", "no placeholder, {braces} stay"),
        ("", ""),
    ],
)
def test_template_is_filled_in(text, shown):
    known = {"slots": {"amount": 123450, "order": "A-1"}}
    assert Template.compile(text, FIELDS).render(known) == shown


def test_null_is_never_shown():
    with pytest.raises(ConditionError, match="null and cannot be shown"):
        Template.compile("Order {=slots.order}").render({"slots": {"order": None}})


def test_template_checks_the_names_of_its_placeholders():
    with pytest.raises(ConditionError, match=r"slots\.ordr"):
        Template.compile("Order {=slots.ordr}", FIELDS)


@pytest.mark.parametrize(
    ("cents", "shown"), [(0, "0.00"), (5, "0.05"), (-150, "-1.50"), (10**9, "10,000,000.00")]
)
def test_money_is_written_from_minor_units(cents, shown):
    assert Template.compile("{=money(c, 'EUR')}").render({"c": cents}) == f"{shown} EUR"


@pytest.mark.parametrize("wrong", ["12", 1.5, True, None])
def test_money_takes_whole_numbers_only(wrong):
    with pytest.raises(ConditionError):
        Template.compile("{=money(c, 'EUR')}").render({"c": wrong})


def test_paths_are_the_names_without_strings_and_functions():
    text = "a.b == 'c.d' && size(e.f) > 1 && has(g) && h in [i, true, null] && j.startsWith(\"k\")"
    assert list(paths(text)) == ["a.b", "e.f", "g", "h", "i", "j"]


def test_fields_of_routes_are_those_of_the_view():
    assert set(ROUTE_FIELDS) == set(RouteView.model_fields)
    for text in ("intent.name == null", "verdict.supported > 0.5", "actions[0].status == 'done'"):
        Condition.compile(text, ROUTE_FIELDS)
    Condition.compile("principal.roles.exists(r, r == 'x')", RULE_FIELDS)
    Condition.compile("request.text != '' && slots.x == results.y.z", PLAYBOOK_FIELDS)


_PIECES = (
    "slots|.order|==|null|'a'|(|)|[|]|{|}|?|:|!|-|+|/|%|1|9223372036854775807|0|in|has(|.exists(a,|"
    "size(|int(|\"|b'x'|\\|&&|<|data|true|,|.|é|\x00|duration('1'| "
).split("|")


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=9).map("".join))
def test_expressions_raise_nothing_but_their_own_error(text):
    with suppress(ConditionError):
        Expression.compile(text, FIELDS).value({"slots": {"order": 1}, "data": {}})
