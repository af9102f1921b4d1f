"""What the desk can look up. Nothing here changes anything."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import Field

from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

from . import store  # noqa: TID252
from .catalogue import CARRIER_DOWN, CLOCK  # noqa: TID252
from .facts import captured_cents, order_facts, refunded_cents  # noqa: TID252
from .records import (  # noqa: TID252
    CustomerCard,
    ItemMatch,
    Order,
    OrderList,
    Parcel,
    Payments,
    ReturnQuote,
    StoreCredit,
)

__all__ = [
    "ARRIVES_WITHIN",
    "OrderId",
    "euros",
    "find_customer",
    "find_item",
    "get_order",
    "get_payments",
    "get_store_credit",
    "list_orders",
    "quote_return",
    "shipment_history",
    "track_shipment",
]

OrderId = Annotated[int, Field(ge=1, le=999_999)]
CustomerId = Annotated[str, Field(min_length=1, max_length=40)]

ARRIVES_WITHIN: Mapping[str, str] = {
    "card": "3 to 5 working days",
    "wallet": "1 to 2 working days",
    "invoice": "5 working days",
}
"""How long a refund travels; knowledge/payments/refund-timing.md tells customers the same."""

_RETURN_DAYS, _LEGAL_DAYS = 30, 14
_RETURN_FEE, _COLLECTION_FEE = 490, 3900

# What customers say, and what the article is called.
_ALSO: Mapping[str, str] = {
    "light": "lamp",
    "shade": "lampshade",
    "bulb": "bulbs",
    "casserole": "pot",
    "pan": "skillet",
    "cup": "mugs",
    "mug": "mugs",
    "bowl": "bowls",
    "towel": "towels",
    "carpet": "rug",
    "cupboard": "sideboard",
    "cabinet": "sideboard",
}


@declare(effect="read", label="internal", trusted=True, facts=order_facts)
def get_order(order_id: OrderId, ctx: ToolContext) -> Order:
    """Look an order up: articles, total, status, address, dates."""
    with store.opened(ctx.data_dir) as books:
        found = _order(books, order_id)
        articles = _articles(books, order_id)
    if found is None:
        return Order(
            found=False,
            id=order_id,
            customer="",
            placed_on="",
            status="unknown",
            dispatched=False,
            articles="",
            article_count=0,
            shipping_cents=0,
            total_cents=0,
            paid_by="",
            address="",
            expected_on="",
            delivered_on="",
        )
    return Order(
        found=True,
        id=order_id,
        customer=found["customer"],
        placed_on=found["placed"],
        status=found["status"],
        dispatched=found["dispatched"] is not None,
        articles="; ".join(a["name"] for a in articles),
        article_count=len(articles),
        shipping_cents=found["shipping_cents"],
        total_cents=found["total_cents"],
        paid_by=found["method"],
        address=found["address"],
        expected_on=found["expected"] or "",
        delivered_on=found["delivered"] or "",
    )


@declare(effect="read", label="internal", trusted=True)
def list_orders(
    customer: CustomerId, ctx: ToolContext, limit: Annotated[int, Field(ge=1, le=20)] = 5
) -> OrderList:
    """List a customer's latest orders, the newest first."""
    with store.opened(ctx.data_dir) as books:
        found = store.every(
            books, "SELECT * FROM orders WHERE customer = ? ORDER BY id DESC", customer
        )
    told = [
        f"order {o['id']} of {o['placed']} ({o['status']}, {euros(o['total_cents'])})"
        for o in found[:limit]
    ]
    return OrderList(
        customer=customer, count=len(found), shown=len(told), summary="; ".join(told) or "none"
    )


@declare(effect="read", label="internal", trusted=True, facts=order_facts)
def get_payments(order_id: OrderId, ctx: ToolContext) -> Payments:
    """Tell what was reserved, taken and given back for an order."""
    with store.opened(ctx.data_dir) as books:
        order = _order(books, order_id)
        taken = store.every(
            books, "SELECT * FROM payments WHERE order_id = ? ORDER BY id", order_id
        )
        refunded = refunded_cents(books, order_id)
        captured = captured_cents(books, order_id)
    total = order["total_cents"] if order else 0
    method = order["method"] if order else ""
    reserved = [p["amount_cents"] for p in taken if p["state"] == "reserved"]
    told = [f"{euros(p['amount_cents'])} {p['state']} on {p['taken']}" for p in taken]
    return Payments(
        order_id=order_id,
        paid_by=method,
        captured_cents=captured,
        captured_times=sum(p["state"] == "captured" for p in taken),
        reserved_cents=sum(reserved),
        reserved_times=len(reserved),
        refunded_cents=refunded,
        refundable_cents=captured - refunded,
        overcharged_cents=max(0, captured - refunded - total),
        summary="; ".join(told) or "none",
        arrives_within=ARRIVES_WITHIN.get(method, ""),
    )


@declare(
    effect="read", label="internal", trusted=True, facts=order_facts, fallback="shipment_history"
)
def track_shipment(order_id: OrderId, ctx: ToolContext) -> Parcel:
    """Ask the carrier where an order's parcel is."""
    with store.opened(ctx.data_dir) as books:
        order = _order(books, order_id)
        scans = store.every(
            books, "SELECT * FROM shipment_events WHERE order_id = ? ORDER BY line", order_id
        )
    if order is not None and order["carrier"] == CARRIER_DOWN:
        raise ToolError(f"{CARRIER_DOWN} does not answer; its tracking service is down")
    latest = scans[-1] if scans else None
    told = f"{latest['note']}, {latest['place']}, {latest['day']}" if latest else ""
    return _parcel(order_id, order, source="carrier", latest=told)


@declare(effect="read", label="internal", trusted=True, facts=order_facts)
def shipment_history(order_id: OrderId, ctx: ToolContext) -> Parcel:
    """Tell what our own records say of an order's parcel, without asking the carrier."""
    with store.opened(ctx.data_dir) as books:
        order = _order(books, order_id)
    left = order["dispatched"] if order else None
    told = f"left our warehouse in Venlo on {left}" if left else ""
    return _parcel(order_id, order, source="own records", latest=told)


@declare(effect="read", label="restricted", trusted=True)
def find_customer(
    query: Annotated[str, Field(min_length=2, max_length=120)], ctx: ToolContext
) -> CustomerCard:
    """Find a customer by mail address, id or full name."""
    wanted = " ".join(query.split()).lower()
    with store.opened(ctx.data_dir) as books:
        found = next(
            (
                c
                for c in store.every(books, "SELECT * FROM customers ORDER BY id")
                if wanted in (c["id"], c["email"].lower(), c["name"].lower())
            ),
            None,
        )
        if found is None:
            return CustomerCard(
                found=False,
                id="",
                name="",
                email="",
                country="",
                club="",
                customer_since="",
                orders=0,
            )
        count = store.row(books, "SELECT count(*) AS n FROM orders WHERE customer = ?", found["id"])
    return CustomerCard(
        found=True,
        id=found["id"],
        name=found["name"],
        email=found["email"],
        country=found["country"],
        club=found["club"],
        customer_since=found["since"],
        orders=count["n"] if count else 0,
    )


@declare(effect="read", label="internal", trusted=True)
def get_store_credit(customer: CustomerId, ctx: ToolContext) -> StoreCredit:
    """Tell a customer's store credit."""
    with store.opened(ctx.data_dir) as books:
        found = store.every(books, "SELECT * FROM credits WHERE customer = ? ORDER BY id", customer)
    told = [f"{euros(c['amount_cents'])} for {c['note']} ({c['made']})" for c in found]
    return StoreCredit(
        customer=customer,
        balance_cents=sum(c["amount_cents"] for c in found),
        summary="; ".join(told) or "none",
    )


@declare(effect="read", label="internal", trusted=True, facts=order_facts)
def quote_return(order_id: OrderId, ctx: ToolContext) -> ReturnQuote:
    """Tell until when an order may be sent back, what that costs and what comes back."""
    with store.opened(ctx.data_dir) as books:
        order = _order(books, order_id)
        large = any(a["large"] for a in _articles(books, order_id))
        left = captured_cents(books, order_id) - refunded_cents(books, order_id)
    if order is None or order["delivered"] is None:
        return _no_return(order_id, "it has not been delivered yet", large=large)
    if order["status"] == "returned" or left <= 0:
        return _no_return(order_id, "it has been returned or refunded already", large=large)
    last = date.fromisoformat(order["delivered"]) + timedelta(days=_RETURN_DAYS)
    if last < CLOCK:
        why = f"the time for returns ended on {last.isoformat()}"
        return _no_return(order_id, why, large=large, last=last)
    days = (CLOCK - date.fromisoformat(order["delivered"])).days
    kept = order["shipping_cents"] if days > _LEGAL_DAYS else 0
    fee = _COLLECTION_FEE if large else 0 if order["club"] == "gold" else _RETURN_FEE
    return ReturnQuote(
        order_id=order_id,
        possible=True,
        why="",
        last_day=last.isoformat(),
        days_left=(last - CLOCK).days,
        fee_cents=fee,
        refund_cents=max(0, left - kept - fee),
        large=large,
    )


@declare(effect="read", label="internal", trusted=True, facts=order_facts)
def find_item(
    order_id: OrderId, ctx: ToolContext, description: Annotated[str, Field(max_length=200)] = ""
) -> ItemMatch:
    """Find the article of an order that a customer's words describe."""
    with store.opened(ctx.data_dir) as books:
        articles = {a["sku"]: a for a in _articles(books, order_id)}
        replaced = {
            r["sku"]
            for r in store.every(books, "SELECT sku FROM replacements WHERE order_id = ?", order_id)
        }
    chosen = _chosen(list(articles.values()), description)
    return ItemMatch(
        found=chosen is not None,
        order_id=order_id,
        sku=chosen["sku"] if chosen else "",
        name=chosen["name"] if chosen else "",
        price_cents=chosen["price_cents"] if chosen else 0,
        in_stock=bool(chosen and chosen["stock"] > 0),
        replaced=bool(chosen and chosen["sku"] in replaced),
        choices="; ".join(a["name"] for a in articles.values()) or "none",
    )


def euros(cents: int) -> str:
    """Return an amount as people read it: `1,290.00 EUR`."""
    return f"{cents // 100:,}.{cents % 100:02d} EUR"


def _order(books: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    return store.row(
        books,
        "SELECT o.*, c.club, s.carrier, s.tracking, s.dispatched, s.expected, s.delivered"
        " FROM orders o JOIN customers c ON c.id = o.customer"
        " LEFT JOIN shipments s ON s.order_id = o.id WHERE o.id = ?",
        number,
    )


def _articles(books: sqlite3.Connection, order: int) -> list[dict[str, Any]]:
    return store.every(
        books,
        "SELECT i.sku, a.name, i.price_cents, a.stock, a.large FROM order_items i"
        " JOIN articles a ON a.sku = i.sku WHERE i.order_id = ? ORDER BY i.line",
        order,
    )


def _parcel(number: int, order: Mapping[str, Any] | None, *, source: Any, latest: str) -> Parcel:
    gone = order is not None and order["dispatched"] is not None
    delivered = order["delivered"] if order else None
    return Parcel(
        order_id=number,
        state="delivered" if delivered else "on its way" if gone else "not dispatched",
        source=source,
        carrier=(order["carrier"] or "") if order else "",
        tracking=(order["tracking"] or "") if order else "",
        dispatched_on=(order["dispatched"] or "") if order else "",
        expected_on=(order["expected"] or "") if order else "",
        delivered_on=delivered or "",
        latest=latest,
    )


def _no_return(number: int, why: str, *, large: bool, last: date | None = None) -> ReturnQuote:
    return ReturnQuote(
        order_id=number,
        possible=False,
        why=why,
        last_day=last.isoformat() if last else "",
        days_left=0,
        fee_cents=0,
        refund_cents=0,
        large=large,
    )


def _chosen(articles: list[dict[str, Any]], description: str) -> dict[str, Any] | None:
    """Return the one article that a description fits best, if there is one.

    The last word counts twice: a light bulb is a bulb.
    """
    said = _words(description)
    if not said:
        return articles[0] if len(articles) == 1 else None
    head = _words(description.rsplit(maxsplit=1)[-1])

    def fit(article: Mapping[str, Any]) -> int:
        called = _words(article["name"])
        return len(said & called) + len(head & called)

    ranked = sorted(articles, key=fit, reverse=True)
    scores = [fit(article) for article in ranked]
    if not scores or scores[0] == 0 or (len(scores) > 1 and scores[0] == scores[1]):
        return None
    return ranked[0]


def _words(text: str) -> set[str]:
    """Return the words of a text, with what the shop calls the things that they name."""
    plain = {w.removesuffix("'s") for w in re.findall(r"[^\W\d_]+(?:'s)?", text.lower())}
    single = {w.removesuffix("s") for w in plain}
    return plain | single | {_ALSO[w] for w in plain | single if w in _ALSO}
