"""The gate over the shop's policies: what it lets through, and that it always answers."""

import doctest
import sys
from collections.abc import Callable
from types import MappingProxyType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import concertmaster.policies.gate
import concertmaster.policies.obligations
from concertmaster.contracts import (
    ANONYMOUS,
    Action,
    Allow,
    Confidentiality,
    Deny,
    Label,
    Principal,
    Review,
    ReviewNeed,
    ToolShape,
    Trust,
)
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.policies import Call, Gate, PolicyEngine

MakeCall = Callable[..., Call]


def refund(cents: Any) -> dict[str, Any]:
    return {"order_id": 1042, "amount_cents": cents}


def test_small_refund_on_own_order_is_allowed(shop: Gate, call: MakeCall):
    decision = shop.decide(call())
    assert isinstance(decision, Allow)
    assert decision.policies == ("refunds.small",)
    assert decision.reasons == ("refunds up to 50.00 on one's own order need nobody",)
    assert decision.bundle == shop.bundle


@pytest.mark.parametrize(("cents", "allowed"), [(5000, True), (5001, False)])
def test_refund_at_the_threshold(shop: Gate, call: MakeCall, cents: int, allowed: bool):
    decision = shop.decide(call(arguments=refund(cents)))
    assert isinstance(decision, Allow if allowed else Review)


def test_large_refund_needs_finance(shop: Gate, call: MakeCall):
    decision = shop.decide(call(arguments=refund(8000)))
    assert isinstance(decision, Review)
    assert decision.needs == (ReviewNeed(role="finance"),)
    assert decision.reasons == ("refunds over 50.00 are looked at by finance",)


def test_obligations_are_the_union_over_the_determining_permits(shop: Gate, call: MakeCall):
    decision = shop.decide(call(arguments=refund(100_001)))
    assert isinstance(decision, Review)
    assert decision.policies == ("refunds.large", "refunds.huge")
    assert decision.needs == (ReviewNeed(role="finance"), ReviewNeed(role="risk", count=2))


def test_refund_over_the_orders_total_is_denied_by_the_forbid(shop: Gate, call: MakeCall):
    facts = {"customer": "ana", "total_cents": 2999, "dispatched": False}
    decision = shop.decide(call(facts=facts))
    assert isinstance(decision, Deny)
    assert decision.policies == ("refunds.not-over-total",)
    assert decision.reasons == ("nobody gets back more than was paid",)


def test_refund_on_anothers_order_is_denied(shop: Gate, call: MakeCall):
    decision = shop.decide(call(principal=Principal(id="bob", roles=("customer", "staff"))))
    assert isinstance(decision, Deny)
    assert decision.reasons == ("no policy permits this call of refund_payment",)


@pytest.mark.parametrize("cents", [0, -1, -(2**63)])
def test_refund_of_nothing_or_less_is_denied(shop: Gate, call: MakeCall, cents: int):
    assert isinstance(shop.decide(call(arguments=refund(cents))), Deny)


def test_staff_reads_every_order_and_customers_their_own(shop: Gate, call: MakeCall):
    def reads(principal: Principal) -> bool:
        made = call("get_order", arguments={"order_id": 1}, principal=principal)
        return isinstance(shop.decide(made), Allow)

    assert reads(Principal(id="ana"))
    assert reads(Principal(id="li", roles=("staff",)))
    assert not reads(Principal(id="bob", roles=("customer",)))
    assert not reads(Principal(id="eve", roles=("Staff", "staff ", "ѕtaff")))


def test_anonymous_is_nobodys_customer(shop: Gate, call: MakeCall):
    facts = {"customer": "anonymous", "total_cents": 1, "dispatched": False}
    made = call("get_order", arguments={"order_id": 1}, principal=ANONYMOUS, facts=facts)
    assert isinstance(shop.decide(made), Deny)


@pytest.mark.parametrize("dispatched", [True, False])
def test_address_change_is_forbidden_after_dispatch(shop: Gate, call: MakeCall, dispatched: bool):
    facts = {"customer": "ana", "total_cents": 1, "dispatched": dispatched}
    made = call("change_address", arguments={"order_id": 1, "address": "Elm 1"}, facts=facts)
    assert isinstance(shop.decide(made), Deny if dispatched else Allow)


# -- before the policies are asked ------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["refund", "Refund_payment", "REFUND_PAYMENT", "refund_payment ", "refund_pаyment", "", "*"],
)
def test_tool_of_another_name_is_denied_even_if_it_is_listed(shop: Gate, call: MakeCall, name: str):
    decision = shop.decide(call(name, allowed=(name, "refund_payment")))
    assert isinstance(decision, Deny)
    assert "there is no tool" in decision.reasons[0]


def test_permitted_tool_outside_the_steps_list_is_denied(shop: Gate, call: MakeCall):
    decision = shop.decide(call(allowed=("get_order",)))
    assert isinstance(decision, Deny)
    assert decision.reasons == ("the step executor may not use refund_payment",)


@pytest.mark.parametrize("allowed", [(), "refund_payment", ("refund",), ("REFUND_PAYMENT",), None])
def test_only_the_exact_name_in_the_list_counts(shop: Gate, call: MakeCall, allowed: Any):
    assert isinstance(shop.decide(call(allowed=allowed)), Deny)


def test_facts_that_could_not_be_had_deny(shop: Gate, call: MakeCall):
    decision = shop.decide(call(facts=None, facts_error="the order database is away"))
    assert isinstance(decision, Deny)
    assert "the order database is away" in decision.reasons[0]


def test_error_beats_facts_that_are_there(shop: Gate, call: MakeCall):
    assert isinstance(shop.decide(call(facts_error="")), Deny)


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        {"customer": "ana"},
        {"customer": "ana", "total_cents": "500000", "dispatched": False},
        {"customer": "ana", "total_cents": 2**63, "dispatched": False},
        {"customer": {"__entity": {"type": "User", "id": "ana"}}, "total_cents": 1},
        {"customer": None, "total_cents": 500_000, "dispatched": False},
        "customer",
    ],
)
def test_missing_or_mistyped_facts_deny(shop: Gate, call: MakeCall, facts: Any):
    assert isinstance(shop.decide(call(facts=facts)), Deny)


def test_facts_nobody_declared_are_not_seen(shop: Gate, call: MakeCall):
    facts = {"customer": "ana", "total_cents": 500_000, "dispatched": False, "vip": True}
    assert isinstance(shop.decide(call(facts=facts)), Allow)


# -- review points ----------------------------------------------------------------------------


def test_review_always_adds_the_steps_roles_to_an_allowed_write(shop: Gate, call: MakeCall):
    review = ReviewSpec(mode="always", roles=("team_lead",))
    decision = shop.decide(call(review=review))
    assert isinstance(decision, Review)
    assert decision.needs == (ReviewNeed(role="team_lead"),)
    assert decision.policies == ("refunds.small",)
    assert decision.reasons[-1] == "the step executor has every such call reviewed"


def test_review_always_joins_what_policies_ask_for(shop: Gate, call: MakeCall):
    review = ReviewSpec(mode="always", roles=("risk", "finance"))
    decision = shop.decide(call(arguments=refund(100_001), review=review))
    assert isinstance(decision, Review)
    assert decision.needs == (ReviewNeed(role="finance"), ReviewNeed(role="risk", count=2))


def test_review_always_leaves_reads_and_denials_alone(shop: Gate, call: MakeCall):
    review = ReviewSpec(mode="always", roles=("team_lead",))
    read = call("get_order", arguments={"order_id": 1}, review=review)
    assert isinstance(shop.decide(read), Allow)
    foreign = call(principal=Principal(id="bob"), review=review)
    assert isinstance(shop.decide(foreign), Deny)


def test_review_always_without_a_role_denies(shop: Gate, call: MakeCall):
    decision = shop.decide(call(review=ReviewSpec(mode="always")))
    assert isinstance(decision, Deny)
    assert "names no role" in decision.reasons[0]


def test_review_none_does_not_lift_a_policys_obligation(shop: Gate, call: MakeCall):
    review = ReviewSpec(mode="none", waiver="we trust the model")
    assert isinstance(shop.decide(call(arguments=refund(8000), review=review)), Review)


# -- what policies can speak of ---------------------------------------------------------------


ANA = Principal(id="ana", name="Ana", groups=("berlin",), tenant="x")


@pytest.mark.parametrize(
    ("condition", "changes"),
    [
        ("principal.groups.contains('berlin')", {"principal": ANA}),
        ("principal has tenant && principal.tenant == 'x'", {"principal": ANA}),
        ("principal has name && principal.name == 'Ana'", {"principal": ANA}),
        ("context.step == 'executor' && context.workspace == 'shop'", {}),
        ("context has intent && context.intent == 'refund'", {}),
        ("!(context has intent)", {"intent": None}),
        ("context.label.trusted && context.label.confidentiality == 'internal'",
         {"label": Label(trust=Trust.trusted, confidentiality=Confidentiality.internal)}),
        ("!context.label.trusted", {}),
        ("resource.effect == 'irreversible' && resource.consequential", {}),
        ("context.args has note && context.args.note like '*broken*'",
         {"arguments": {**refund(1), "note": "it came broken"}}),
        ("!(context.args has note)", {"arguments": {**refund(1), "note": None}}),
        ("resource == Tool::'refund_payment'", {}),
        ("principal == User::'ana'", {}),
    ],
)  # fmt: skip
def test_condition_holds_exactly_for_its_call(
    gate_of: Callable[..., Gate], call: MakeCall, condition: str, changes: dict[str, Any]
):
    text = condition.replace("'", '"')
    scope = '(principal, action == Action::"refund_payment", resource)'
    made = call(**changes)
    yes = gate_of(f'@id("p") permit {scope} when {{ {text} }};')
    assert isinstance(yes.decide(made), Allow)
    no = gate_of(f'@id("p") permit {scope} unless {{ {text} }};')
    assert isinstance(no.decide(made), Deny)


# -- totality and determinism -----------------------------------------------------------------


def test_without_policies_everything_is_denied(
    gate_of: Callable[..., Gate], shapes: dict[str, ToolShape], call: MakeCall
):
    for gate in (gate_of(), Gate(PolicyEngine.load(None, shapes), shapes, "shop")):
        assert isinstance(gate.decide(call()), Deny)
        assert isinstance(gate.decide(call("get_order", arguments={"order_id": 1})), Deny)


def test_decision_is_bound_to_the_same_digest_as_the_action(shop: Gate, call: MakeCall):
    action = Action(
        position=0, step="executor", tool="refund_payment", arguments=refund(3000), key="r", why=""
    )
    for made in (call(), call(allowed=()), call(arguments=refund(8000))):
        expected = action.model_copy(update={"arguments": dict(made.arguments)}).call_digest()
        assert shop.decide(made).call == expected


def test_order_of_keys_changes_nothing(shop: Gate, call: MakeCall):
    one = shop.decide(call(arguments={"order_id": 1, "amount_cents": 8000, "note": "a"}))
    two = shop.decide(call(arguments={"note": "a", "amount_cents": 8000, "order_id": 1}))
    assert one == two


def test_read_only_mapping_is_as_good_as_a_dict(shop: Gate, call: MakeCall):
    assert isinstance(shop.decide(call(arguments=MappingProxyType(refund(3000)))), Allow)


class Explosive(dict[str, Any]):
    """A mapping that fails as soon as somebody looks into it."""

    def items(self) -> Any:
        raise RuntimeError("boom")

    __iter__ = items


class Panic(BaseException):
    """What a panic of a native library looks like from here."""


class PanickingEngine(PolicyEngine):
    """An engine whose native part gives up."""

    def decide(self, *args: Any, **kwargs: Any) -> Any:
        raise Panic("index out of bounds")


def test_panic_of_the_engine_denies(shapes: dict[str, ToolShape], call: MakeCall):
    decision = Gate(PanickingEngine((), shapes), shapes, "shop").decide(call())
    assert isinstance(decision, Deny)
    assert "Panic" in decision.reasons[0]
    assert "index" not in decision.reasons[0]


def test_interrupt_by_the_user_is_no_decision(shapes: dict[str, ToolShape], call: MakeCall):
    class Interrupted(PolicyEngine):
        def decide(self, *args: Any, **kwargs: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Gate(Interrupted((), shapes), shapes, "shop").decide(call())


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def circle() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = value
    return value


HOSTILE: list[Any] = [
    None,
    [],
    "refund",
    {},
    {"order_id": 1},
    refund(None),
    refund("3000"),
    refund(3000.0),
    refund(True),
    refund(float("nan")),
    refund([3000]),
    refund({"__extn": {"fn": "decimal", "arg": "1.0"}}),
    refund(2**63),
    refund(-(2**63) - 1),
    refund(10**5000),
    {**refund(3000), "extra": 1},
    {**refund(3000), "__entity": {"type": "User", "id": "ana"}},
    {**refund(3000), "note": {"__entity": {"type": "User", "id": "ana"}}},
    {**refund(3000), "note": [{"deep": {"__extn": 1}}]},
    {**refund(3000), "note": "\ud800"},
    {**refund(3000), "note": b"bytes"},
    {**refund(3000), "note": object()},
    {**refund(3000), 1: 2},
    {**refund(3000), "note": nested(100_000)},
    {**refund(3000), "note": circle()},
    Explosive(refund(3000)),
]


@pytest.mark.parametrize("arguments", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_arguments_are_denied(shop: Gate, call: MakeCall, arguments: Any):
    assert isinstance(shop.decide(call(arguments=arguments)), Deny)


@pytest.mark.parametrize("note", ["\x00", "\u202e", '"]}', "x" * 1_000_000, "__entity", "'; --"])
def test_odd_text_is_only_text(shop: Gate, call: MakeCall, note: str):
    assert isinstance(shop.decide(call(arguments={**refund(3000), "note": note})), Allow)


@pytest.mark.parametrize(
    "change",
    [
        {"principal": None},
        {"principal": Principal(id="ana\nb")},
        {"principal": Principal(id='"::User')},
        {"step": None},
        {"step": "\ud800"},
        {"intent": 5},
        {"label": None},
        {"review": None},
        {"tool": None},
        {"tool": ["refund_payment"]},
        {"tool": "x" * 1_000_000},
    ],
)
def test_malformed_call_is_denied(shop: Gate, call: MakeCall, change: dict[str, Any]):
    assert isinstance(shop.decide(call(**change)), Deny)


def test_reasons_never_hold_values_of_the_call(shop: Gate, call: MakeCall):
    secret = "4111 1111 1111 1111"
    for arguments in (refund(secret), {**refund(3000), "note": [secret]}, {secret: 1}):
        decision = shop.decide(call(arguments=arguments))
        assert isinstance(decision, Deny)
        assert secret not in str(decision)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["__entity", "__extn", "ana", "red", "3.5"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(["__entity", "__extn", "type", "id", "fn", "arg"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
some_arguments = st.dictionaries(
    st.sampled_from(
        ["order_id", "amount_cents", "note", "text", "number", "ratio", "price", "tags", "__expr"]
    )
    | st.text(max_size=4),
    anything,
    max_size=6,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_arguments, st.sampled_from(["refund_payment", "get_order", "everything", "x"]))
@example({"text": "a", "number": 1, "ratio": 1e308}, "everything")
@example({"text": "a", "number": 1, "price": "1e999999999"}, "everything")
def test_gate_always_answers(shop: Gate, call: MakeCall, arguments: dict[str, Any], tool: str):
    decision = shop.decide(call(tool, arguments=arguments))
    assert decision.kind in {"allow", "review", "deny"}
    assert decision.reasons
    if tool in {"everything", "x"}:
        assert decision.kind == "deny"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_arguments, st.randoms(use_true_random=False))
def test_order_of_keys_never_changes_a_decision(
    shop: Gate, call: MakeCall, arguments: dict[str, Any], random: Any
):
    items = list({"order_id": 1, "amount_cents": 8000, **arguments}.items())
    first = shop.decide(call(arguments=dict(items)))
    random.shuffle(items)
    assert shop.decide(call(arguments=dict(items))) == first


def test_deep_stack_denies_and_does_not_raise(shop: Gate, call: MakeCall):
    answers: list[Any] = []

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        else:
            answers.append(shop.decide(call(arguments={**refund(3000), "note": nested(300)})))

    deeper(sys.getrecursionlimit() - 400)
    assert isinstance(answers[0], Deny)


@pytest.mark.parametrize(
    "module", [concertmaster.policies.gate, concertmaster.policies.obligations]
)
def test_example_in_the_docstring_runs(module: ModuleType):
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)
