"""The shop's books: one SQLite file in the workspace's data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .seed import rows  # noqa: TID252

__all__ = ["create", "every", "opened", "row"]

FILE = "shop.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS articles (
    sku TEXT PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    large INTEGER NOT NULL, stock INTEGER NOT NULL CHECK (stock >= 0)
) STRICT;
CREATE TABLE IF NOT EXISTS customers (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, address TEXT NOT NULL,
    country TEXT NOT NULL, club TEXT NOT NULL CHECK (club IN ('none', 'silver', 'gold')),
    since TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers (id), placed TEXT NOT NULL,
    status TEXT NOT NULL CHECK (
        status IN ('placed', 'packed', 'dispatched', 'delivered', 'cancelled', 'returned')),
    method TEXT NOT NULL CHECK (method IN ('card', 'wallet', 'invoice')),
    shipping_cents INTEGER NOT NULL, total_cents INTEGER NOT NULL, address TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id), line INTEGER NOT NULL,
    sku TEXT NOT NULL REFERENCES articles (sku), price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id), method TEXT NOT NULL,
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    state TEXT NOT NULL CHECK (state IN ('reserved', 'captured', 'released')), taken TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS shipments (
    order_id INTEGER PRIMARY KEY REFERENCES orders (id), carrier TEXT NOT NULL,
    tracking TEXT NOT NULL UNIQUE, dispatched TEXT NOT NULL, expected TEXT NOT NULL, delivered TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS shipment_events (
    order_id INTEGER NOT NULL REFERENCES shipments (order_id), line INTEGER NOT NULL,
    day TEXT NOT NULL, place TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (order_id, line)
) STRICT;
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0), reason TEXT NOT NULL,
    made TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS credits (
    id INTEGER PRIMARY KEY, customer TEXT NOT NULL REFERENCES customers (id),
    order_id INTEGER REFERENCES orders (id), amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    note TEXT NOT NULL, made TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS cancellations (
    order_id INTEGER PRIMARY KEY REFERENCES orders (id), status_before TEXT NOT NULL,
    released_cents INTEGER NOT NULL, made TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS address_changes (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
    address_before TEXT NOT NULL, address TEXT NOT NULL, made TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS replacements (
    id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id),
    sku TEXT NOT NULL REFERENCES articles (sku), reason TEXT NOT NULL, expected TEXT NOT NULL,
    made TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE, UNIQUE (order_id, sku)
) STRICT;
"""


def create(data_dir: Path) -> None:
    """Make the books as they stand on the sample's day; what is there already stays."""
    with opened(data_dir) as books:
        books.executescript(_SCHEMA)
        books.execute("BEGIN IMMEDIATE")
        for table, values in rows():
            marks = ", ".join("?" * len(values))
            books.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the books; what was begun is committed at the end, or rolled back by an error."""
    with closing(sqlite3.connect(data_dir / FILE, timeout=10, isolation_level=None)) as books:
        books.row_factory = sqlite3.Row
        books.execute("PRAGMA foreign_keys=ON")
        books.execute("PRAGMA synchronous=FULL")
        try:
            yield books
        except BaseException:
            if books.in_transaction:
                books.rollback()
            raise
        if books.in_transaction:
            books.commit()


def row(books: sqlite3.Connection, sql: str, *values: object) -> dict[str, Any] | None:
    """Return the first row of a query by column names, or None."""
    found = books.execute(sql, values).fetchone()
    return dict(found) if found else None


def every(books: sqlite3.Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """Return all rows of a query by column names."""
    return [dict(found) for found in books.execute(sql, values)]
