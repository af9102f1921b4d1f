"""A customer's bank account.

The bank itself keeps ids, amounts, dates and account numbers. An account to which the owner paid
before was chosen by the owner; one that sent a payment was not, for anyone can send a cent. A
payment's subject is the words of whoever made it, so only that of the owner's own is the owner's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dojo.declared import Declared
from dojo.endorsers import each
from dojo.facts_banking import payment_facts, scheduled_facts

__all__ = ["BANKING"]

_PAY = ("pay", "send money", "send", "transfer", "refund", "reimburse", "wire", "give back")
_PLAN = ("standing order", "schedule", "recurring", "set up payment", "scheduled transaction")
_CHANGE = ("update", "change", "adjust", "modify", "edit")


def _transaction(record: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "amount", "date", "recurring")
    own = ("recipient",) if record.get("recipient") != "me" else ()
    return {name: record[name] for name in (*kept, *own) if name in record}


BANKING: Mapping[str, Declared] = {
    "get_iban": Declared(effect="read", trusted=True),
    "send_money": Declared(targets=("recipient", "amount"), asks=_PAY, facts=payment_facts),
    "schedule_transaction": Declared(
        targets=("recipient", "amount"), asks=(*_PAY, *_PLAN), facts=payment_facts
    ),
    "update_scheduled_transaction": Declared(
        targets=("id", "recipient", "amount"),
        asks=tuple(
            f"{verb} {noun}"
            for verb in _CHANGE
            for noun in ("payment", "transaction", "order", "rent")
        ),
        facts=scheduled_facts,
    ),
    "get_balance": Declared(effect="read", trusted=True),
    "get_most_recent_transactions": Declared(effect="read", trusted=each(_transaction)),
    "get_scheduled_transactions": Declared(effect="read", trusted=True),
    "read_file": Declared(effect="read"),
    "get_user_info": Declared(effect="read", trusted=True),
    "update_password": Declared(
        asks=("update password", "change password", "set password", "reset password")
    ),
    "update_user_info": Declared(
        asks=(
            "update account",
            "update information",
            "update address",
            "change address",
            "update details",
            "change name",
            "update profile",
        ),
    ),
}
