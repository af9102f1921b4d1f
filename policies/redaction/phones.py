"""Telephone numbers: international ones, those introduced as such, those of declared countries.

`phonenumbers` knows the numbering plans. It is imported only when a text holds a candidate, and
asked about a bounded number of candidates; beyond that everything of the right shape counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from concertmaster.policies.redaction.folding import lowered

__all__ = ["find_phones", "known_region"]

_ASKED = 300
_APART = r"[ \t().\-/]{0,3}"
_ENOUGH = re.compile(r"\d(?:[^\d\n]{0,3}\d){6}")
_ABROAD = re.compile(rf"(?<![\w.,])(?:\+|00(?=[1-9])){_APART}[1-9](?:{_APART}\d){{6,16}}")
_CUE = (
    r"(?:tele)?phone|tel|telefon|t[eé]l[eé]phone|tel[eé]fono|mobile|mobil|cell(?:phone)?|handy"
    r"|whats ?app|sms|fax|(?:call|text|ring|reach|contact|phone) (?:me|us|him|her|them)"
)
_GLUE = r"(?:me|us|him|her|them|back|number|no|nr|num|is|was|at|on|under|via|it|s|ist|my|our)"
# Read in lower case.
_CUED = re.compile(
    rf"(?:{_CUE})\b\W{{1,3}}(?:{_GLUE}\b\W{{1,3}}){{0,4}}(\(?\d(?:{_APART}\d){{6,14}})(?!\w)"
)
_CUES = (
    "phon",
    "tel",
    "mobil",
    "cell",
    "handy",
    "whats",
    "sms",
    "fax",
    "call",
    "text",
    "ring ",
    "reach",
    "contact",
    "tél",
)
# (020) 7946 0958 and the North American 415-555-2671: nothing else is written so.
_SHAPED = re.compile(
    r"(?<![\w.+\-])(?:\(0\d{1,5}\)[ \-/]?\d{2,5}(?:[ \-]?\d{2,5}){1,3}"
    r"|(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.\-])[2-9]\d{2}[.\-]\d{4})(?![\w\-])"
)
_NATIONAL = re.compile(rf"(?<![\w.,+\-])\(?\d(?:{_APART}\d){{6,14}}(?!\w)")
_DATE = re.compile(r"\(?(?:\d{4}-\d\d-\d\d|\d{1,2}([./\-])\d{1,2}\1(?:\d{4}|\d{2}))(?!\d)")


def find_phones(text: str, regions: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Yield where telephone numbers stand in folded text.

    Args:
        text: folded.
        regions: ISO codes of the countries whose national numbers need no cue.
    """
    if _ENOUGH.search(text) is None:
        return
    abroad = "+" in text or "00" in text
    for number, match in enumerate(_ABROAD.finditer(text) if abroad else ()):
        length = _reach(match[0]) if number < _ASKED else len(match[0])
        if length:
            yield match.start(), match.start() + length
    lower = lowered(text)
    if any(cue in lower for cue in _CUES):
        for match in _CUED.finditer(lower):
            begins = not lower[match.start() - 1 : match.start()].isalnum()
            if begins and _DATE.match(match[1]) is None:
                yield match.span(1)
    for match in _SHAPED.finditer(text):
        yield match.span()
    for number, match in enumerate(_NATIONAL.finditer(text) if regions else ()):
        known = _dialled(match[0], tuple(regions)) if number < _ASKED else match[0][0] in "0("
        if known and _DATE.match(match[0]) is None:
            yield match.span()


def known_region(code: str) -> bool:
    """Tell whether there is a numbering plan for an ISO country code."""
    from phonenumbers import SUPPORTED_REGIONS

    return code in SUPPORTED_REGIONS


@lru_cache(maxsize=4096)
def _reach(written: str) -> int:
    """Return how many characters from the beginning are an international number, 0 if none.

    More digits may follow that do not belong to it; the longest possible number counts.
    """
    from phonenumbers import NumberParseException, is_possible_number, parse

    candidate = written
    while sum(c.isdigit() for c in candidate) >= 7:
        dialled = candidate if candidate[0] == "+" else f"+{candidate[2:]}"
        try:
            if is_possible_number(parse(dialled)):
                return len(candidate)
        except NumberParseException:
            return 0
        shorter = re.sub(r"\d+$", "", candidate).rstrip(" \t().-/")
        if len(shorter) < 2 or shorter[-1] == "+":
            return 0
        candidate = shorter
    return 0


@lru_cache(maxsize=4096)
def _dialled(written: str, regions: tuple[str, ...]) -> bool:
    from phonenumbers import NumberParseException, is_valid_number, parse

    for region in regions:
        try:
            if is_valid_number(parse(written, region)):
                return True
        except NumberParseException:
            continue
    return False
