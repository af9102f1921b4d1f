"""Tickets, changes and their files: one SQLite file in the workspace's data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["create", "opened", "row", "rows"]

_FILE = "delivery.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tickets (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, criteria TEXT NOT NULL, author TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'merged'))
) STRICT;
CREATE TABLE IF NOT EXISTS files (
    ticket TEXT NOT NULL REFERENCES tickets (id), path TEXT NOT NULL, lines INTEGER NOT NULL,
    PRIMARY KEY (ticket, path)
) STRICT;
CREATE TABLE IF NOT EXISTS code_owners (
    prefix TEXT PRIMARY KEY, area TEXT NOT NULL, role TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS test_plans (
    number INTEGER PRIMARY KEY, ticket TEXT NOT NULL REFERENCES tickets (id),
    risk TEXT NOT NULL, cases TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS merges (
    number INTEGER PRIMARY KEY, ticket TEXT NOT NULL UNIQUE REFERENCES tickets (id),
    requested_by TEXT NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
"""

# id, title, acceptance criteria (one a line), author, state
_TICKETS = (
    (
        "SD-101",
        "Correct the wording of the return page",
        "The return page names the new address.",
        "dana",
        "open",
    ),
    (
        "SD-102",
        "Round partial refunds to the cent",
        "A refund of a third of an order is rounded up.\nThe refund never exceeds the payment.",
        "dana",
        "open",
    ),
    (
        "SD-103",
        "End sessions after thirty idle minutes",
        "An idle session asks for the password again.",
        "dana",
        "open",
    ),
    (
        "SD-104",
        "Keep a delivery note with every order",
        "Orders can be saved with a delivery note.\nOrders without one stay valid.",
        "dana",
        "open",
    ),
    (
        "SD-105",
        "Show the cart's weight",
        "The cart shows its weight in kilograms.",
        "dana",
        "open",
    ),
    (
        "SD-106",
        "Accept a second card network",
        "A card of the new network can pay for an order.",
        "pavel",
        "open",
    ),
    (
        "SD-107",
        "Ask for a second factor before large payments",
        "A large payment asks for a second factor.",
        "dana",
        "open",
    ),
    ("SD-108", "Sort the search results by price", "Cheaper items come first.", "eli", "open"),
    ("SD-109", "Add the size chart", "The size chart opens from every article.", "dana", "merged"),
    ("SD-110", "Explain the returns process", "The handbook names every step.", "dana", "open"),
)

_FILES = (
    ("SD-101", "web/pages/returns.py", 12),
    ("SD-101", "tests/web/test_returns.py", 18),
    ("SD-102", "payments/refunds.py", 46),
    ("SD-102", "tests/payments/test_refunds.py", 80),
    ("SD-103", "auth/sessions.py", 65),
    ("SD-103", "tests/auth/test_sessions.py", 90),
    ("SD-104", "migrations/0042_delivery_note.sql", 14),
    ("SD-104", "api/orders.py", 38),
    ("SD-104", "tests/api/test_orders.py", 55),
    ("SD-105", "web/cart.py", 27),
    ("SD-106", "payments/networks.py", 210),
    ("SD-106", "tests/payments/test_networks.py", 160),
    ("SD-107", "payments/checkout.py", 75),
    ("SD-107", "auth/second_factor.py", 140),
    ("SD-107", "tests/payments/test_checkout.py", 120),
    ("SD-108", "web/search.py", 22),
    ("SD-108", "tests/web/test_search.py", 30),
    ("SD-109", "web/size_chart.py", 48),
    ("SD-109", "tests/web/test_size_chart.py", 25),
    ("SD-110", "docs/returns.md", 60),
)

# path prefix, area, role that owns the code
_CODE_OWNERS = (
    ("", "other", "release-manager"),
    ("api/", "api", "release-manager"),
    ("auth/", "auth", "security-owner"),
    ("deploy/", "deploy", "release-manager"),
    ("migrations/", "migrations", "release-manager"),
    ("payments/", "payments", "payments-owner"),
    ("web/", "web", "release-manager"),
)


def create(data_dir: Path) -> None:
    """Make the tickets with their changes; what is there already stays."""
    with opened(data_dir) as delivery:
        delivery.executescript(_SCHEMA)
        delivery.execute("BEGIN IMMEDIATE")
        delivery.executemany("INSERT OR IGNORE INTO tickets VALUES (?, ?, ?, ?, ?)", _TICKETS)
        delivery.executemany("INSERT OR IGNORE INTO files VALUES (?, ?, ?)", _FILES)
        delivery.executemany("INSERT OR IGNORE INTO code_owners VALUES (?, ?, ?)", _CODE_OWNERS)


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the file; what was begun is committed at the end, or rolled back by an error."""
    with closing(sqlite3.connect(data_dir / _FILE, timeout=10, isolation_level=None)) as delivery:
        delivery.row_factory = sqlite3.Row
        delivery.execute("PRAGMA foreign_keys=ON")
        delivery.execute("PRAGMA synchronous=FULL")
        try:
            yield delivery
        except BaseException:
            if delivery.in_transaction:
                delivery.rollback()
            raise
        if delivery.in_transaction:
            delivery.commit()


def row(delivery: sqlite3.Connection, sql: str, *values: object) -> dict[str, Any] | None:
    """Return the first row of a query by column names, or None."""
    found = delivery.execute(sql, values).fetchone()
    return dict(found) if found else None


def rows(delivery: sqlite3.Connection, sql: str, *values: object) -> list[dict[str, Any]]:
    """Return all rows of a query by column names."""
    return [dict(found) for found in delivery.execute(sql, values)]
