"""Typed values out of a message, by pattern. Pure; money becomes minor units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from concertmaster.contracts.spec import SlotSpec

__all__ = ["Filled", "fill"]

# Bounded in length, so that no message makes the search slow.
_NUMBER = r"\d{1,3}(?:[.,' ]\d{3}){1,5}(?:[.,]\d{1,2})?|\d{1,18}(?:[.,]\d{1,2})?"
_DEFAULTS = {
    "integer": r"(?<![\w.,])(\d{1,18})(?![\w]|[.,]\d)",
    "money": rf"(?:€|eur|euros?|\$|usd|£|gbp)\s*({_NUMBER})|({_NUMBER})\s*"
    r"(?:€|eur\b|euros?\b|\$|usd\b|dollars?\b|£|gbp\b|pounds?\b)",
    "date": r"\b(\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{4})\b",
    "email": r"([\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)",
}


@dataclass(frozen=True)
class Filled:
    """Slot values by name (null where none was found) and the required ones still missing."""

    values: dict[str, Any]
    missing: tuple[SlotSpec, ...]


def fill(
    slots: Sequence[SlotSpec],
    text: str,
    *,
    earlier: Mapping[str, Any] | None = None,
    answering: bool = False,
) -> Filled:
    """Read every slot from the text, else from what the principal said earlier.

    Args:
        slots: what to look for.
        text: the principal's message.
        earlier: slot values of the thread's last turn.
        answering: the message answers the desk's own question, so that every earlier value
            still counts; otherwise only slots declared with `carry` look back.
    """
    values: dict[str, Any] = {}
    for slot in slots:
        value = _read(slot, text)
        if value is None and earlier and (answering or slot.carry):
            value = earlier.get(slot.name)
        values[slot.name] = value
    return Filled(values, tuple(s for s in slots if s.required and values[s.name] is None))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _read(slot: SlotSpec, text: str) -> Any:
    if slot.type == "enum":
        return _enum(slot, text)
    pattern = slot.pattern or _DEFAULTS.get(slot.type)
    if pattern is None:
        return None
    for match in _compiled(pattern).finditer(text):
        raw = next((g for g in match.groups() if g), None) or match.group(0)
        value = _typed(slot.type, raw.strip())
        if value is not None:
            return value
    return None


def _enum(slot: SlotSpec, text: str) -> str | None:
    for value, words in slot.values.items():
        for word in (value, *words):
            if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE):
                return value
    return None


def _typed(kind: str, raw: str) -> Any:
    match kind:
        case "integer":
            digits = re.sub(r"\D", "", raw)
            return int(digits) if digits and len(digits) <= 18 else None
        case "money":
            return minor_units(raw)
        case "date":
            return _iso_date(raw)
        case _:
            return raw.rstrip(" .!?;,") or None


def minor_units(raw: str) -> int | None:
    """Return cents for `1,250.50`, `1.250,50`, `1250` or `35.5`; None if it is no amount."""
    digits = re.sub(r"[^\d.,]", "", raw)
    decimals = re.search(r"[.,](\d{1,2})$", digits)
    whole = digits[: decimals.start()] if decimals else digits
    try:
        amount = Decimal(re.sub(r"[.,]", "", whole) or "0")
        if decimals:
            amount += Decimal(f"0.{decimals.group(1)}")
    except InvalidOperation:
        return None
    cents = int(amount * 100)
    return cents if digits and cents <= 10**15 else None


def _iso_date(raw: str) -> str | None:
    parts = [int(p) for p in re.split(r"[-./]", raw)]
    try:
        found = date(*parts) if parts[0] > 31 else date(parts[2], parts[1], parts[0])
    except ValueError:
        return None
    return found.isoformat()
