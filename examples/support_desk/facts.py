"""What the policies are told of an order, read from the books and never from the request.

A call that is tried again must be judged as it was the first time. So what this very call has
already brought about, known by its idempotency key, is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date
from typing import Any

from concertmaster.tools import ToolContext

from . import store  # noqa: TID252
from .catalogue import CLOCK  # noqa: TID252
from .records import CreditFacts, OrderFacts, ReplacementFacts  # noqa: TID252

__all__ = ["captured_cents", "credit_facts", "order_facts", "refunded_cents", "replacement_facts"]


def order_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> OrderFacts:
    """Tell whose order it is, where it stands, and what of it can still be refunded."""
    number = int(arguments["order_id"])
    with store.opened(ctx.data_dir) as books:
        order = _order(books, number)
        if order is None:
            return OrderFacts(
                customer="",
                status="unknown",
                dispatched=False,
                days_since_delivery=-1,
                total_cents=0,
                refunded_cents=0,
                refundable_cents=0,
            )
        refunded = refunded_cents(books, number, besides=ctx.idempotency_key)
        return OrderFacts(
            customer=order["customer"],
            status=_status(books, order, ctx.idempotency_key),
            dispatched=order["dispatched"] is not None,
            days_since_delivery=_days_since(order["delivered"]),
            total_cents=order["total_cents"],
            refunded_cents=refunded,
            refundable_cents=captured_cents(books, number) - refunded,
        )


def replacement_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> ReplacementFacts:
    """Tell whose order it is, what the article cost, and whether it was replaced before."""
    number, sku = int(arguments["order_id"]), str(arguments["sku"])
    with store.opened(ctx.data_dir) as books:
        order = _order(books, number)
        item = store.row(
            books, "SELECT price_cents FROM order_items WHERE order_id = ? AND sku = ?", number, sku
        )
        earlier = store.row(
            books,
            "SELECT id FROM replacements WHERE order_id = ? AND sku = ? AND idempotency_key != ?",
            number,
            sku,
            ctx.idempotency_key,
        )
    if order is None or item is None:
        return ReplacementFacts(
            customer=order["customer"] if order else "",
            status="unknown",
            days_since_delivery=-1,
            price_cents=0,
            replaced=False,
        )
    return ReplacementFacts(
        customer=order["customer"],
        status=order["status"],
        days_since_delivery=_days_since(order["delivered"]),
        price_cents=item["price_cents"],
        replaced=earlier is not None,
    )


def credit_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> CreditFacts:
    """Tell whose order it is, and what was granted for it before."""
    number = int(arguments["order_id"])
    with store.opened(ctx.data_dir) as books:
        order = _order(books, number)
        granted = store.row(
            books,
            "SELECT coalesce(sum(amount_cents), 0) AS cents FROM credits"
            " WHERE order_id = ? AND idempotency_key != ?",
            number,
            ctx.idempotency_key,
        )
    return CreditFacts(
        customer=order["customer"] if order else "",
        credited_cents=granted["cents"] if granted else 0,
    )


def captured_cents(books: sqlite3.Connection, order: int) -> int:
    """Return what was taken for an order in all."""
    found = store.row(
        books,
        "SELECT coalesce(sum(amount_cents), 0) AS cents FROM payments"
        " WHERE order_id = ? AND state = 'captured'",
        order,
    )
    return int(found["cents"]) if found else 0


def refunded_cents(books: sqlite3.Connection, order: int, *, besides: str = "") -> int:
    """Return what was given back for an order, the refund with this key left out."""
    found = store.row(
        books,
        "SELECT coalesce(sum(amount_cents), 0) AS cents FROM refunds"
        " WHERE order_id = ? AND idempotency_key != ?",
        order,
        besides,
    )
    return int(found["cents"]) if found else 0


def _order(books: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    return store.row(
        books,
        "SELECT o.*, s.dispatched, s.delivered FROM orders o"
        " LEFT JOIN shipments s ON s.order_id = o.id WHERE o.id = ?",
        number,
    )


def _status(books: sqlite3.Connection, order: Mapping[str, Any], key: str) -> str:
    own = store.row(
        books,
        "SELECT status_before FROM cancellations WHERE order_id = ? AND idempotency_key = ?",
        order["id"],
        key,
    )
    return str(own["status_before"] if own else order["status"])


def _days_since(delivered: str | None) -> int:
    return (CLOCK - date.fromisoformat(delivered)).days if delivered else -1
