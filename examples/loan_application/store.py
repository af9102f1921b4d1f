"""The lender's own books: one SQLite file in the workspace's data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

__all__ = ["create", "opened", "row"]

_FILE = "loans.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS applicants (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, years_as_customer INTEGER NOT NULL,
    debts_cents INTEGER NOT NULL, missed_payments INTEGER NOT NULL, repaid_loans INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS identity_documents (
    applicant TEXT PRIMARY KEY, kind TEXT NOT NULL, valid_until TEXT NOT NULL,
    date_of_birth TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS applications (
    number INTEGER PRIMARY KEY, applicant TEXT NOT NULL REFERENCES applicants (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    term_months INTEGER NOT NULL CHECK (term_months > 0),
    income_cents INTEGER NOT NULL CHECK (income_cents > 0),
    idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS decisions (
    application INTEGER PRIMARY KEY REFERENCES applications (number),
    outcome TEXT NOT NULL CHECK (outcome IN ('approve', 'decline', 'refer')),
    points INTEGER NOT NULL, instalment_cents INTEGER NOT NULL, reasons TEXT NOT NULL,
    idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS loans (
    number INTEGER PRIMARY KEY,
    application INTEGER NOT NULL UNIQUE REFERENCES applications (number),
    amount_cents INTEGER NOT NULL, term_months INTEGER NOT NULL,
    instalment_cents INTEGER NOT NULL, idempotency_key TEXT NOT NULL UNIQUE
) STRICT;
"""

# id, name, years as customer, monthly debts in cents, missed payments, repaid loans
_APPLICANTS = (
    ("mia", "Mia Keller", 6, 18_000, 0, 1),
    ("omar", "Omar Haddad", 12, 35_000, 0, 2),
    ("rosa", "Rosa Lindt", 9, 20_000, 0, 1),
    ("tess", "Tess Brandt", 2, 35_000, 3, 0),
    ("noah", "Noah Weiss", 1, 40_000, 1, 0),
    ("jon", "Jon Berg", 5, 0, 0, 1),
    ("vera", "Vera Sommer", 8, 10_000, 0, 2),
    ("uma", "Uma Rao", 3, 10_000, 0, 0),
)

# applicant, kind, valid until, date of birth (which the score never sees); uma has none
_DOCUMENTS = (
    ("mia", "passport", "2039-05-31", "1988-02-11"),
    ("omar", "identity card", "2041-01-15", "1975-09-03"),
    ("rosa", "passport", "2040-10-01", "1981-12-24"),
    ("tess", "identity card", "2038-07-20", "1994-06-17"),
    ("noah", "residence permit", "2037-03-02", "1999-04-30"),
    ("vera", "passport", "2042-04-08", "1985-03-15"),
    ("jon", "passport", "2019-08-14", "1968-11-08"),
)


def create(data_dir: Path) -> None:
    """Make the books with their customers; what is there already stays."""
    with opened(data_dir) as books:
        books.executescript(_SCHEMA)
        books.execute("BEGIN IMMEDIATE")
        books.executemany("INSERT OR IGNORE INTO applicants VALUES (?, ?, ?, ?, ?, ?)", _APPLICANTS)
        books.executemany(
            "INSERT OR IGNORE INTO identity_documents VALUES (?, ?, ?, ?)", _DOCUMENTS
        )


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the books; what was begun is committed at the end, or rolled back by an error."""
    with closing(sqlite3.connect(data_dir / _FILE, timeout=10, isolation_level=None)) as books:
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
