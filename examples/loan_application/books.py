"""What the books say: of a customer, an identity, an application and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from concertmaster.errors import ToolError

from . import scorecard, store  # noqa: TID252

__all__ = [
    "Identity",
    "application_id",
    "assess",
    "find_application",
    "find_customer",
    "find_identity",
    "sum_of_loans",
]

_FIRST_ID = 1000


class Identity(TypedDict):
    """What the identity registry says: verified, expired or unknown."""

    status: Literal["verified", "expired", "unknown"]
    document: str
    valid_until: str


def find_customer(data_dir: Path, who: str) -> dict[str, Any] | None:
    """Return the record of a customer, or None."""
    with store.opened(data_dir) as tables:
        return store.row(tables, "SELECT * FROM applicants WHERE id = ?", who)


def find_identity(data_dir: Path, who: str) -> Identity:
    """Return what the registry says of a person today."""
    with store.opened(data_dir) as tables:
        document = store.row(
            tables, "SELECT kind, valid_until FROM identity_documents WHERE applicant = ?", who
        )
    if document is None:
        return Identity(status="unknown", document="", valid_until="")
    valid = document["valid_until"] >= datetime.now(UTC).date().isoformat()
    return Identity(
        status="verified" if valid else "expired",
        document=document["kind"],
        valid_until=document["valid_until"],
    )


def find_application(data_dir: Path, application: str) -> dict[str, Any]:
    """Return the row of an application.

    Raises:
        ToolError: there is none of this id.
    """
    number = application.removeprefix("LA-")
    known = None
    if number.isascii() and number.isdigit() and len(number) < 16:
        with store.opened(data_dir) as tables:
            known = store.row(
                tables, "SELECT * FROM applications WHERE number = ?", int(number) - _FIRST_ID
            )
    if known is None:
        raise ToolError("there is no such application")
    return known


def application_id(number: int) -> str:
    """Return the id under which people know an application."""
    return f"LA-{_FIRST_ID + number}"


def sum_of_loans(data_dir: Path, who: str, *, besides: int = 0) -> dict[str, int]:
    """Return what a customer's booked loans add up to, that of one application aside."""
    with store.opened(data_dir) as tables:
        total = store.row(
            tables,
            "SELECT coalesce(sum(l.amount_cents), 0) AS amount_cents,"
            " coalesce(sum(l.instalment_cents), 0) AS instalment_cents FROM loans l"
            " JOIN applications a ON a.number = l.application"
            " WHERE a.applicant = ? AND a.number != ?",
            who,
            besides,
        )
    return total or {"amount_cents": 0, "instalment_cents": 0}


def assess(data_dir: Path, application: Mapping[str, Any]) -> tuple[scorecard.Decision, int]:
    """Return what the scorecard says of a stored application: the decision and the points.

    Raises:
        ToolError: the application belongs to no customer.
    """
    person = find_customer(data_dir, application["applicant"])
    if person is None:
        raise ToolError("the application belongs to no customer")
    others = sum_of_loans(data_dir, person["id"], besides=application["number"])
    applicant = scorecard.Applicant(
        income_cents=application["income_cents"],
        debts_cents=person["debts_cents"] + others["instalment_cents"],
        missed_payments=person["missed_payments"],
        repaid_loans=person["repaid_loans"],
        years_as_customer=person["years_as_customer"],
    )
    loan = scorecard.Loan(
        amount_cents=application["amount_cents"], term_months=application["term_months"]
    )
    return scorecard.decide(applicant, loan), scorecard.score(applicant, loan).points
