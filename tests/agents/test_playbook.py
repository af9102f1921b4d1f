import pytest

from concertmaster.agents.playbook import Calls, Finished, advance, reply
from concertmaster.contracts import ActionResult
from concertmaster.contracts.spec import CallSpec, PlaybookSpec, ReplySpec
from concertmaster.policies.conditions import ConditionError

PLAYBOOK = PlaybookSpec(
    name="refund",
    calls=(
        CallSpec(key="order", tool="get_order", arguments={"order_id": "=slots.order_id"}),
        CallSpec(key="payments", tool="get_payments", arguments={"order_id": "=slots.order_id"}),
        CallSpec(key="gone", when="results.order.status == 'refunded'", stop="Already refunded."),
        CallSpec(
            key="refund",
            tool="refund",
            arguments={"amount": "=results.order.total", "note": "asked", "empty": "=slots.note"},
        ),
        CallSpec(key="mail", tool="mail", arguments={"amount": "=results.refund.amount"}),
    ),
    reply=(
        ReplySpec(when="results.refund.amount > 1000", text="A lot: {=results.refund.amount}"),
        ReplySpec(text="Refunded {=money(results.refund.amount, 'EUR')}."),
    ),
)
KNOWN = {"slots": {"order_id": 7, "note": None}}
READS = {"get_order", "get_payments"}


def result(key, output=None, status="done", position=0):
    return ActionResult(position=position, key=key, tool=key, status=status, output=output)


def move(*results):
    return advance(PLAYBOOK, KNOWN, results, READS)


def test_independent_reads_are_proposed_together_and_effects_alone():
    first = move()
    assert isinstance(first, Calls)
    assert [c.key for c in first.calls] == ["order", "payments"]
    assert first.calls[0].arguments == {"order_id": 7}
    second = move(result("order", {"status": "paid", "total": 500}), result("payments", []))
    assert [c.key for c in second.calls] == ["refund"]


def test_arguments_that_are_null_are_left_out():
    second = move(result("order", {"status": "paid", "total": 500}), result("payments", []))
    assert second.calls[0].arguments == {"amount": 500, "note": "asked"}


def test_business_outcome_ends_the_plan_with_its_words():
    end = move(result("order", {"status": "refunded", "total": 500}), result("payments", []))
    assert end == Finished("Already refunded.", "the plan ends at 'gone'")


@pytest.mark.parametrize("status", ["denied", "rejected", "failed", "in_doubt", "answered"])
def test_call_that_did_not_take_place_ends_the_plan(status):
    end = move(
        result("order", {"status": "paid", "total": 5}),
        result("payments", []),
        result("refund", status=status),
    )
    assert isinstance(end, Finished)
    assert end.said is None


def test_settled_plan_is_finished_and_replied_to():
    results = (
        result("order", {"status": "paid", "total": 500}),
        result("payments", []),
        result("refund", {"amount": 500}),
        result("mail", {}),
    )
    assert move(*results) == Finished(None, "every call of the plan is settled")
    assert reply(PLAYBOOK, KNOWN, results) == "Refunded 5.00 EUR."


def test_expression_over_a_missing_value_is_an_error_not_a_guess():
    with pytest.raises(ConditionError):
        move(result("order", {"status": "paid"}), result("payments", []))
