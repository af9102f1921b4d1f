"""Which details of a call had been spoken of when the user gave the last answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tau_airline.fares import key
from tau_airline.talk import Talk
from tau_airline.wording import dollars_in, holds_number

__all__ = ["money_told", "unspoken", "unspoken_methods"]

_BAGS = re.compile(r"\b(?:bag|baggage|luggage|suitcase)s?\b", re.IGNORECASE)
_KINDS = {
    "credit_card": r"credit cards?|visa|mastercard|master card|amex|card ending",
    "gift_card": r"gift cards?",
    "certificate": r"certificates?|vouchers?",
}
_ORIGINAL = re.compile(
    r"\b(?:original|same|previous|initial) (?:form of )?(?:payment|method|card|credit|gift|source)",
    re.IGNORECASE,
)
_CABINS = {
    "basic_economy": r"basic[ _-]?economy",
    "economy": r"(?<!basic[ _-])economy",
    "business": r"business",
}


def unspoken(
    talk: Talk, arguments: Mapping[str, Any], held: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the details of a call that the user neither named nor agreed to.

    Args:
        talk: the conversation up to the user's last message.
        arguments: of the call.
        held: the reservation as it is; what the call leaves as it is needs no naming.
    """
    words, held = "\n".join(talk.settled), held or {}
    missing = []
    old = {key(s) for s in held.get("flights", ())}
    new = [s for s in arguments.get("flights", ()) if key(s) not in old]
    if any(s["flight_number"].lower() not in words.lower() for s in new):
        missing.append("flights")
    cabin = arguments.get("cabin")
    if cabin and cabin != held.get("cabin") and not _says(_CABINS.get(cabin, cabin), words):
        missing.append("cabin")
    if any(not _names(words, p) for p in arguments.get("passengers", ())):
        missing.append("passengers")
    bags = arguments.get("total_baggages")
    if bags and not _counts_bags(talk.settled, bags, held.get("total_baggages", 0)):
        missing.append("bags")
    fee = arguments.get("nonfree_baggages", 0) - held.get("nonfree_baggages", 0)
    if fee > 0 and not _fee_told(talk, fee):
        missing.append("bag_fee")
    return missing


def unspoken_methods(
    talk: Talk,
    payments: Iterable[str],
    profile: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]] = (),
) -> list[str]:
    """Return the payment methods of a call that the user neither named nor agreed to."""
    words = "\n".join(talk.settled)
    original = {p["payment_id"] for p in history} if _ORIGINAL.search(words) else set()
    methods = profile.get("payment_methods", {})
    return [
        payment
        for payment in payments
        if payment not in original and not _method_named(words, payment, methods)
    ]


def money_told(talk: Talk, due: Iterable[int]) -> bool:
    """Tell whether the agent had named one of these amounts, in cents, in what was agreed to."""
    wanted = {abs(amount) for amount in due}
    told = {amount for text in talk.agreed for amount in dollars_in(text)}
    return wanted <= {0} or bool(told & wanted)


def _method_named(words: str, payment: str, methods: Mapping[str, Any]) -> bool:
    method = methods.get(payment, {})
    if payment in words or payment.rsplit("_", 1)[-1] in words:
        return True
    if method.get("last_four"):
        if re.search(rf"\b{method['last_four']}\b", words):
            return True
    return _says(_KINDS.get(method.get("source", ""), r"(?!)"), words)


def _says(pattern: str, words: str) -> bool:
    return bool(re.search(rf"(?:{pattern})\b", words, re.IGNORECASE))


def _names(words: str, passenger: Mapping[str, Any]) -> bool:
    lowered = words.lower()
    return all(str(passenger.get(n, "")).lower() in lowered for n in ("first_name", "last_name"))


def _counts_bags(texts: Iterable[str], bags: int, before: int) -> bool:
    """Tell whether the new total, or how many are added, was said in one message with bags."""
    counts = {bags, bags - before} - {0}
    return any(
        _BAGS.search(text) and any(holds_number(text, count) for count in counts) for text in texts
    )


def _fee_told(talk: Talk, bags: int) -> bool:
    told = {amount for text in talk.agreed if _BAGS.search(text) for amount in dollars_in(text)}
    return bool(told & {5000, 5000 * bags})
