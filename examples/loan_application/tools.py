"""What the loan desk can do: look at a customer, keep an application, decide, book."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

from . import books, store  # noqa: TID252

Cents = Annotated[int, Field(gt=0, le=10**12)]
Months = Annotated[int, Field(ge=6, le=120)]

State = Literal["none", "received", "approve", "decline", "refer", "booked"]


class Profile(TypedDict):
    """What the desk knows of its customer."""

    known: bool
    name: str
    debts_cents: int
    missed_payments: int
    repaid_loans: int
    years_as_customer: int


class Application(TypedDict):
    """A stored application."""

    id: str
    amount_cents: int
    term_months: int
    income_cents: int


class Decided(TypedDict):
    """A stored credit decision; `explanation` puts its reasons into words."""

    application: str
    outcome: str
    points: int
    instalment_cents: int
    reasons: list[str]
    explanation: str


class Booked(TypedDict):
    """A booked loan."""

    loan: str
    application: str
    amount_cents: int
    term_months: int
    instalment_cents: int


class Standing(TypedDict):
    """Where the customer's last application stands."""

    found: bool
    application: str
    amount_cents: int
    state: State


class DecisionFacts(TypedDict):
    """What the scorecard says of the stored application, whatever the caller says."""

    applicant: str
    outcome: str
    points: int


class LoanFacts(TypedDict):
    """What the books say of the application that is to be booked.

    `exposure_cents` is this loan together with those that the applicant has already.
    """

    applicant: str
    amount_cents: int
    exposure_cents: int
    decision: str
    identity: str
    booked: bool


def setup(data_dir: Path) -> None:
    """Make the books."""
    store.create(data_dir)


@declare(effect="read", label="internal", trusted=True)
def get_applicant(ctx: ToolContext) -> Profile:
    """Look up the customer on whose behalf this runs."""
    found = books.find_customer(ctx.data_dir, ctx.principal.id)
    if found is None:
        return Profile(
            known=False,
            name="",
            debts_cents=0,
            missed_payments=0,
            repaid_loans=0,
            years_as_customer=0,
        )
    borrowed = books.sum_of_loans(ctx.data_dir, found["id"])
    return Profile(
        known=True,
        name=found["name"],
        debts_cents=found["debts_cents"] + borrowed["instalment_cents"],
        missed_payments=found["missed_payments"],
        repaid_loans=found["repaid_loans"],
        years_as_customer=found["years_as_customer"],
    )


@declare(effect="read", label="internal", trusted=True)
def check_identity(ctx: ToolContext) -> books.Identity:
    """Ask the registry for the identity document of the customer on whose behalf this runs."""
    return books.find_identity(ctx.data_dir, ctx.principal.id)


@declare(effect="read", label="internal", trusted=True)
def get_application_status(ctx: ToolContext) -> Standing:
    """Tell where the last application of the customer on whose behalf this runs stands."""
    with store.opened(ctx.data_dir) as tables:
        last = store.row(
            tables,
            "SELECT a.number, a.amount_cents, d.outcome, l.number AS loan FROM applications a"
            " LEFT JOIN decisions d ON d.application = a.number"
            " LEFT JOIN loans l ON l.application = a.number"
            " WHERE a.applicant = ? ORDER BY a.number DESC LIMIT 1",
            ctx.principal.id,
        )
    if last is None:
        return Standing(found=False, application="", amount_cents=0, state="none")
    state: State = "booked" if last["loan"] else last["outcome"] or "received"
    return Standing(
        found=True,
        application=books.application_id(last["number"]),
        amount_cents=last["amount_cents"],
        state=state,
    )


def _saved(arguments: Mapping[str, Any], ctx: ToolContext) -> Application | None:
    with store.opened(ctx.data_dir) as tables:
        found = store.row(
            tables, "SELECT * FROM applications WHERE idempotency_key = ?", ctx.idempotency_key
        )
    return _as_application(found) if found else None


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    reconcile=_saved,
    waiver="an application commits neither the customer nor the lender",
)
def save_application(
    amount_cents: Cents, term_months: Months, income_cents: Cents, ctx: ToolContext
) -> Application:
    """Keep an application for a loan in the customer's own name."""
    if books.find_customer(ctx.data_dir, ctx.principal.id) is None:
        raise ToolError("there is no customer record to keep an application under")
    with store.opened(ctx.data_dir) as tables:
        tables.execute("BEGIN IMMEDIATE")
        tables.execute(
            "INSERT INTO applications (applicant, amount_cents, term_months, income_cents,"
            " idempotency_key) VALUES (?, ?, ?, ?, ?) ON CONFLICT (idempotency_key) DO NOTHING",
            (ctx.principal.id, amount_cents, term_months, income_cents, ctx.idempotency_key),
        )
    saved = _saved({}, ctx)
    if saved is None:
        raise ToolError("the application was not stored")
    return saved


def _decision_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> DecisionFacts:
    application = books.find_application(ctx.data_dir, str(arguments["application"]))
    decision, points = books.assess(ctx.data_dir, application)
    return DecisionFacts(
        applicant=application["applicant"], outcome=decision.outcome, points=points
    )


def _recorded(arguments: Mapping[str, Any], ctx: ToolContext) -> Decided | None:
    with store.opened(ctx.data_dir) as tables:
        found = store.row(
            tables, "SELECT * FROM decisions WHERE idempotency_key = ?", ctx.idempotency_key
        )
    return _as_decided(found) if found else None


@declare(
    effect="write",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=_decision_facts,
    reconcile=_recorded,
    waiver="it moves no money, and is permitted only if it says what the scorecard says",
)
def record_decision(
    application: str, outcome: Literal["approve", "decline", "refer"], ctx: ToolContext
) -> Decided:
    """Put the credit decision on an application into the books, once and for all."""
    found = books.find_application(ctx.data_dir, application)
    decision, points = books.assess(ctx.data_dir, found)
    if decision.outcome != outcome:
        raise ToolError(f"the scorecard does not say {outcome} of application {application}")
    with store.opened(ctx.data_dir) as tables:
        tables.execute("BEGIN IMMEDIATE")
        tables.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                found["number"],
                outcome,
                points,
                decision.instalment_cents,
                json.dumps(decision.reasons),
                ctx.idempotency_key,
            ),
        )
    recorded = _recorded({}, ctx)
    if recorded is None:
        raise ToolError(f"application {application} has been decided before")
    return recorded


def _loan_facts(arguments: Mapping[str, Any], ctx: ToolContext) -> LoanFacts:
    application = books.find_application(ctx.data_dir, str(arguments["application"]))
    number = application["number"]
    with store.opened(ctx.data_dir) as tables:
        decision = store.row(tables, "SELECT outcome FROM decisions WHERE application = ?", number)
        loan = store.row(
            tables,
            "SELECT number FROM loans WHERE application = ? AND idempotency_key != ?",
            number,
            ctx.idempotency_key,
        )
    before = books.sum_of_loans(ctx.data_dir, application["applicant"], besides=number)
    return LoanFacts(
        applicant=application["applicant"],
        amount_cents=application["amount_cents"],
        exposure_cents=application["amount_cents"] + before["amount_cents"],
        decision=decision["outcome"] if decision else "none",
        identity=books.find_identity(ctx.data_dir, application["applicant"])["status"],
        booked=loan is not None,
    )


def _booking(arguments: Mapping[str, Any], ctx: ToolContext) -> Booked | None:
    with store.opened(ctx.data_dir) as tables:
        found = store.row(
            tables, "SELECT * FROM loans WHERE idempotency_key = ?", ctx.idempotency_key
        )
    return _as_booked(found) if found else None


@declare(
    effect="irreversible",
    idempotent=True,
    label="internal",
    trusted=True,
    clearance="internal",
    facts=_loan_facts,
    reconcile=_booking,
)
def book_loan(application: str, ctx: ToolContext) -> Booked:
    """Book the loan of a decided application and pay it out, at most once."""
    found = books.find_application(ctx.data_dir, application)
    with store.opened(ctx.data_dir) as tables:
        tables.execute("BEGIN IMMEDIATE")
        decision = store.row(
            tables, "SELECT instalment_cents FROM decisions WHERE application = ?", found["number"]
        )
        if decision is None:
            raise ToolError(f"application {application} has not been decided")
        tables.execute(
            "INSERT INTO loans (application, amount_cents, term_months, instalment_cents,"
            " idempotency_key) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                found["number"],
                found["amount_cents"],
                found["term_months"],
                decision["instalment_cents"],
                ctx.idempotency_key,
            ),
        )
    booked = _booking({}, ctx)
    if booked is None:
        raise ToolError(f"the loan of application {application} has been booked before")
    return booked


def _as_application(found: Mapping[str, Any]) -> Application:
    return Application(
        id=books.application_id(found["number"]),
        amount_cents=found["amount_cents"],
        term_months=found["term_months"],
        income_cents=found["income_cents"],
    )


def _as_decided(found: Mapping[str, Any]) -> Decided:
    reasons: list[tuple[str, str]] = json.loads(found["reasons"])
    return Decided(
        application=books.application_id(found["application"]),
        outcome=found["outcome"],
        points=found["points"],
        instalment_cents=found["instalment_cents"],
        reasons=[code for code, _ in reasons],
        explanation="; ".join(f"{told} ({code})" for code, told in reasons),
    )


def _as_booked(found: Mapping[str, Any]) -> Booked:
    return Booked(
        loan=f"L-{5000 + found['number']}",
        application=books.application_id(found["application"]),
        amount_cents=found["amount_cents"],
        term_months=found["term_months"],
        instalment_cents=found["instalment_cents"],
    )
