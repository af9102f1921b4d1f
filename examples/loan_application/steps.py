"""The desk's own steps: is the person known, what is the score, what follows from it.

They explain; they decide nothing that counts. What is recorded and booked is taken from the
books and the scorecard again, so a step's data, which is part of the run's state, has no power.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import scorecard  # noqa: TID252


async def verify(state: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Read the registry's answer; no answer counts as not verified."""
    found = state["results"].get("identity") or {}
    status = found.get("status", "unchecked")
    return {"identity": {"verified": status == "verified", "status": status}}


async def score(state: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Score the application by the scorecard."""
    scored = scorecard.score(*_case(state))
    return {
        "score": {
            "points": scored.points,
            "band": scored.band,
            "reasons": [code for code, _ in scored.reasons],
        }
    }


async def decide(state: Mapping[str, Any], runtime: Any) -> dict[str, Any]:
    """Approve, refer or decline, by score band and affordability."""
    decision = scorecard.decide(*_case(state))
    return {
        "decision": {
            "application": state["results"]["application"]["id"],
            "outcome": decision.outcome,
            "instalment_cents": decision.instalment_cents,
            "reasons": [code for code, _ in decision.reasons],
        }
    }


def _case(state: Mapping[str, Any]) -> tuple[scorecard.Applicant, scorecard.Loan]:
    profile, application = state["results"]["profile"], state["results"]["application"]
    applicant = scorecard.Applicant(
        income_cents=application["income_cents"],
        debts_cents=profile["debts_cents"],
        missed_payments=profile["missed_payments"],
        repaid_loans=profile["repaid_loans"],
        years_as_customer=profile["years_as_customer"],
    )
    loan = scorecard.Loan(
        amount_cents=application["amount_cents"], term_months=application["term_months"]
    )
    return applicant, loan
