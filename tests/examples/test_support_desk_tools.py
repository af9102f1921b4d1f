"""The sample support desk's tools and policies, on the books that `setup` makes."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from concertmaster.contracts.spec import PrincipalsFile, ReviewSpec
from concertmaster.errors import ToolError
from concertmaster.policies import Call, Gate, PolicyEngine
from concertmaster.tools import ToolContext
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.toolbox import Toolbox

DESK = Path(__file__).resolve().parents[2] / "examples" / "support_desk"
TOOLS = Toolbox.load(DESK)
PEOPLE = {
    p.id: p
    for p in PrincipalsFile.model_validate(
        yaml.safe_load((DESK / "principals.yaml").read_text("utf-8"))
    ).principals
}
EFFECTS = {
    "refund_payment": {"order_id": 1058, "amount_cents": 3550, "reason": "damaged"},
    "change_address": {"order_id": 1077, "address": "Brink 9, 7411 BR Deventer"},
    "cancel_order": {"order_id": 1077},
    "replace_item": {"order_id": 1055, "sku": "KIT-KOM", "reason": "damaged"},
    "issue_store_credit": {"order_id": 1049, "amount_cents": 1500, "note": "late delivery"},
}


@pytest.fixture
def ctx(tmp_path: Path) -> ToolContext:
    TOOLS.prepare(tmp_path)
    return ToolContext(
        principal=PEOPLE["ana"],
        run="run-1",
        thread="t-1",
        idempotency_key="key-1",
        data_dir=tmp_path,
    )


@pytest.fixture(scope="module")
def gate() -> Gate:
    shapes = TOOLS.shapes()
    return Gate(PolicyEngine.load(DESK / "policies", shapes), shapes, "support_desk")


def dump(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "shop.sqlite3")
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def run(name: str, ctx: ToolContext, **arguments):
    return TOOLS[name](**TOOLS[name].call_arguments(arguments), ctx=ctx)


def decide(gate: Gate, tool: str, who: str, arguments, facts):
    call = Call(
        tool=tool,
        arguments=TOOLS[tool].validate(arguments),
        principal=PEOPLE[who],
        step="executor",
        allowed=TOOLS.names,
        review=ReviewSpec(),
        facts=facts,
    )
    return gate.decide(call)


def needs(decision) -> list[str]:
    return [n.role for n in decision.needs] if decision.kind == "review" else []


def test_books_are_the_same_wherever_they_are_made(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Toolbox.load(DESK).prepare(tmp_path / name)
    assert dump(tmp_path / "one") == dump(tmp_path / "two")


def test_books_hold_customers_orders_and_payments(ctx: ToolContext):
    connection = sqlite3.connect(ctx.data_dir / "shop.sqlite3")
    counts = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("customers", "orders", "order_items", "payments", "shipments", "refunds")
    }
    statuses = {s for (s,) in connection.execute("SELECT DISTINCT status FROM orders")}
    connection.close()
    assert counts["customers"] == 25
    assert counts["orders"] == 80
    assert all(counts.values())
    assert statuses == {"placed", "packed", "dispatched", "delivered", "cancelled", "returned"}


def test_making_the_books_again_takes_nothing_back(ctx: ToolContext):
    for number, (name, arguments) in enumerate(EFFECTS.items()):
        run(name, replace(ctx, idempotency_key=f"key-{number}"), **arguments)
    before = dump(ctx.data_dir)
    Toolbox.load(DESK).prepare(ctx.data_dir)
    assert dump(ctx.data_dir) == before


@pytest.mark.parametrize("name", EFFECTS)
def test_same_key_has_its_effect_once(ctx: ToolContext, name: str):
    first = run(name, ctx, **EFFECTS[name])
    after = dump(ctx.data_dir)
    assert run(name, ctx, **EFFECTS[name]) == first
    assert dump(ctx.data_dir) == after
    assert TOOLS[name].reconcile(EFFECTS[name], ctx) == first


@pytest.mark.parametrize("name", EFFECTS)
def test_same_key_at_the_same_time_has_its_effect_once(ctx: ToolContext, name: str):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: run(name, ctx, **EFFECTS[name]), range(4)))
    assert results == [results[0]] * 4


@pytest.mark.parametrize("name", EFFECTS)
def test_nothing_is_looked_up_of_a_call_that_was_not_made(ctx: ToolContext, name: str):
    assert TOOLS[name].reconcile(EFFECTS[name], ctx) is None


@pytest.mark.parametrize("name", EFFECTS)
async def test_call_is_judged_again_as_it_was_the_first_time(
    ctx: ToolContext, gate: Gate, name: str
):
    who = "sam" if name == "issue_store_credit" else "ana"
    before = await resolve_facts(TOOLS[name], EFFECTS[name], ctx)
    run(name, ctx, **EFFECTS[name])
    after = await resolve_facts(TOOLS[name], EFFECTS[name], ctx)
    assert decide(gate, name, who, EFFECTS[name], after) == decide(
        gate, name, who, EFFECTS[name], before
    )
    assert after == before


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("refund_payment", {"order_id": 1058, "amount_cents": 4041}),
        ("refund_payment", {"order_id": 1077, "amount_cents": 1}),
        ("refund_payment", {"order_id": 9999, "amount_cents": 100}),
        ("cancel_order", {"order_id": 1071}),
        ("cancel_order", {"order_id": 1064}),
        ("change_address", {"order_id": 1071, "address": "Brink 9, 7411 BR Deventer"}),
        ("replace_item", {"order_id": 1055, "sku": "KIT-MES"}),
        ("replace_item", {"order_id": 1057, "sku": "KIT-GRIL"}),
        ("issue_store_credit", {"order_id": 9999, "amount_cents": 100}),
    ],
)
def test_what_would_break_the_books_is_refused_and_leaves_no_trace(
    ctx: ToolContext, name: str, arguments
):
    before = dump(ctx.data_dir)
    with pytest.raises(ToolError):
        run(name, ctx, **arguments)
    assert dump(ctx.data_dir) == before


def test_refunds_never_add_up_to_more_than_was_paid(ctx: ToolContext):
    run("refund_payment", ctx, order_id=1058, amount_cents=4000)
    again = replace(ctx, idempotency_key="key-2")
    with pytest.raises(ToolError):
        run("refund_payment", again, order_id=1058, amount_cents=41)
    run("refund_payment", again, order_id=1058, amount_cents=40)
    assert run("get_payments", ctx, order_id=1058)["refundable_cents"] == 0


def test_article_is_replaced_once(ctx: ToolContext):
    run("replace_item", ctx, **EFFECTS["replace_item"])
    with pytest.raises(ToolError, match="replaced before"):
        run("replace_item", replace(ctx, idempotency_key="key-2"), **EFFECTS["replace_item"])
    assert run("find_item", ctx, order_id=1055, description="bowls")["replaced"]


def test_effects_show_in_what_is_looked_up(ctx: ToolContext):
    run("change_address", ctx, **EFFECTS["change_address"])
    assert run("get_order", ctx, order_id=1077)["address"] == "Brink 9, 7411 BR Deventer"
    run("cancel_order", ctx, order_id=1077)
    assert run("get_order", ctx, order_id=1077)["status"] == "cancelled"
    assert run("get_payments", ctx, order_id=1077)["reserved_cents"] == 0
    before = run("get_store_credit", ctx, customer="chloe")["balance_cents"]
    granted = run("issue_store_credit", ctx, **EFFECTS["issue_store_credit"])
    assert granted["balance_cents"] == before + 1500
    assert run("get_store_credit", ctx, customer="chloe")["balance_cents"] == before + 1500


def test_duplicate_charge_is_seen_until_it_is_refunded(ctx: ToolContext):
    seen = run("get_payments", ctx, order_id=1042)
    assert (seen["captured_times"], seen["overcharged_cents"]) == (2, 12900)
    run("refund_payment", ctx, order_id=1042, amount_cents=12900, reason="charged_twice")
    assert run("get_payments", ctx, order_id=1042)["overcharged_cents"] == 0


def test_two_reservations_are_no_charge(ctx: ToolContext):
    seen = run("get_payments", ctx, order_id=1079)
    assert (seen["reserved_times"], seen["captured_cents"], seen["overcharged_cents"]) == (2, 0, 0)


def test_carrier_that_is_down_has_a_fallback(ctx: ToolContext):
    with pytest.raises(ToolError, match="Celeris"):
        run("track_shipment", ctx, order_id=1069)
    fallback = TOOLS[TOOLS["track_shipment"].fallback]
    assert not fallback.consequential
    parcel = run(fallback.name, ctx, order_id=1069)
    assert (parcel["source"], parcel["state"]) == ("own records", "on its way")
    answering = run("track_shipment", ctx, order_id=1071)
    assert (answering["source"], answering["carrier"]) == ("carrier", "Polderpost")


@pytest.mark.parametrize(
    ("order", "words", "sku"),
    [
        (1055, "bowls", "KIT-KOM"),
        (1055, "the tea towel", "TXT-DOEK"),
        (1055, "", ""),
        (1055, "lamp", ""),
        (1058, "", "KIT-PLANK"),
        (1052, "light bulb", "BLB-E27"),
        (1061, "reading lamp", "LMP-TILT"),
    ],
)
def test_article_is_found_by_what_customers_call_it(ctx: ToolContext, order, words, sku):
    found = run("find_item", ctx, order_id=order, description=words)
    assert (found["sku"], found["found"]) == (sku, bool(sku))


@pytest.mark.parametrize(
    ("order", "possible", "fee", "back"),
    [
        (1058, True, 490, 3550),
        (1062, True, 0, 5890),
        (1046, True, 3900, 119000),
        (1051, True, 490, 13410),
        (1012, False, 0, 0),
        (1037, False, 0, 0),
        (1077, False, 0, 0),
    ],
)
def test_return_is_quoted_by_delivery_size_and_club(ctx: ToolContext, order, possible, fee, back):
    quote = run("quote_return", ctx, order_id=order)
    assert (quote["possible"], quote["fee_cents"], quote["refund_cents"]) == (possible, fee, back)
    assert possible or quote["why"]


def test_customers_are_found_by_mail_id_and_name(ctx: ToolContext):
    for query in ("ben@mail.example", "BEN", "ben  hartmann"):
        assert run("find_customer", ctx, query=query)["id"] == "ben"
    assert not run("find_customer", ctx, query="nobody")["found"]


def test_orders_are_listed_for_their_customer_alone(ctx: ToolContext):
    listed = run("list_orders", ctx, customer="ana", limit=2)
    assert (listed["count"], listed["shown"]) == (8, 2)
    assert listed["summary"].startswith("order 1077 ")


@pytest.mark.parametrize("name", [n for n in TOOLS.names if TOOLS[n].facts])
async def test_order_that_does_not_exist_belongs_to_nobody(ctx: ToolContext, name: str):
    arguments = {**EFFECTS.get(name, {}), "order_id": 9999}
    facts = await resolve_facts(TOOLS[name], arguments, ctx)
    assert facts["customer"] == ""


@pytest.mark.parametrize(
    ("tool", "who", "arguments", "kind", "roles"),
    [
        ("refund_payment", "ana", {"order_id": 1058, "amount_cents": 3550}, "allow", []),
        ("refund_payment", "ana", {"order_id": 1042, "amount_cents": 12900}, "review", ["finance"]),
        ("refund_payment", "ben", {"order_id": 1053, "amount_cents": 3000}, "review", ["finance"]),
        ("refund_payment", "ben", {"order_id": 1058, "amount_cents": 100}, "deny", []),
        ("cancel_order", "ana", {"order_id": 1077}, "allow", []),
        ("cancel_order", "ana", {"order_id": 1071}, "deny", []),
        ("replace_item", "ana", {"order_id": 1055, "sku": "KIT-KOM"}, "allow", []),
        (
            "replace_item",
            "ana",
            {"order_id": 1051, "sku": "KIT-BRAAD"},
            "review",
            ["returns-lead"],
        ),
        ("replace_item", "ana", {"order_id": 1012, "sku": "LMP-WICK"}, "deny", []),
        ("issue_store_credit", "sam", {"order_id": 1049, "amount_cents": 2000}, "allow", []),
        ("issue_store_credit", "chloe", {"order_id": 1049, "amount_cents": 100}, "deny", []),
        ("get_order", "sam", {"order_id": 1042}, "allow", []),
        ("get_order", "gus", {"order_id": 1042}, "deny", []),
    ],
)
async def test_books_and_policies_agree(
    ctx: ToolContext, gate: Gate, tool, who, arguments, kind, roles
):
    facts = await resolve_facts(TOOLS[tool], arguments, ctx)
    found = decide(gate, tool, who, arguments, facts)
    assert (found.kind, needs(found)) == (kind, roles)


@pytest.mark.parametrize("order", [1070, 9999])
@pytest.mark.parametrize("tool", [n for n in TOOLS.names if TOOLS[n].facts])
async def test_strangers_learn_nothing_of_an_order(ctx: ToolContext, gate: Gate, tool, order):
    arguments = {**EFFECTS.get(tool, {}), "order_id": order}
    facts = await resolve_facts(TOOLS[tool], arguments, ctx)
    found = decide(gate, tool, "ana", arguments, facts)
    assert found.reasons == ("we find no order with this number among your own",)
