"""Which details of a call had been spoken of at all when the user gave the last answer.

Flight numbers, names, counts, amounts and payment methods are looked for as such, in everything
that either side said. What stands nowhere cannot have been listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tau_airline.fares import key
from tau_airline.talk import Talk
from tau_airline.wording import dollars_in, holds_number

__all__ = ["money_told", "unspoken", "unspoken_methods"]

_BAGS = re.compile(r"\b(?:bag|baggage|luggage|suitcase)s?\b", re.IGNORECASE)
_ALL_FREE = re.compile(
    r"\b(?:free|complimentary|maximum|allowed) (?:\w+ ){0,2}(?:allowance|number|bags|baggage)",
    re.IGNORECASE,
)
_KINDS = {
    "credit_card": r"credit cards?|visa|master ?card|amex|card (?:ending|on file)|my card",
    "gift_card": r"gift cards?",
    "certificate": r"certificates?|vouchers?",
}
_ORIGINAL = re.compile(
    r"\b(?:original|same|previous|initial) (?:form of |method of )?"
    r"(?:payment|method|card|credit|gift|source)"
    r"|\b(?:payment method|payment|card|method|one) (?:that )?(?:i |we |you |was )?"
    r"(?:used|have|on file)",
    re.IGNORECASE,
)
_CABINS = {
    "basic_economy": r"basic[ _-]?economy",
    "economy": r"(?<!basic[ _-])economy|coach",
    "business": r"business",
}


def unspoken(
    talk: Talk, arguments: Mapping[str, Any], held: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the kinds of detail of a call that neither the user nor the agent had named.

    Args:
        talk: the conversation up to the user's last message.
        arguments: of the call.
        held: the reservation as it is; what the call leaves as it is needs no naming.
    """
    held = held or {}
    checks = {
        "flights": _flights_named(talk.words, arguments, held),
        "cabin": _cabin_named(talk.words, arguments, held),
        "passengers": all(_named(talk.words, p) for p in arguments.get("passengers", ())),
        "bags": _bags_counted(talk, arguments, held),
    }
    return [name for name, spoken in checks.items() if not spoken]


def unspoken_methods(
    talk: Talk,
    payments: Iterable[str],
    profile: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]] = (),
) -> list[str]:
    """Return the payment methods of a call that nobody had named, by id, digits or kind."""
    original = {p["payment_id"] for p in history} if _ORIGINAL.search(talk.words) else set()
    methods = profile.get("payment_methods", {})
    return [
        payment
        for payment in payments
        if payment not in original and not _method_named(talk.words, payment, methods)
    ]


def money_told(talk: Talk, due: Iterable[int]) -> bool:
    """Tell whether one of these amounts, in cents, had been named; none is due if all are 0."""
    wanted = {abs(amount) for amount in due}
    return wanted <= {0} or bool(dollars_in(talk.words) & wanted)


def _flights_named(words: str, arguments: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    old = {key(s) for s in held.get("flights", ())}
    new = [s for s in arguments.get("flights", ()) if key(s) not in old]
    return all(s["flight_number"].lower() in words.lower() for s in new)


def _cabin_named(words: str, arguments: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    cabin = arguments.get("cabin")
    if not cabin or cabin == held.get("cabin"):
        return True
    return _says(_CABINS.get(cabin, re.escape(cabin)), words)


def _bags_counted(talk: Talk, arguments: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Tell whether some message speaks of so many bags: in all, added, or for each passenger."""
    bags, before = arguments.get("total_baggages", 0), held.get("total_baggages", 0)
    if bags <= before:
        return True
    people = len(arguments.get("passengers") or held.get("passengers") or ())
    counts = {bags, bags - before} | ({bags // people} if people and bags % people == 0 else set())
    return any(
        _ALL_FREE.search(text)
        or (_BAGS.search(text) and any(holds_number(text, count) for count in counts))
        for _, text in talk.turns
    )


def _method_named(words: str, payment: str, methods: Mapping[str, Any]) -> bool:
    method = methods.get(payment, {})
    names = (payment, payment.rsplit("_", 1)[-1], method.get("last_four"), method.get("brand"))
    named = any(_says(re.escape(name), words) for name in names if name)
    return named or _says(_KINDS.get(method.get("source", ""), r"(?!)"), words)


def _says(pattern: str, words: str) -> bool:
    return bool(re.search(rf"\b(?:{pattern})\b", words, re.IGNORECASE))


def _named(words: str, passenger: Mapping[str, Any]) -> bool:
    """Tell whether a passenger was spoken of by name, or as the user in person."""
    first = re.escape(str(passenger.get("first_name", "")))
    return _says(first, words) or _says(r"me|myself|i", words)
