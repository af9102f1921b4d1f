# ruff: noqa: E501 (one line a case)
"""Misspelt functions, bound names and values, plans and wordings that never come about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.graphs.conditions import FUNCTIONS, flaws, references
from concertmaster.graphs.readiness import check
from concertmaster.graphs.view import ROUTE_FIELDS
from concertmaster.policies.conditions import ConditionError, Expression

VALUES = {
    "intent.name": {"refund", "fees"},
    "done[]": {"search"},
    "verdict.status": {"pass", "revise"},
    "actions[].status": {"done", "failed"},
}

SOUND = [
    "size(evidence) == 0 || evidence[0].title.startsWith('A')",
    "actions.exists(a, a.status == 'done' && a.key in ['x', 'y'])",
    "actions.filter(a, a.status == 'failed').exists(b, b.tool == 'refund')",
    "actions.map(a, a.key).exists(k, k == 'anything')",
    "actions.exists(a, done.exists(d, d == 'search' && a.key != d))",
    "'search' in done && !('search' in done)",
    "intent.name in ['refund', 'fees'] || 'fees' == intent.name",
    "data.anything.at.all == 'x' && data['more'][0].x > 1",
    "has(data.x) ? lower(intent.name) == 'a' : hops > 0x1F",
    "timestamp('2026-01-01T00:00:00Z').getFullYear() > 2025",
    "b'abc' == b'abc' && r'\\d' != \"\"\"a'b\"\"\" // intnt.name",
    "{'a': intent}.a != null && [1, 2].all(i, i < 3)",
    "intent.name + 'x' == 'refundx' && 'x' + intent.name != 'y'",
    "(intent == null ? 'none' : intent.name) == 'none'",
    "principal.roles.exists(r, r == 'staff') && money(100, 'EUR') == '1.00 EUR'",
]


@pytest.mark.parametrize("text", SOUND)
def test_sound_expression_has_no_flaw(text):
    Expression.compile(text)
    assert list(flaws(text, ROUTE_FIELDS, VALUES)) == []


FLAWED = [
    ("sized(evidence) == 0", "name", "'sized'", "did you mean 'size'?"),
    ("intent.name.startWith('a')", "name", "'startWith'", "did you mean 'startsWith'?"),
    ("actions.exists(a, a.statu == 'done')", "name", "'actions[].statu'", "did you mean 'status'?"),
    ("actions.exist(a, a == a)", "name", "'exist'", "did you mean 'exists'?"),
    ("evidence[0].titel == 'x'", "name", "'evidence[].titel'", "did you mean 'title'?"),
    (
        "evidence.filter(e, e.score > 1.0)[0].titl == ''",
        "name",
        "'evidence[].titl'",
        "did you mean 'title'?",
    ),
    ("intent['nam'] == 'x'", "name", "'intent.nam'", "did you mean 'name'?"),
    (
        "actions.exists(a, done.exists(d, d == a.kee))",
        "name",
        "'actions[].kee'",
        "did you mean 'key'?",
    ),
    ("[1].exists(i, i == intnt)", "name", "'intnt'", "did you mean 'intent'?"),
    ("actions.exists(a, true) && a.key == ''", "name", "'a'", "there is: acted, "),
    ("intent.name == 'refnd'", "value", "'refnd'", "did you mean 'refund'?"),
    ("'refnd' != intent.name", "value", "'refnd'", "did you mean 'refund'?"),
    ("intent.name in ['fees', 'refnd']", "value", "'refnd'", "did you mean 'refund'?"),
    ("!('serch' in done)", "value", "'serch'", "did you mean 'search'?"),
    ("done.exists(d, d == 'serch')", "value", "'serch'", "did you mean 'search'?"),
    ("actions.exists(a, a.status == 'don')", "value", "'don'", "did you mean 'done'?"),
    ("verdict.status == 'xyz'", "value", "'xyz'", "it can have: pass, revise"),
]


@pytest.mark.parametrize(("text", "kind", "named", "hint"), FLAWED)
def test_flaw_is_named_with_what_was_meant(text, kind, named, hint):
    Expression.compile(text)
    [flaw] = [f for f in flaws(text, ROUTE_FIELDS, VALUES) if named in f.message]
    assert flaw.kind == kind
    assert flaw.hint.startswith(hint)


CALLS = {
    "has": "has(a.b)", "size": "size('a')", "contains": "'ab'.contains('a')",
    "startsWith": "'ab'.startsWith('a')", "endsWith": "'ab'.endsWith('b')",
    "matches": "'ab'.matches('a.')", "int": "int('1')", "uint": "uint('1')",
    "double": "double('1')", "string": "string(1)", "bytes": "bytes('a')",
    "timestamp": "timestamp('2026-01-01T00:00:00Z')", "duration": "duration('1h')",
    "type": "type(1)", "dyn": "dyn(1)", "money": "money(1, 'EUR')", "lower": "lower('A')",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_that_passes_can_be_called(name):
    text = CALLS.get(name, f"timestamp('2026-01-01T00:00:00Z').{name}()")
    assert references(text, {"a": None}).functions[-1] == name or name in text
    Expression.compile(text).value({"a": {"b": 1}})


def test_function_that_does_not_pass_cannot_be_called():
    with pytest.raises(ConditionError):
        Expression.compile("sized([1])").value({})


@given(st.text(max_size=60))
def test_any_text_can_be_read(text):
    references(text, ROUTE_FIELDS)


@given(st.lists(st.sampled_from(["intent", ".", "name", "[", "]", "(", ")", "'a'", "==", "in", ",", "actions", "exists", "a", "+", "1"]), max_size=14))  # fmt: skip
def test_any_row_of_tokens_can_be_read(tokens):
    references(" ".join(tokens), ROUTE_FIELDS)


FLOW, INTENTS, PLANS, PEOPLE = "workflow.yaml", "intents.yaml", "playbooks.yaml", "principals.yaml"
ACTS = '"intent.acts && !acted"'

CASES = [
    (FLOW, ACTS, '"intent.acts && sized(evidence) > 0"', "condition"),
    (FLOW, ACTS, "\"actions.exists(a, a.statu == 'done')\"", "condition"),
    (FLOW, ACTS, "\"size(evidence) > 0 && evidence[0].titel == 'x'\"", "condition"),
    (FLOW, ACTS, "\"intent.name == 'refnd'\"", "condition-value"),
    (FLOW, ACTS, "\"intent.playbook == 'refnd'\"", "condition-value"),
    (FLOW, ACTS, "\"!('serch' in done)\"", "condition-value"),
    (FLOW, ACTS, "\"actions.exists(a, a.tool == 'refnd')\"", "condition-value"),
    (FLOW, ACTS, "\"verdict.status == 'approve'\"", "condition-value"),
    (FLOW, '"intent == null"', '"!intent.in_scope"', "condition-null"),
    (FLOW, '"intent == null"', '"hops"', "condition-null"),
    (FLOW, "check: \"draft.text != ''\"", "check: \"siz(draft.text) > 0\"", "condition"),
    (FLOW, '"Somebody looks at it."', '"{ownr} looks at it."', "message-placeholder"),
    (FLOW, "    agent: intent_classifier", "    agent: responder", "no-classifier"),
    (INTENTS, "      - charged twice", "      - charged twice\n      - ' '", "empty-utterance"),
    (PLANS, '{order: "=slots.order"}\n      - {key: unknown', '{order: "=results.paid.order"}\n      - {key: unknown', "condition"),
    (PLANS, '{order: "=slots.order"}\n      - {key: unknown', '{order: "=results.order.order"}\n      - {key: unknown', "condition"),
    (PLANS, '"=slots.order", cents', '"=abs(slots.order)", cents', "condition"),
    (PLANS, "no order {=slots.order}", "no order {=upper(slots.order)}", "condition"),
    (PLANS, "{=money(results", "{=mony(results", "condition"),
    (PLANS, ', when: "!results.order.found"', "", "unreachable-call"),
    (PLANS, '      - {text: "Nothing was to be paid back."}', '      - {text: "Nothing."}\n      - {text: "More."}', "unreachable-reply"),
]  # fmt: skip

# What the finding is about stands after the change.
BELOW = {"no-classifier": (INTENTS, 1), "unreachable-call": (PLANS, 11), "unreachable-reply": (PLANS, 17)}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), CASES)
def test_one_mistake_is_found_at_its_line(changed, file, old, new, code):
    changed(file, old, new)
    [found] = check(changed.folder)
    assert (found.severity, found.code) == ("error", code)
    place = BELOW.get(code)
    at = (str(changed.folder / place[0]), place[1]) if place else changed.at()
    assert (found.file, found.line) == at
    assert found.hint


WARNINGS = [
    (INTENTS, "      - charged twice", "      - charged twice\n      - Charged  TWICE!", "repeated-utterance"),
    (INTENTS, "[what is love]", "[what is love, what is Love?]", "repeated-utterance"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "code"), WARNINGS)
def test_doubtful_places_are_warned_about(changed, only, file, old, new, code):
    changed(file, old, new)
    only(code, severity="warning")


def test_result_that_comes_later_is_told_so(changed):
    changed(
        PLANS, 'arguments: {order: "=slots.order"}\n', 'arguments: {order: "=results.paid.x"}\n'
    )
    [found] = check(changed.folder)
    assert "'results.paid', which is not there yet" in found.message
    assert found.hint == "a call can use the results of the calls above it"


def test_result_of_another_playbook_can_be_used(changed):
    more = 'playbooks:\n  - name: more\n    calls: [{key: extra, tool: get_order, arguments: {order: "=results.paid.x"}}]\n'
    assert check(changed(PLANS, "playbooks:\n", more)) == []


def test_reviewing_role_that_nobody_has(changed):
    changed(PEOPLE, "roles: [finance]", "roles: [finances]")
    [found] = check(changed.folder)
    assert (found.severity, found.code) == ("warning", "unheld-role")
    assert (found.file, found.line) == (str(changed.folder / "policies/desk.cedar"), 4)
    changed(FLOW, "    review: policy\n", "    review: {mode: always, roles: [auditor]}\n")
    [found] = check(changed.folder)
    assert (found.code, found.file, found.line) == ("unheld-role", *changed.at())


@pytest.mark.parametrize(
    ("review", "told"),
    [
        ("{deadline: 2h, at_deadline: 'escalate:chief'}", "escalates at its deadline to the role"),
        ("{mode: always, roles: [finance, auditor]}", "has calls reviewed by the role 'auditor'"),
    ],
)
def test_role_of_a_step_that_nobody_has(changed, review, told):
    changed(FLOW, "    review: policy\n", f"    review: {review}\n")
    [found] = check(changed.folder)
    assert (found.severity, found.code, found.file, found.line) == (
        "warning",
        "unheld-role",
        *changed.at(),
    )
    assert told in found.message


@pytest.mark.parametrize(
    ("obligation", "told"),
    [
        (
            "review:finance, deadline:2h:escalate:chief",
            "escalates at its deadline to the role 'chief', which nobody has",
        ),
        ("review:2-of:finance", "asks for 2 people with the role 'finance', which too few have"),
    ],
)
def test_role_of_a_policy_that_nobody_or_too_few_have(changed, obligation, told):
    changed("policies/desk.cedar", "review:finance", obligation)
    [found] = check(changed.folder)
    assert (found.severity, found.code) == ("warning", "unheld-role")
    assert told in found.message


def test_without_declared_people_roles_are_up_to_the_host(changed):
    assert check(changed(PEOPLE, "", None)) == []


def test_classifier_without_intents(changed):
    changed(INTENTS, "", "out_of_scope: [what is love]\n")
    assert "no-intents" in {p.code for p in check(changed.folder)}
    (changed.folder / INTENTS).write_text("intents: [\n")
    assert {p.code for p in check(changed.folder)} == {"yaml"}
