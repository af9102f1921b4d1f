"""Words, numbers and names of a text, as the extractive answer and the critic compare them."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["STOP", "coverage", "names", "numbers", "stem", "words"]

STOP = frozenset(
    """
    a about after again all also am an and any are as at be because been before being between both
    but by can could did do does doing don down during each few for from further had has have
    having he her here hers him his how i if in into is isn it its itself just ll me more most my
    myself no nor not now of off on once only or other our ours out over own please re s same she
    should so some such t than that the their theirs them then there these they this those through
    to too under until up ve very was we were what when where which while who whom why will with
    won would you your yours yourself hi hello hey thanks thank want need like get got help know
    tell us
    """.split()
)
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<![.!?:\n]\s)(?<!^)\b([A-Z][a-zA-Z]{2,})\b")
_SUFFIXES = (
    "ations",
    "ation",
    "ingly",
    "edly",
    "ments",
    "ment",
    "ings",
    "ing",
    "ies",
    "ied",
    "ers",
    "er",
    "est",
    "ed",
    "es",
    "ly",
    "s",
    "e",
    "y",
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return a lower-case word without its ending, as far as three letters stay."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def words(text: str) -> frozenset[str]:
    """Return the stems of the content words."""
    found = (w.split("'")[0].split("’")[0] for w in _WORD.findall(text.lower()))
    return frozenset(stem(w) for w in found if w not in STOP and len(w) > 1)


def numbers(text: str) -> frozenset[str]:
    """Return the numbers, `1,250.00` and `1250` alike as `1250`."""
    return frozenset(_plain_number(n) for n in _NUMBER.findall(text))


def _plain_number(text: str) -> str:
    decimals = re.search(r"[.,](\d{1,2})$", text)
    whole = re.sub(r"[.,]", "", text[: decimals.start()] if decimals else text)
    fraction = decimals.group(1).rstrip("0") if decimals else ""
    # As text: a number may have more digits than Python turns into one.
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{fraction}" if fraction else whole


def names(text: str) -> frozenset[str]:
    """Return capitalised words inside sentences, in lower case: names of people and things."""
    return frozenset(n.lower() for n in _NAME.findall(text))


def coverage(claim: str, source: str) -> float:
    """Return the share (0 to 1) of the claim's content words that stand in the source."""
    wanted = words(claim)
    return len(wanted & words(source)) / len(wanted) if wanted else 1.0
