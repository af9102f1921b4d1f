"""Numbers and sums of money in words: `1,200.50`, `1.200,50`, `20 euros`, `50 cents`.

A separator before exactly three digits parts thousands if it is a comma, a space or an
apostrophe, or if the number is a sum of money. A point is otherwise a decimal point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal

__all__ = ["SMALL", "decimal", "minor_unit", "number_of", "numbers", "plain_number"]

SMALL = dict(
    zip(
        map(str, range(1, 21)),
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split(),
        strict=True,
    )
)
"""The words of small numbers."""

_MINOR_NAMES = ("_cents", "_minor", "_pence")
_MONEY = (
    r"eur|euros?|usd|gbp|chf|jpy|sek|nok|dkk|pln|czk|cad|aud|inr|dollars?|pounds?|francs?|[$€£¥₹]"
)
_NUMBER = re.compile(
    rf"""
    (?<!\w)(?<!\w[.,'/:@\\+-])
    (?P<money>(?:{_MONEY})[ ]?)?
    (?P<sign>-)?
    (?P<body>(?>\d{{1,3}}(?:(?P<sep>[ ,.'])\d{{3}}(?!\d)(?:(?P=sep)\d{{3}}(?!\d))*) | \d+))
    (?P<rest>[.,]\d+)?
    (?P<unit>[ ]?(?:{_MONEY}|cents?|pence|penn(?:y|ies)|minor|k|m|mn|bn|mio|mrd|hundred|thousand
      |million|billion|grand)(?!\w) | [pc¢%](?!\w)
      | (?:kg|g|km|cm|mm|ml|l|h|hrs?|hours?|mins?|minutes?|s|secs?|x|days?)(?!\w))?
    (?!\w)(?![.,'/:@\\+-]\w)
    """,
    re.VERBOSE,
)
_CENTS = frozenset("cent cents pence penny pennies minor p c ¢".split())
_TIMES = frozenset("k m mn bn mio mrd hundred thousand million billion grand".split())
_MINOR_KEY = re.compile(r"(?:_cents|_minor|_pence)[\"']?\s?[:=]\s?$")
_PLAIN = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,18})?")


def minor_unit(name: str) -> bool:
    """Tell whether an argument or key counts in hundredths, as its name says."""
    return name.endswith(_MINOR_NAMES)


def decimal(value: int | float, *, minor: bool = False) -> str | None:
    """Return a JSON number in plain decimal form; None for what no text would hold.

    `minor` divides by 100.
    """
    if isinstance(value, int):
        if value.bit_length() > 128:
            return None
        if not minor:
            return str(value)
        return _tidy(f"{Decimal(value).scaleb(-2):f}")
    if not math.isfinite(value) or abs(value) > 1e30 or (value and abs(value) < 1e-15):
        return None
    exact = Decimal(repr(value))
    return _tidy(f"{exact.scaleb(-2) if minor else exact:f}")


def number_of(text: str, *, minor: bool = False) -> str | None:
    """Return a folded text that is nothing but a plain number in decimal form, or None."""
    if not plain_number(text):
        return None
    return _tidy(f"{Decimal(text).scaleb(-2):f}") if minor else _tidy(text)


def plain_number(text: str) -> bool:
    """Tell whether a folded text is a number as JSON would write it."""
    return _PLAIN.fullmatch(text) is not None


def numbers(text: str) -> frozenset[str]:
    """Return all numbers of a folded text in plain decimal form, sums of money in major units."""
    by_key = any(name in text for name in _MINOR_NAMES)
    found: set[str] = set()
    for match in _NUMBER.finditer(text):
        found.update(_readings(match, text, by_key=by_key))
    return frozenset(found)


def _readings(match: re.Match[str], text: str, *, by_key: bool) -> Iterator[str]:
    unit = (match["unit"] or "").strip()
    if unit in _TIMES:
        return
    sep, body, rest = match["sep"], match["body"], match["rest"]
    money = bool(match["money"]) or (bool(unit) and re.fullmatch(_MONEY, unit) is not None)
    minor = unit in _CENTS or (
        by_key and _MINOR_KEY.search(text, max(0, match.start() - 12), match.start()) is not None
    )
    sign = match["sign"] or ""
    if sep is None:
        value = body + ("." + rest[1:] if rest else "")
    elif rest:
        if rest[0] == sep:
            return
        value = body.replace(sep, "") + "." + rest[1:]
    elif sep == "." and body.count(".") == 1 and not money:
        value = body
    elif sep == "," and body.startswith("0"):
        value = body.replace(",", ".")
    else:
        value = body.replace(sep, "")
        if sep == " ":
            yield from (sign + _tidy(part) for part in body.split(" "))
    if len(value) > 40:
        return
    if minor:
        value = f"{Decimal(value).scaleb(-2):f}"
    yield _tidy(sign + value)


def _tidy(number: str) -> str:
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    digits = digits.lstrip("0") or "0"
    if digits.startswith("."):
        digits = "0" + digits
    return digits if digits == "0" else sign + digits
