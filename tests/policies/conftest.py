"""A small shop: its tools, its policies, and calls put to its gate."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from concertmaster.contracts import Principal, ToolShape
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.policies import Call, Gate, PolicyEngine

ORDERS = """
// Orders: what customers and staff may do.
@id("orders.own-read")
@reason("customers may look at their own orders")
permit (principal, action == Action::"get_order", resource)
when { principal.authenticated && principal.id == context.facts.customer };

@id("orders.staff-read")
@reason("staff may look at every order")
permit (principal, action == Action::"get_order", resource)
when { principal.roles.contains("staff") };

@id("refunds.small")
@reason("refunds up to 50.00 on one's own order need nobody")
permit (principal, action == Action::"refund_payment", resource)
when {
  principal.id == context.facts.customer &&
  context.args.amount_cents > 0 && context.args.amount_cents <= 5000
};

@id("refunds.large")
@reason("refunds over 50.00 are looked at by finance")
@obligation("review:finance")
permit (principal, action == Action::"refund_payment", resource)
when { principal.id == context.facts.customer && context.args.amount_cents > 5000 };

@id("refunds.huge")
@reason("refunds over 1000.00 are looked at by two of risk, too")
@obligation("review:finance, review:2-of:risk")
permit (principal, action == Action::"refund_payment", resource)
when { principal.id == context.facts.customer && context.args.amount_cents > 100000 };

@id("refunds.not-over-total")
@reason("nobody gets back more than was paid")
forbid (principal, action == Action::"refund_payment", resource)
when { context.args.amount_cents > context.facts.total_cents };

@id("address.before-dispatch")
@reason("the address of one's own order can be changed")
permit (principal, action == Action::"change_address", resource)
when { principal.id == context.facts.customer };

@id("address.not-after-dispatch")
@reason("the parcel has left; its address can no longer be changed")
forbid (principal, action == Action::"change_address", resource)
when { context.facts.dispatched };
"""


class OrderFacts(BaseModel):
    customer: str
    total_cents: int
    dispatched: bool


class GetOrder(BaseModel):
    order_id: int


class Refund(BaseModel):
    order_id: int
    amount_cents: int
    note: str | None = None


class ChangeAddress(BaseModel):
    order_id: int
    address: str


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Everything(BaseModel):
    """One argument of every kind that a schema can have."""

    text: str
    number: int
    flag: bool = False
    ratio: float | None = None
    price: Decimal | None = None
    colour: Colour = Colour.red
    size: Literal["s", "m"] | None = None
    level: Literal[1, 2] = 1
    tags: list[str] = []
    numbers: set[int] = set()
    prices: list[Decimal] = []
    nested: list[list[int]] = []
    thing: OrderFacts | None = None
    either: int | str = 0
    mixed: Literal["x", 1] = 1
    pair: tuple[int, str] | None = None
    free: Any = None


def shape(
    name: str,
    arguments: type[BaseModel],
    effect: Literal["read", "write", "irreversible"] = "write",
    facts: type[BaseModel] | None = OrderFacts,
) -> ToolShape:
    return ToolShape(
        name=name,
        effect=effect,
        arguments=arguments.model_json_schema(),
        facts=facts.model_json_schema() if facts else None,
    )


@pytest.fixture(scope="session")
def shapes() -> dict[str, ToolShape]:
    return {
        "get_order": shape("get_order", GetOrder, "read"),
        "refund_payment": shape("refund_payment", Refund, "irreversible"),
        "change_address": shape("change_address", ChangeAddress),
        "everything": shape("everything", Everything, facts=None),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write policy files and return their folder."""

    def write(*texts: str, **named: str) -> Path:
        target = tmp_path / "policies"
        target.mkdir(exist_ok=True)
        files = {f"{n:02}": text for n, text in enumerate(texts)} | named
        for name, text in files.items():
            (target / f"{name}.cedar").write_text(text, encoding="utf-8")
        return target

    return write


@pytest.fixture
def gate_of(folder: Callable[..., Path], shapes: dict[str, ToolShape]) -> Callable[..., Gate]:
    """Return a gate over the given policy texts."""

    def make(*texts: str) -> Gate:
        return Gate(PolicyEngine.load(folder(*texts), shapes), shapes, "shop")

    return make


@pytest.fixture
def shop(gate_of: Callable[..., Gate]) -> Gate:
    return gate_of(ORDERS)


@pytest.fixture(scope="session")
def call() -> Callable[..., Call]:
    """Return a call of ana's, of which the test states what matters to it."""

    def make(tool: str = "refund_payment", **changes: Any) -> Call:
        given: dict[str, Any] = {
            "tool": tool,
            "arguments": {"order_id": 1042, "amount_cents": 3000},
            "principal": Principal(id="ana", roles=("customer",)),
            "step": "executor",
            "allowed": ("get_order", "refund_payment", "change_address", "everything"),
            "review": ReviewSpec(),
            "facts": {"customer": "ana", "total_cents": 500_000, "dispatched": False},
            "intent": "refund",
        }
        return Call(**(given | changes))

    return make
