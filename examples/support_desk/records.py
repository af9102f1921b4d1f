"""What the tools return and what the policies are told, as types. Money is in cents."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

__all__ = [
    "AddressChange",
    "Cancellation",
    "CreditFacts",
    "CustomerCard",
    "GrantedCredit",
    "ItemMatch",
    "Order",
    "OrderFacts",
    "OrderList",
    "Parcel",
    "Payments",
    "Refund",
    "Replacement",
    "ReplacementFacts",
    "ReturnQuote",
    "StoreCredit",
]


class Order(TypedDict):
    """An order; all but `found` and `id` is empty when there is none of this number."""

    found: bool
    id: int
    customer: str
    placed_on: str
    status: str
    dispatched: bool
    articles: str
    article_count: int
    shipping_cents: int
    total_cents: int
    paid_by: str
    address: str
    expected_on: str
    delivered_on: str


class OrderList(TypedDict):
    """A customer's latest orders, the newest first, one sentence part for each."""

    customer: str
    count: int
    shown: int
    summary: str


class Payments(TypedDict):
    """What was reserved, taken and given back for an order, and how long a refund travels."""

    order_id: int
    paid_by: str
    captured_cents: int
    captured_times: int
    reserved_cents: int
    reserved_times: int
    refunded_cents: int
    refundable_cents: int
    overcharged_cents: int
    summary: str
    arrives_within: str


class Parcel(TypedDict):
    """Where a parcel is; `source` tells whether the carrier says so or only our own records."""

    order_id: int
    state: Literal["not dispatched", "on its way", "delivered"]
    source: Literal["carrier", "own records"]
    carrier: str
    tracking: str
    dispatched_on: str
    expected_on: str
    delivered_on: str
    latest: str


class CustomerCard(TypedDict):
    """A customer as our staff see them."""

    found: bool
    id: str
    name: str
    email: str
    country: str
    club: str
    customer_since: str
    orders: int


class StoreCredit(TypedDict):
    """A customer's store credit, and where it came from."""

    customer: str
    balance_cents: int
    summary: str


class ReturnQuote(TypedDict):
    """What sending an order back would bring; `why` says what stands against it."""

    order_id: int
    possible: bool
    why: str
    last_day: str
    days_left: int
    fee_cents: int
    refund_cents: int
    large: bool


class ItemMatch(TypedDict):
    """The article of an order that somebody's words describe, or the choice there is."""

    found: bool
    order_id: int
    sku: str
    name: str
    price_cents: int
    in_stock: bool
    replaced: bool
    choices: str


class Refund(TypedDict):
    """A refund that was made."""

    refund: str
    order_id: int
    amount_cents: int
    paid_by: str
    arrives_within: str


class Cancellation(TypedDict):
    """An order that was cancelled, and the reservation that was let go."""

    order_id: int
    released_cents: int
    paid_by: str


class AddressChange(TypedDict):
    """A new address for delivery."""

    order_id: int
    address: str
    address_before: str


class Replacement(TypedDict):
    """An article that is sent again without charge."""

    replacement: str
    order_id: int
    name: str
    expected_on: str


class GrantedCredit(TypedDict):
    """Store credit that was granted."""

    credit: str
    order_id: int
    customer: str
    amount_cents: int
    balance_cents: int


class OrderFacts(TypedDict):
    """What policies know of an order. Without one, the customer is empty.

    `days_since_delivery` is -1 until it is delivered.
    """

    customer: str
    status: str
    dispatched: bool
    days_since_delivery: int
    total_cents: int
    refunded_cents: int
    refundable_cents: int


class ReplacementFacts(TypedDict):
    """What policies know of an article that is to be replaced."""

    customer: str
    status: str
    days_since_delivery: int
    price_cents: int
    replaced: bool


class CreditFacts(TypedDict):
    """What policies know of an order for which credit is to be granted."""

    customer: str
    credited_cents: int
