"""What the desk can do. Every effect is stored under the key of its call, once.

A second call with the same key finds what the first one brought about and returns that. Whether
a call may be made is up to the policies; what is checked here is what keeps the books right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

from . import store  # noqa: TID252
from .catalogue import CLOCK, transit_days, working_days_after  # noqa: TID252
from .facts import (  # noqa: TID252
    captured_cents,
    credit_facts,
    order_facts,
    refunded_cents,
    replacement_facts,
)
from .lookups import ARRIVES_WITHIN, OrderId  # noqa: TID252
from .records import (  # noqa: TID252
    AddressChange,
    Cancellation,
    GrantedCredit,
    Refund,
    Replacement,
)

__all__ = ["cancel_order", "change_address", "issue_store_credit", "refund_payment", "replace_item"]

Cents = Annotated[int, Field(gt=0, le=10_000_000)]
Reason = Literal[
    "damaged", "defective", "missing", "late", "wrong", "returned", "charged_twice", "other"
]
_TODAY = CLOCK.isoformat()
T = TypeVar("T")


def _refund(arguments: Mapping[str, Any], ctx: ToolContext) -> Refund | None:
    with store.opened(ctx.data_dir) as books:
        return _made_refund(books, ctx.idempotency_key)


@declare(
    effect="irreversible",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=order_facts,
    reconcile=_refund,
)
def refund_payment(
    order_id: OrderId, amount_cents: Cents, ctx: ToolContext, reason: Reason = "other"
) -> Refund:
    """Give money back for an order, to where it came from."""
    with store.opened(ctx.data_dir) as books:
        books.execute("BEGIN IMMEDIATE")
        made = _made_refund(books, ctx.idempotency_key)
        if made is not None:
            return made
        _existing(books, order_id)
        if amount_cents > captured_cents(books, order_id) - refunded_cents(books, order_id):
            raise ToolError(f"order {order_id} has less than this left to be refunded")
        books.execute(
            "INSERT INTO refunds (order_id, amount_cents, reason, made, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?)",
            (order_id, amount_cents, reason, _TODAY, ctx.idempotency_key),
        )
        return _known(_made_refund(books, ctx.idempotency_key))


def _cancellation(arguments: Mapping[str, Any], ctx: ToolContext) -> Cancellation | None:
    with store.opened(ctx.data_dir) as books:
        return _made_cancellation(books, ctx.idempotency_key)


@declare(
    effect="irreversible",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=order_facts,
    reconcile=_cancellation,
)
def cancel_order(order_id: OrderId, ctx: ToolContext) -> Cancellation:
    """Cancel an order that has not left the warehouse, and let its reservation go."""
    with store.opened(ctx.data_dir) as books:
        books.execute("BEGIN IMMEDIATE")
        made = _made_cancellation(books, ctx.idempotency_key)
        if made is not None:
            return made
        order = _existing(books, order_id)
        if order["status"] not in ("placed", "packed"):
            raise ToolError(f"order {order_id} is {order['status']} and cannot be cancelled")
        reserved = store.row(
            books,
            "SELECT coalesce(sum(amount_cents), 0) AS cents FROM payments"
            " WHERE order_id = ? AND state = 'reserved'",
            order_id,
        )
        books.execute(
            "UPDATE payments SET state = 'released' WHERE order_id = ? AND state = 'reserved'",
            (order_id,),
        )
        books.execute("UPDATE orders SET status = 'cancelled' WHERE id = ?", (order_id,))
        books.execute(
            "INSERT INTO cancellations VALUES (?, ?, ?, ?, ?)",
            (order_id, order["status"], _known(reserved)["cents"], _TODAY, ctx.idempotency_key),
        )
        return _known(_made_cancellation(books, ctx.idempotency_key))


def _address_change(arguments: Mapping[str, Any], ctx: ToolContext) -> AddressChange | None:
    with store.opened(ctx.data_dir) as books:
        return _made_address_change(books, ctx.idempotency_key)


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=order_facts,
    reconcile=_address_change,
)
def change_address(
    order_id: OrderId,
    address: Annotated[str, Field(min_length=8, max_length=200)],
    ctx: ToolContext,
) -> AddressChange:
    """Change where an order is delivered, as long as it has not left the warehouse."""
    with store.opened(ctx.data_dir) as books:
        books.execute("BEGIN IMMEDIATE")
        made = _made_address_change(books, ctx.idempotency_key)
        if made is not None:
            return made
        order = _existing(books, order_id)
        if order["status"] not in ("placed", "packed"):
            raise ToolError(f"order {order_id} is {order['status']}; its address stays as it is")
        books.execute(
            "INSERT INTO address_changes (order_id, address_before, address, made, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?)",
            (order_id, order["address"], address, _TODAY, ctx.idempotency_key),
        )
        books.execute("UPDATE orders SET address = ? WHERE id = ?", (address, order_id))
        return _known(_made_address_change(books, ctx.idempotency_key))


def _replacement(arguments: Mapping[str, Any], ctx: ToolContext) -> Replacement | None:
    with store.opened(ctx.data_dir) as books:
        return _made_replacement(books, ctx.idempotency_key)


@declare(
    effect="irreversible",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=replacement_facts,
    reconcile=_replacement,
)
def replace_item(
    order_id: OrderId,
    sku: Annotated[str, Field(min_length=3, max_length=20)],
    ctx: ToolContext,
    reason: Reason = "other",
) -> Replacement:
    """Send an article of a delivered order again without charge."""
    with store.opened(ctx.data_dir) as books:
        books.execute("BEGIN IMMEDIATE")
        made = _made_replacement(books, ctx.idempotency_key)
        if made is not None:
            return made
        order = _existing(books, order_id)
        ordered = "SELECT 1 AS n FROM order_items WHERE order_id = ? AND sku = ?"
        if store.row(books, ordered, order_id, sku) is None:
            raise ToolError(f"order {order_id} does not hold the article {sku}")
        taken = books.execute(
            "UPDATE articles SET stock = stock - 1 WHERE sku = ? AND stock > 0", (sku,)
        )
        if taken.rowcount != 1:
            raise ToolError(f"the article {sku} is out of stock")
        try:
            books.execute(
                "INSERT INTO replacements (order_id, sku, reason, expected, made, idempotency_key)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (order_id, sku, reason, _arrival(books, order, sku), _TODAY, ctx.idempotency_key),
            )
        except sqlite3.IntegrityError:
            raise ToolError(f"the article {sku} of order {order_id} was replaced before") from None
        return _known(_made_replacement(books, ctx.idempotency_key))


def _credit(arguments: Mapping[str, Any], ctx: ToolContext) -> GrantedCredit | None:
    with store.opened(ctx.data_dir) as books:
        return _made_credit(books, ctx.idempotency_key)


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=credit_facts,
    reconcile=_credit,
)
def issue_store_credit(
    order_id: OrderId,
    amount_cents: Cents,
    ctx: ToolContext,
    note: Annotated[str, Field(max_length=120)] = "goodwill",
) -> GrantedCredit:
    """Grant the customer of an order store credit."""
    with store.opened(ctx.data_dir) as books:
        books.execute("BEGIN IMMEDIATE")
        made = _made_credit(books, ctx.idempotency_key)
        if made is not None:
            return made
        order = _existing(books, order_id)
        books.execute(
            "INSERT INTO credits (customer, order_id, amount_cents, note, made, idempotency_key)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (order["customer"], order_id, amount_cents, note, _TODAY, ctx.idempotency_key),
        )
        return _known(_made_credit(books, ctx.idempotency_key))


def _existing(books: sqlite3.Connection, number: int) -> dict[str, Any]:
    order = store.row(
        books,
        "SELECT o.*, c.country FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id = ?",
        number,
    )
    if order is None:
        raise ToolError(f"there is no order {number}")
    return order


def _arrival(books: sqlite3.Connection, order: Mapping[str, Any], sku: str) -> str:
    article = _known(store.row(books, "SELECT large FROM articles WHERE sku = ?", sku))
    days = 1 + transit_days(order["country"], large=bool(article["large"]))
    return working_days_after(CLOCK, days).isoformat()


def _known(found: T | None) -> T:
    if found is None:
        raise ToolError("what was just stored cannot be found")
    return found


def _made_refund(books: sqlite3.Connection, key: str) -> Refund | None:
    made = store.row(
        books,
        "SELECT r.*, o.method FROM refunds r JOIN orders o ON o.id = r.order_id"
        " WHERE r.idempotency_key = ?",
        key,
    )
    if made is None:
        return None
    return Refund(
        refund=f"R-{made['id']}",
        order_id=made["order_id"],
        amount_cents=made["amount_cents"],
        paid_by=made["method"],
        arrives_within=ARRIVES_WITHIN[made["method"]],
    )


def _made_cancellation(books: sqlite3.Connection, key: str) -> Cancellation | None:
    made = store.row(
        books,
        "SELECT k.*, o.method FROM cancellations k JOIN orders o ON o.id = k.order_id"
        " WHERE k.idempotency_key = ?",
        key,
    )
    if made is None:
        return None
    return Cancellation(
        order_id=made["order_id"], released_cents=made["released_cents"], paid_by=made["method"]
    )


def _made_address_change(books: sqlite3.Connection, key: str) -> AddressChange | None:
    made = store.row(books, "SELECT * FROM address_changes WHERE idempotency_key = ?", key)
    if made is None:
        return None
    return AddressChange(
        order_id=made["order_id"], address=made["address"], address_before=made["address_before"]
    )


def _made_replacement(books: sqlite3.Connection, key: str) -> Replacement | None:
    made = store.row(
        books,
        "SELECT r.*, a.name FROM replacements r JOIN articles a ON a.sku = r.sku"
        " WHERE r.idempotency_key = ?",
        key,
    )
    if made is None:
        return None
    return Replacement(
        replacement=f"RP-{made['id']:04d}",
        order_id=made["order_id"],
        name=made["name"],
        expected_on=made["expected"],
    )


def _made_credit(books: sqlite3.Connection, key: str) -> GrantedCredit | None:
    made = store.row(books, "SELECT * FROM credits WHERE idempotency_key = ?", key)
    if made is None:
        return None
    balance = store.row(
        books,
        "SELECT sum(amount_cents) AS cents FROM credits WHERE customer = ? AND id <= ?",
        made["customer"],
        made["id"],
    )
    return GrantedCredit(
        credit=f"SC-{made['id']}",
        order_id=made["order_id"],
        customer=made["customer"],
        amount_cents=made["amount_cents"],
        balance_cents=_known(balance)["cents"],
    )
