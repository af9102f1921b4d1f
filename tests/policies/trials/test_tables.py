"""Tables of calls: what a row says, what follows from it, and what is compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from concertmaster.contracts import History, Past
from concertmaster.policies.trials import CaseError, Row, TestsFile, run_row, undecided
from concertmaster.policies.trials.cases import completed

ORDER = {"customer": "ana", "total_cents": 500_000, "dispatched": False}

RULES = """
@id("small") permit (principal, action == Action::"refund_payment", resource)
when { principal.id == context.facts.customer && context.args.amount_cents <= 5000 };
@id("large") @obligation("review:finance, review:2-of:risk, redact:iban, notify:owner")
permit (principal, action == Action::"refund_payment", resource)
when { context.args.amount_cents > 5000 };
@id("moved") forbid (principal, action == Action::"refund_payment", resource)
when { context.history.thread.done.contains("change_address") };
@id("read") permit (principal, action == Action::"get_order", resource)
when { context.label.trusted && context.history.run.calls < 2 };
"""


def row(**changes):
    given = {
        "name": "a refund",
        "tool": "refund_payment",
        "principal": "ana",
        "arguments": {"order_id": 1042, "amount_cents": 3000},
        "facts": ORDER,
        "expect": "allow",
    }
    return Row.model_validate(given | changes)


def read(**changes):
    return row(tool="get_order", arguments={"order_id": 7}, **changes)


@pytest.fixture
def setting(setting_of):
    return setting_of(RULES)


def timed(setting_of):
    large = RULES.replace("review:finance,", "review:finance, deadline:2h:escalate:boss,")
    return setting_of(large)


@pytest.mark.parametrize("told", ["2h:escalate:boss", "120m:escalate:boss", "7200s:escalate:boss"])
def test_deadline_is_compared_however_it_is_written(setting_of, told):
    large = {"arguments": {"order_id": 1, "amount_cents": 9000}, "expect": "review"}
    assert run_row(row(deadline=told, **large), timed(setting_of)).passed


def test_other_deadline_is_told(setting_of, setting):
    large = {"arguments": {"order_id": 1, "amount_cents": 9000}, "expect": "review"}
    (found,) = run_row(row(deadline="1h:reject", **large), timed(setting_of)).differences
    assert (found.key, found.expected, found.actual) == (
        "deadline",
        "1h:reject",
        "2h:escalate:boss",
    )
    (found,) = run_row(row(deadline="1h:reject", **large), setting).differences
    assert found.actual == "none"


@pytest.mark.parametrize("wrong", [{"deadline": "1h"}, {"deadline": "1h:reject", "expect": "deny"}])
def test_row_with_a_deadline_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError, match="deadline"):
        row(**{"expect": "review", **wrong})


def keys(result):
    return [d.key for d in result.differences]


def test_row_passes_when_everything_comes_as_expected(setting):
    result = run_row(row(policies=["small"], said="Refund 30 euros for order 1042"), setting)
    assert result.passed
    assert result.remark is None


def test_other_decision_is_told_in_words(setting):
    result = run_row(row(expect="review", needs=["finance"]), setting)
    assert not result.passed
    difference = result.differences[0]
    assert (difference.key, difference.expected, difference.actual) == (
        "decision",
        "review",
        "allow",
    )


def test_needs_and_duties_are_compared_exactly(setting):
    large = {"arguments": {"order_id": 1, "amount_cents": 9000}, "expect": "review"}
    right = {"needs": ["2-of:risk", "finance"], "duties": ["notify:owner", "redact:iban"]}
    assert run_row(row(**large, **right), setting).passed
    assert run_row(row(**large), setting).passed
    assert keys(run_row(row(**large, needs=["finance", "risk"]), setting)) == ["needs"]
    assert keys(run_row(row(**large, needs=["finance"]), setting)) == ["needs"]
    assert keys(run_row(row(**large, duties=["redact:iban"]), setting)) == ["duties"]
    assert keys(run_row(row(**large, duties=[]), setting)) == ["duties"]


def test_policies_must_be_among_those_that_decide(setting):
    assert keys(run_row(row(policies=["large"]), setting)) == ["policies"]


def test_origins_and_what_was_asked_are_compared(setting):
    said = {"said": "please refund order 1042", "results": [{"tool": "get_order", "output": {}}]}
    found = run_row(row(**said, origins={"order_id": "principal"}, asked=True), setting)
    assert found.passed
    wrong = run_row(row(**said, origins={"amount_cents": "principal"}, asked=False), setting)
    assert keys(wrong) == ["origin of amount_cents", "asked"]
    assert wrong.differences[0].actual == "composed"


def test_outputs_are_untrusted_but_for_what_the_tool_endorses(setting):
    results = [{"tool": "get_order", "output": {"id": 1042, "paid_cents": 3000}}]
    origins = {"order_id": "trusted", "amount_cents": "untrusted"}
    assert run_row(row(results=results, origins=origins), setting).passed


def test_documents_are_trusted(setting):
    found = row(documents="Order 1042 cost 3000.", origins={"order_id": "trusted"})
    assert run_row(found, setting).passed


def test_intent_offers_its_tools(setting):
    assert run_row(row(intent="refund", asked=True), setting).passed
    assert run_row(row(intent="greeting", asked=False), setting).passed


def test_history_and_label_follow_from_results(setting):
    assert run_row(read(), setting).passed
    one = {"results": [{"tool": "get_order", "output": {}}]}
    assert run_row(read(**one, expect="deny"), setting).passed
    assert run_row(read(**one, label={"trusted": True}), setting).passed
    two = {"results": one["results"] * 2, "label": {"trusted": True}}
    assert run_row(read(**two, expect="deny"), setting).passed


def test_result_of_a_tool_makes_it_done(setting):
    moved = {"results": [{"tool": "change_address", "output": None}]}
    assert run_row(row(**moved, expect="deny", policies=["moved"]), setting).passed
    history = {"history": {"run": {"done": ["change_address"]}}}
    assert run_row(row(**history, expect="deny", policies=["moved"]), setting).passed


def test_step_is_the_first_that_lists_the_tool_or_the_named_one(setting):
    assert run_row(read(), setting).explanation.call.step == "reader"
    strict = run_row(row(step="strict", expect="review", needs=["boss"]), setting)
    assert strict.passed
    elsewhere = run_row(row(step="reader", expect="deny"), setting)
    assert elsewhere.passed
    assert "before any policy was asked" in elsewhere.remark


def test_denial_for_want_of_facts_is_remarked(setting):
    assert "facts were not looked up" in run_row(row(facts=None, expect="deny"), setting).remark
    other = row(arguments={"order_id": "x", "amount_cents": 1}, expect="deny")
    assert "do not fit" in run_row(other, setting).remark
    assert run_row(row(facts=None), setting).remark is None
    assert not run_row(row(facts=None), setting).passed


@pytest.mark.parametrize(
    ("changes", "key", "hint"),
    [
        ({"tool": "refund_paymnt"}, "tool", "refund_payment"),
        ({"principal": "anna"}, "principal", "ana"),
        ({"step": "exector"}, "step", "executor"),
        ({"intent": "refnd"}, "intent", "refund"),
        ({"facts": {**ORDER, "custmer": "ana"}}, "facts.custmer", "customer"),
        ({"policies": ["smal"]}, "policies", "small"),
        ({"origins": {"order": "trusted"}}, "origins", "order_id"),
        ({"history": {"run": {"done": ["chnge_address"]}}}, "history.run.done", "change_address"),
        ({"results": [{"tool": "get_ordr"}]}, "results.0.tool", "get_order"),
    ],
)
def test_name_that_does_not_exist_is_refused_with_a_suggestion(setting, changes, key, hint):
    with pytest.raises(CaseError) as refused:
        run_row(row(**changes), setting)
    assert refused.value.key == key
    assert f"'{hint}'" in refused.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"needs": ["finance"]},
        {"expect": "deny", "duties": ["redact:iban"]},
        {"expect": "review", "needs": ["0-of:risk"]},
        {"duties": ["review:finance"]},
        {"origins": {"order_id": "mine"}},
        {"expected": "allow"},
        {"principal": 5},
        {"principal": {"id": "x", "rols": []}},
        {"name": ""},
    ],
)
def test_row_that_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        row(**changes)


def test_empty_table_is_refused():
    with pytest.raises(ValidationError):
        TestsFile(tests=())


def test_policies_that_decided_no_row_are_told(setting):
    results = [run_row(row(), setting), run_row(read(), setting)]
    left = undecided(setting.engine.policies, results)
    assert [policy.id for policy in left] == ["large", "moved"]


def test_without_steps_every_tool_may_be_called(setting_of):
    assert run_row(row(), setting_of(RULES, steps={})).passed


pasts = st.builds(
    Past,
    done=st.frozensets(st.sampled_from(["a", "b", "c"])),
    calls=st.integers(0, 5),
    consequential=st.integers(0, 5),
    refused=st.integers(0, 5),
)


@given(st.builds(History, run=pasts, thread=pasts), st.frozensets(st.sampled_from("abc")))
def test_completed_history_agrees_with_itself(history, effects):
    found = completed(history, effects)
    for past, given_past in ((found.run, history.run), (found.thread, history.thread)):
        assert past.done >= given_past.done
        assert past.calls >= max(given_past.calls, past.consequential, len(past.done))
        assert past.consequential >= len(past.done & effects)
    assert found.thread.done >= found.run.done
    assert found.thread.calls >= found.run.calls
    assert completed(found, effects) == found
