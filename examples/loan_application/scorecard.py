"""The scorecard and the credit rules: pure functions, the same input gives the same decision.

A logistic scorecard adds weighted features to the log-odds that a loan is repaid:

    ln(odds) = 5.2 - 5.0·service - 0.9·missed + 0.35·repaid + 0.05·tenure - 0.25·years - 0.6·size

    service  all monthly instalments, the new one included, as a share of net income
    missed   payments missed in the last 24 months, at most 4
    repaid   loans repaid here before, at most 3
    tenure   years as a customer, at most 15
    years    years of the term beyond the third
    size     the loan as a share of the net income of a year, at most 3

    points = 600 + 20 / ln 2 · (ln(odds) - ln 50)

So 600 points stand for odds of 50 to 1, and 20 points more double them. The weights illustrate
the form; they are not fitted to anybody's portfolio. What the law protects (age, sex, origin,
religion, health, family) is not among the inputs and cannot be: `Applicant` has no such field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Applicant", "Decision", "Loan", "Score", "decide", "instalment", "score"]

Outcome = Literal["approve", "decline", "refer"]

YEARLY_RATE = 0.069
"""The nominal rate for every loan; instalments fall due monthly."""

APPROVE_FROM, REFER_FROM = 580, 550
"""Points: band A from the first, B from the second, C below."""

MOST_SERVICE, CALM_SERVICE = 0.45, 0.35
"""Share of income for instalments: declined above the first, referred above the second."""

LEFT_TO_LIVE_ON = 90_000
"""Cents a month that have to remain after all instalments."""

_INTERCEPT = 5.2
_FACTOR = 20 / math.log(2)
_OFFSET = 600 - _FACTOR * math.log(50)
_TOLD = 3

_CODES = {
    "service": ("R01", "a high share of income goes into instalments"),
    "missed": ("R02", "payments were missed in the last 24 months"),
    "repaid": ("R03", "no loan has been repaid here before"),
    "tenure": ("R04", "the account is young"),
    "years": ("R05", "the term is long"),
    "size": ("R06", "the loan is large for the income"),
}


@dataclass(frozen=True, kw_only=True)
class Applicant:
    """What the score may know of a person. Money is in cents a month."""

    income_cents: int
    debts_cents: int
    missed_payments: int
    repaid_loans: int
    years_as_customer: int


@dataclass(frozen=True, kw_only=True)
class Loan:
    """What is asked for."""

    amount_cents: int
    term_months: int


@dataclass(frozen=True)
class Score:
    """Points, their band, and what cost the most points, the worst first."""

    points: int
    band: Literal["A", "B", "C"]
    reasons: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Decision:
    """What follows from score and affordability, with the codes and sentences that say why."""

    outcome: Outcome
    instalment_cents: int
    reasons: tuple[tuple[str, str], ...]


def instalment(loan: Loan) -> int:
    """Return the monthly instalment of an annuity in cents, rounded up."""
    monthly = YEARLY_RATE / 12
    return math.ceil(loan.amount_cents * monthly / (1 - (1 + monthly) ** -loan.term_months))


def score(applicant: Applicant, loan: Loan) -> Score:
    """Return the score of a loan for an applicant.

    Raises:
        ValueError: the income is not positive; there is nothing to score then.
    """
    if applicant.income_cents <= 0:
        raise ValueError("a score needs a positive income")
    parts = _contributions(applicant, loan)
    points = round(_OFFSET + _FACTOR * (_INTERCEPT + sum(parts.values())))
    band: Literal["A", "B", "C"] = "C"
    if points >= APPROVE_FROM:
        band = "A"
    elif points >= REFER_FROM:
        band = "B"
    worst = sorted((value, name) for name, value in _shortfalls(parts).items())
    return Score(points, band, tuple(_CODES[name] for _, name in worst[:_TOLD]))


def decide(applicant: Applicant, loan: Loan) -> Decision:
    """Return the credit decision: what cannot be afforded is declined whatever the score."""
    monthly = instalment(loan)
    due = applicant.debts_cents + monthly
    if due > MOST_SERVICE * applicant.income_cents:
        return Decision(
            "decline", monthly, (("A01", "the instalments would exceed 45% of income"),)
        )
    if applicant.income_cents - due < LEFT_TO_LIVE_ON:
        return Decision("decline", monthly, (("A02", "too little would be left to live on"),))
    scored = score(applicant, loan)
    if scored.band == "C":
        return Decision("decline", monthly, scored.reasons)
    if scored.band == "B":
        return Decision("refer", monthly, scored.reasons)
    if due > CALM_SERVICE * applicant.income_cents:
        return Decision("refer", monthly, (("A03", "the instalments exceed 35% of income"),))
    return Decision("approve", monthly, ())


def _contributions(applicant: Applicant, loan: Loan) -> dict[str, float]:
    income = applicant.income_cents
    service = (applicant.debts_cents + instalment(loan)) / income
    return {
        "service": -5.0 * min(service, 1.0),
        "missed": -0.9 * min(applicant.missed_payments, 4),
        "repaid": 0.35 * min(applicant.repaid_loans, 3),
        "tenure": 0.05 * min(applicant.years_as_customer, 15),
        "years": -0.25 * max(0.0, loan.term_months / 12 - 3),
        "size": -0.6 * min(loan.amount_cents / (income * 12), 3.0),
    }


def _shortfalls(parts: dict[str, float]) -> dict[str, float]:
    """Return by how much each part stays below what an ordinary good applicant has."""
    ordinary = {"service": -1.0, "missed": 0.0, "repaid": 0.35, "tenure": 0.25, "years": -0.25}
    low = {name: value - ordinary.get(name, -0.3) for name, value in parts.items()}
    return {name: value for name, value in low.items() if value < 0}
