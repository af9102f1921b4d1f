"""Numbers and sums of money in words: `1,200.50`, `1.200,50`, `20 euros`, `50 cents`.

A separator before exactly three digits parts thousands if it is a comma, a space or an
apostrophe, or if the number is a sum of money. A point is otherwise a decimal point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal

__all__ = ["CURRENCIES", "SMALL", "decimal", "minor_unit", "number_of", "numbers"]

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
_CURRENCIES = {
    name: names.split()[0]
    for names in (
        "eur euro euros €", "usd dollar dollars $", "gbp pound pounds £", "chf franc francs",
        "jpy yen ¥", "inr rupee rupees ₹", "sek", "nok", "dkk", "pln", "czk", "cad", "aud",
    )
    for name in names.split()
}  # fmt: skip
_CENTS = frozenset("cent cents pence penny pennies minor p c ¢".split())
_TIMES = frozenset("k m mn bn mio mrd hundred thousand million billion grand".split())
_UNITS = "kg|g|km|cm|mm|ml|l|h|hrs?|hours?|mins?|minutes?|s|secs?|x|days?"


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUMBER = re.compile(
    rf"""
    (?<!\w)(?<!\w[.'/@\\+-])(?<!\d[:,])
    (?:(?P<money>{_any_of(_CURRENCIES)})[ ]?)?
    (?P<sign>-)?
    (?P<body>(?>\d{{1,3}}(?:(?P<sep>[ ,.'])\d{{3}}(?!\d)(?:(?P=sep)\d{{3}}(?!\d))*) | \d+))
    (?P<rest>[.,]\d+)?
    (?:[ ]?(?P<unit>{_any_of([*_CURRENCIES, *_CENTS - {"p", "c"}, *_TIMES])})(?!\w)
      | (?P<mark>[pc%]|{_UNITS})(?!\w))?
    (?!\w)(?![.'/@\\+-]\w)(?![:,]\d)
    """,
    re.VERBOSE,
)
# Numbers are few and texts are long: the scan is for digits, what belongs before them comes second.
_FIRST_DIGIT = re.compile(r"\d(?<!\d\d)")
_LEAD = re.compile(rf"(?:{_any_of(_CURRENCIES)})[ ]?-?$")
_LEAD_ROOM = 10
_MINOR_KEY = re.compile(r"(?:_cents|_minor|_pence)[\"']?\s?[:=]\s?[\"']?$")
_LONGEST = 40
_EXACT = Context(prec=200)


CURRENCIES = frozenset(_CURRENCIES.values())
"""The codes of the currencies that are known by their words."""


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
        return _tidy(_hundredth(Decimal(value)))
    if not math.isfinite(value) or abs(value) > 1e30 or (value and abs(value) < 1e-15):
        return None
    exact = Decimal(repr(value))
    return _tidy(_hundredth(exact) if minor else f"{exact:f}")


def number_of(text: str, *, minor: bool = False) -> str | None:
    """Return a folded text that is nothing but a number in plain decimal form, or None.

    A sum of money is followed by its currency: `20 eur`.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or (match["mark"] or "") in _OTHER_UNITS or _padded(match):
        return None
    value = _value(match, minor=minor or _in_cents(match))
    currency = _currency(match)
    return f"{value} {currency}" if value and currency else value


def numbers(text: str) -> frozenset[str]:
    """Return all numbers of a folded text in plain decimal form; `0042` is an id and none.

    Sums of money are in major units, and stand there with their currency as well: `20`,
    `20 eur`, `eur`.
    """
    by_key = any(name in text for name in _MINOR_NAMES)
    found: set[str] = set()
    for match in _matches(text):
        start = match.start()
        minor = _in_cents(match) or (
            by_key and _MINOR_KEY.search(text, max(0, start - 12), start) is not None
        )
        value = _value(match, minor=minor)
        if value is None or _padded(match):
            continue
        found.add(value)
        currency = _currency(match)
        if currency:
            found.update((currency, f"{value} {currency}"))
        elif match["sep"] == " " and not match["rest"]:
            found.update(map(_tidy, match["body"].split(" ")))
    return frozenset(found)


def _matches(text: str) -> Iterator[re.Match[str]]:
    end = 0
    for digit in _FIRST_DIGIT.finditer(text):
        at = digit.start()
        if at < end:
            continue
        lead = _LEAD.search(text, max(end, at - _LEAD_ROOM), at)
        match = _NUMBER.match(text, lead.start()) if lead else None
        if match is None:
            signed = at > end and text[at - 1] == "-"
            match = _NUMBER.match(text, at - 1) if signed else _NUMBER.match(text, at)
        if match:
            end = match.end()
            yield match


_OTHER_UNITS = frozenset(["%", *"kg g km cm mm ml l h hr hrs hour hours".split()]) | frozenset(
    "min mins minute minutes s sec secs x day days".split()
)


def _value(match: re.Match[str], *, minor: bool) -> str | None:
    sep, body, rest = match["sep"], match["body"], match["rest"]
    if match["unit"] in _TIMES or len(body) > _LONGEST:
        return None
    value = body
    if sep is not None:
        if rest and rest[0] == sep:
            return None
        point = sep == "." and body.count(".") == 1 and not rest and not _currency(match)
        if sep == "," and not rest and body.startswith("0"):
            value = body.replace(",", ".")
        elif not point:
            value = body.replace(sep, "")
    if rest:
        value = f"{value}.{rest[1:]}"
    value = (match["sign"] or "") + value
    return _tidy(_hundredth(Decimal(value)) if minor else value)


def _currency(match: re.Match[str]) -> str | None:
    return _CURRENCIES.get(match["money"] or match["unit"] or "")


def _in_cents(match: re.Match[str]) -> bool:
    return (match["unit"] or match["mark"]) in _CENTS


def _padded(match: re.Match[str]) -> bool:
    """Tell whether a number has zeros before it, as account and order numbers have."""
    body = match["body"]
    return len(body) > 1 and body.startswith("0") and match["sep"] is None


def _hundredth(number: Decimal) -> str:
    return f"{_EXACT.scaleb(number, -2):f}"


def _tidy(number: str) -> str:
    sign, digits = ("-", number[1:]) if number.startswith("-") else ("", number)
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    digits = digits.lstrip("0") or "0"
    if digits.startswith("."):
        digits = "0" + digits
    return digits if digits == "0" else sign + digits
