"""The shop's books as they stand on the sample's day: 80 orders and all that hangs on them.

Nothing here is random: the orders that the demonstration speaks of are listed by hand, the
others follow from their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from .catalogue import (  # noqa: TID252
    ARTICLES,
    CLOCK,
    CUSTOMERS,
    Article,
    Customer,
    carrier_of,
    shipping_cents,
    transit_days,
    working_days_after,
)

__all__ = ["FIRST", "LAST", "Placed", "rows"]

FIRST, LAST = 1001, 1080

Twist = Literal[
    "",
    "charged_twice",
    "reserved_twice",
    "refunded",
    "part_refunded",
    "cancelled",
    "returned",
    "lost",
]
Row = tuple[str, tuple[object, ...]]

_ARTICLES = {a.sku: a for a in ARTICLES}
_CUSTOMERS = {c.id: c for c in CUSTOMERS}
_SPAN_DAYS = 120
_PART_REFUND_CENTS = 3000


@dataclass(frozen=True)
class Wanted:
    """What is said of an order by hand."""

    customer: str
    skus: tuple[str, ...]
    twist: Twist = ""
    method: str = "card"


_BY_HAND = {
    1012: Wanted("ana", ("LMP-WICK",)),
    1021: Wanted("chloe", ("LMP-HALM",)),
    1027: Wanted("ben", ("KIT-MES",)),
    1037: Wanted("ana", ("TXT-DOEK",), "refunded"),
    1042: Wanted("ana", ("LMP-NOOR",), "charged_twice"),
    1044: Wanted("marie", ("FUR-ZIT", "FUR-ZIT", "FUR-LADE"), method="invoice"),
    1046: Wanted("femke", ("FUR-KAST",)),
    1048: Wanted("ben", ("FUR-ZIT",)),
    1049: Wanted("chloe", ("KIT-MOK",)),
    1051: Wanted("ana", ("KIT-BRAAD",)),
    1052: Wanted("femke", ("LMP-MOSA", "BLB-E27")),
    1053: Wanted("ben", ("LMP-MOSA",), "part_refunded"),
    1055: Wanted("ana", ("KIT-KOM", "TXT-DOEK")),
    1057: Wanted("ben", ("KIT-GRIL",)),
    1058: Wanted("ana", ("KIT-PLANK",)),
    1059: Wanted("roos", ("FUR-REK",), "lost"),
    1060: Wanted("ben", ("FUR-KRUK",)),
    1061: Wanted("chloe", ("LMP-TILT", "BLB-E27")),
    1062: Wanted("femke", ("KIT-KETEL",)),
    1064: Wanted("ben", ("SHD-LIN",), "cancelled"),
    1069: Wanted("chloe", ("KIT-BRAAD",)),
    1070: Wanted("ben", ("KIT-KETEL", "KIT-MOK")),
    1071: Wanted("ana", ("LMP-MOSA",)),
    1076: Wanted("femke", ("FUR-TAFEL",)),
    1077: Wanted("ana", ("LMP-TILT",)),
    1078: Wanted("chloe", ("TXT-LOPER",)),
    1079: Wanted("ben", ("LMP-HALM",), "reserved_twice"),
}
_BY_HAND_ONLY = frozenset({"ana", "ben", "chloe", "femke"})


@dataclass(frozen=True)
class Placed:
    """One order with every day that matters; days that have not come yet are null."""

    id: int
    customer: Customer
    articles: tuple[Article, ...]
    twist: Twist
    method: str
    placed: date
    dispatched: date | None
    expected: date
    delivered: date | None

    @property
    def large(self) -> bool:
        """Whether it goes by haulier."""
        return any(a.large for a in self.articles)

    @property
    def goods_cents(self) -> int:
        """What the articles cost."""
        return sum(a.price_cents for a in self.articles)

    @property
    def shipping_cents(self) -> int:
        """What delivery costs."""
        return shipping_cents(self.customer.country, self.goods_cents, large=self.large)

    @property
    def total_cents(self) -> int:
        """What the customer pays."""
        return self.goods_cents + self.shipping_cents

    @property
    def status(self) -> str:
        """Where the order stands."""
        if self.twist in ("cancelled", "returned"):
            return self.twist
        if self.delivered:
            return "delivered"
        if self.dispatched:
            return "dispatched"
        return "packed" if self.id % 2 else "placed"


def orders() -> Iterator[Placed]:
    """Yield every order, the oldest first."""
    for number in range(FIRST, LAST + 1):
        yield _placed(number, _BY_HAND.get(number) or _derived(number))


def rows() -> Iterator[Row]:
    """Yield every row as its table's name and its values."""
    for article in ARTICLES:
        columns = (
            article.sku,
            article.name,
            article.price_cents,
            int(article.large),
            article.stock,
        )
        yield "articles", columns
    for c in CUSTOMERS:
        yield "customers", (c.id, c.name, c.email, c.address, c.country, c.club, c.since)
    for order in orders():
        yield from _order_rows(order)
    yield from _credit_rows()


def _derived(number: int) -> Wanted:
    others = [c for c in CUSTOMERS if c.id not in _BY_HAND_ONLY]
    customer = others[number * 8 % len(others)]
    small = [a for a in ARTICLES if not a.large]
    skus = [small[number * 7 % len(small)].sku]
    second = small[number * 11 % len(small)].sku
    if number % 3 == 0 and second not in skus:
        skus.append(second)
    twist: Twist = ""
    if number % 17 == 0:
        twist = "cancelled"
    elif number % 13 == 0 and number < LAST - 20:
        twist = "returned"
    return Wanted(customer.id, tuple(skus), twist, "wallet" if number % 4 == 0 else "card")


def _placed(number: int, wanted: Wanted) -> Placed:
    customer = _CUSTOMERS[wanted.customer]
    articles = tuple(_ARTICLES[sku] for sku in wanted.skus)
    large = any(a.large for a in articles)
    placed = CLOCK - timedelta(days=round(((LAST - number) / 80) ** 2 * _SPAN_DAYS))
    left = working_days_after(placed, 1)
    expected = working_days_after(left, transit_days(customer.country, large=large))
    gone = left <= CLOCK and wanted.twist != "cancelled"
    arrived = gone and expected <= CLOCK and wanted.twist != "lost"
    return Placed(
        number,
        customer,
        articles,
        wanted.twist,
        wanted.method,
        placed,
        left if gone else None,
        expected,
        expected if arrived else None,
    )


def _order_rows(order: Placed) -> Iterator[Row]:
    yield (
        "orders",
        (
            order.id,
            order.customer.id,
            order.placed.isoformat(),
            order.status,
            order.method,
            order.shipping_cents,
            order.total_cents,
            order.customer.address,
        ),
    )
    for line, article in enumerate(order.articles, start=1):
        yield "order_items", (order.id, line, article.sku, article.price_cents)
    yield from _payment_rows(order)
    yield from _refund_rows(order)
    if order.dispatched:
        yield from _shipment_rows(order)


def _payment_rows(order: Placed) -> Iterator[Row]:
    if order.twist == "cancelled":
        state, day = "released", order.placed
    elif order.dispatched:
        state, day = "captured", order.dispatched
    else:
        state, day = "reserved", order.placed
    times = 2 if order.twist in ("charged_twice", "reserved_twice") else 1
    for nth in range(1, times + 1):
        number = order.id * 10 + nth
        yield (
            "payments",
            (number, order.id, order.method, order.total_cents, state, day.isoformat()),
        )


def _refund_rows(order: Placed) -> Iterator[Row]:
    amount = {
        "refunded": order.total_cents,
        "returned": order.total_cents,
        "part_refunded": _PART_REFUND_CENTS,
    }.get(order.twist)
    if amount and order.delivered:
        made = min(working_days_after(order.delivered, 4), CLOCK).isoformat()
        why = "returned" if order.twist == "returned" else "damaged"
        yield "refunds", (order.id + 4000, order.id, amount, why, made, f"seed-refund-{order.id}")


def _shipment_rows(order: Placed) -> Iterator[Row]:
    carrier = carrier_of(order.customer.country, large=order.large)
    tracking = f"{carrier[:2].upper()}{order.id}{order.customer.country}"
    left = order.dispatched or order.placed
    yield (
        "shipments",
        (
            order.id,
            carrier,
            tracking,
            left.isoformat(),
            order.expected.isoformat(),
            order.delivered.isoformat() if order.delivered else None,
        ),
    )
    yield "shipment_events", (order.id, 1, left.isoformat(), "Venlo", "handed to the carrier")
    if order.delivered:
        city = order.customer.city
        yield "shipment_events", (order.id, 2, order.delivered.isoformat(), city, "delivered")
    elif order.twist == "lost":
        seen = working_days_after(left, 1).isoformat()
        yield "shipment_events", (order.id, 2, seen, "Eindhoven depot", "arrived at the depot")


def _credit_rows() -> Iterator[Row]:
    for number, customer, cents, note in (
        (801, "ana", 1000, "Linden Club points"),
        (802, "chloe", 1500, "price difference after a sale"),
        (803, "femke", 2000, "Linden Club points"),
        (804, "femke", 750, "late delivery"),
    ):
        made = (CLOCK - timedelta(days=40)).isoformat()
        yield "credits", (number, customer, None, cents, note, made, f"seed-credit-{number}")
