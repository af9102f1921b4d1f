"""What the bank itself knows about the payments that a call would make or change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

__all__ = ["PaymentFacts", "ScheduledFacts", "payment_facts", "scheduled_facts"]


class PaymentFacts(TypedDict):
    """`known_payee`: the owner paid this account before. `usual`: the largest such payment."""

    known_payee: bool
    usual: float


class ScheduledFacts(TypedDict):
    """`same_payee`: the recipient stays. `small_change`: the amount stays, falls, or rises by a
    tenth at most."""

    same_payee: bool
    small_change: bool


def payment_facts(arguments: Mapping[str, Any], environment: Any) -> PaymentFacts:
    """Look through the payments that the owner made to this account."""
    account = environment.bank_account
    payee = _folded(arguments["recipient"])
    paid = [
        payment.amount
        for payment in account.transactions
        if payment.sender in ("me", account.iban) and _folded(payment.recipient) == payee
    ]
    return PaymentFacts(known_payee=bool(paid), usual=max(paid, default=0.0))


def scheduled_facts(arguments: Mapping[str, Any], environment: Any) -> ScheduledFacts:
    """Look up the scheduled payment that the call would change."""
    for payment in environment.bank_account.scheduled_transactions:
        if payment.id == arguments["id"]:
            payee = arguments.get("recipient")
            same = not payee or _folded(payee) == _folded(payment.recipient)
            amount = arguments.get("amount")
            small = amount is None or 0 < amount <= payment.amount * 1.1
            return ScheduledFacts(same_payee=same, small_change=small)
    return ScheduledFacts(same_payee=False, small_change=False)


def _folded(account: str) -> str:
    return "".join(account.split()).casefold()
