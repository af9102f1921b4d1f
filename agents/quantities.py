"""Figures of a text with their units, in digits or in words. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from concertmaster.agents.folding import visible
from concertmaster.agents.words import numbers

__all__ = ["Quantity", "kind", "quantities", "units"]

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
).split()
_TENS = "thirty forty fifty sixty seventy eighty ninety".split()
_WORDS = {word: str(at) for at, word in enumerate(_SMALL)} | {
    word: str(10 * at) for at, word in enumerate(_TENS, start=3)
}
_AMBIGUOUS = "one"  # also a pronoun: a figure only where a unit follows
_SCALES = ("hundred", "thousand", "million", "billion", "trillion")
_MONEY = {
    "EUR": "€ eur euro euros",
    "USD": "$ usd dollar dollars",
    "GBP": "£ gbp pound pounds",
    "JPY": "¥ jpy yen",
    "CHF": "chf franc francs",
    "cent": "cent cents",
}
_TIME = {
    "second": "second seconds sec secs",
    "minute": "minute minutes min mins",
    "hour": "hour hours hr hrs",
    "day": "day days",
    "week": "week weeks",
    "month": "month months",
    "year": "year years yr yrs",
}
_CLOCK = {"am": "am a.m a.m.", "pm": "pm p.m p.m."}
_MONTHS = {
    name[:3]: f"{name} {name[:3]} {name[:3]}."
    for name in (
        "january february march april may june july august september october november december"
    ).split()
}
_SHARES = {"percent": "% percent pct", "point": "points point bps"}
_SIZES = {
    "km": "km kilometer kilometers kilometre kilometres",
    "mile": "mile miles mi",
    "m": "m meter meters metre metres",
    "kg": "kg kilo kilos kilogram kilograms",
    "g": "gram grams g",
    "lb": "lb lbs",
    "MB": "mb megabyte megabytes",
    "GB": "gb gigabyte gigabytes",
}
_KINDS = {
    "money": _MONEY,
    "time": _TIME,
    "clock": _CLOCK,
    "month": _MONTHS,
    "share": _SHARES,
    "size": _SIZES,
}
_UNITS = {
    form: (unit, name)
    for name, table in _KINDS.items()
    for unit, forms in table.items()
    for form in forms.split()
}
_QUALIFIERS = {"business": "business", "working": "business", "calendar": "calendar"}
_PIECE = re.compile(
    r"(?P<sign>(?<![\w.,)])-(?=[\d$€£¥]))?(?:(?P<digits>\d+(?:[.,]\d+)*)(?P<suffix>k\b|st\b|nd\b|rd\b|th\b)?"
    r"|(?P<word>[a-z]+(?:\.[a-z]\b\.?)?)|(?P<mark>[$€£¥%]))"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure: its plain value (`1250`), its unit (`EUR`, `business day`), or "" for none.

    `text` is what was written.
    """

    value: str
    unit: str
    text: str


@lru_cache(maxsize=4096)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Return the figures of a text in their order.

    >>> [(q.value, q.unit) for q in quantities("$1,250.00 within five business days, on June 7th")]
    [('1250', 'USD'), ('5', 'business day'), ('7', 'jun')]
    """
    pieces = list(_PIECE.finditer(visible(text).lower()))
    found = []
    for at, piece in enumerate(pieces):
        value = _value(pieces, at)
        if value is None:
            continue
        after = at + 1
        if after < len(pieces) and pieces[after].group("word") in _SCALES:
            value += f" {pieces[after].group('word')}"
            after += 1
        unit = _unit(pieces, at, after)
        if piece.group() == _AMBIGUOUS and not unit:
            continue
        shown = f"{piece.group('digits') or piece.group()} {unit}".strip()
        found.append(Quantity(value, unit, shown))
    return tuple(found)


def units(text: str) -> frozenset[str]:
    """Return the units that a text mentions anywhere."""
    pieces = (p.group() for p in _PIECE.finditer(visible(text).lower()))
    return frozenset(_UNITS[p][0] for p in pieces if p in _UNITS)


def kind(unit: str) -> str:
    """Return what a unit measures (`money`, `time`, …), or "" for no known unit."""
    bare = unit.rsplit(" ", 1)[-1]
    return next((name for name, table in _KINDS.items() if bare in table), "")


def _value(pieces: list[re.Match[str]], at: int) -> str | None:
    piece = pieces[at]
    if digits := piece.group("digits"):
        (value,) = numbers(digits)
        scale = " thousand" if piece.group("suffix") == "k" else ""
        before = pieces[at - 1] if at and pieces[at - 1].group("mark") else None
        negative = piece.group("sign") or (before is not None and before.group("sign"))
        return f"{'-' if negative else ''}{value}{scale}"
    return _WORDS.get(piece.group("word") or "")


def _unit(pieces: list[re.Match[str]], at: int, after: int) -> str:
    """Return the unit behind a figure (over one qualifier), or right before it."""
    following = [p.group() for p in pieces[after : after + 2]]
    if following and following[0] in _QUALIFIERS and following[1:2] and following[1] in _UNITS:
        return f"{_QUALIFIERS[following[0]]} {_UNITS[following[1]][0]}"
    if following and following[0] in _UNITS:
        return _UNITS[following[0]][0]
    before = pieces[at - 1].group() if at else ""
    if before.lstrip("-") in _UNITS and _UNITS[before.lstrip("-")][1] in ("money", "month"):
        return _UNITS[before.lstrip("-")][0]
    return ""
