"""What people say, read by fixed patterns: answers, reasons, numbers, dates. No model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Literal

__all__ = ["Answer", "answer_in", "dollars_in", "holds_date", "holds_number", "reasons_in"]

Answer = Literal["yes", "request", "no", "other"]
"""How a user's message takes a proposal: says yes to it, asks for something in words of their
own, says no, or none of these."""

_YES = re.compile(
    r"""\b(?: yes | yeah | yep | yup | sure | absolutely | definitely | of\ course | agreed
        | correct | confirm(?:ed|ing)? | go\ ahead | proceed(?:ing)? | please\ do | do\ it
        | (?:sounds|looks|seems|is|all|that's|it's)\ (?:good|great|fine|right|perfect|okay|ok)
        | (?:that|this|it)\ works | works\ for\ me | (?:happy|fine)\ with | i\ accept
        | acceptable | ok | okay )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_NOT_YET = re.compile(
    r"""\b(?:do\ not|don't|not)\ (?:want\ to\ |wish\ to\ )?(?:proceed|go\ ahead|confirm|book|do)\b
        | \bbefore\ (?:i|we|you)\ (?:can\ )?(?:confirm|proceed|go\ ahead|book|do)\b
        | \bnot\ (?:sure|okay|ok|good|right|correct)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_NO = re.compile(r"^\W*(?:no|nope|not yet|wait|hold on|stop)\b", re.IGNORECASE)
_REQUEST = re.compile(
    r"""\b(?: let's | let\ us | go\ with | i'll\ (?:take|use|go) | option\ \w+
        | please\ (?:just\ |also\ )?(?!let|tell|help|check|explain|provide|clarify|give)\w+
        | (?:could|can|would)\ you\ (?:please\ |also\ )?(?:add|book|cancel|change|upgrade|use|make)
        | i(?:'d|\ would)\ (?:like|prefer|want) | i\ (?:want|prefer|choose) | use\ (?:my|the) )""",
    re.IGNORECASE | re.VERBOSE,
)
_REASONS = {
    "health": r"sick|ill|illness|unwell|health|medical|doctor|hospital\w*|surgery|injur\w+|flu"
    r"|covid\S*|fever|diagnos\w+|not feeling well|pregnan\w+",
    "weather": r"weather|storms?|hurricane|snow\w*|blizzard|typhoon|flood\w*|tornado",
    "airline": r"airline (?:has )?cancel\w*|(?:you|they) cancel\w*"
    r"|flights? (?:was|were|is|has been|got|been) cancel\w*",
    "plans": r"chang\w* (?:of|in|my|our|the) (?:\w+ )?plans?|plans? (?:have |has )?changed"
    r"|no longer (?:need|want|able|going)|(?:can't|cannot) (?:make|go|travel)",
    "other": r"because|due to|the reason|reason is|other reasons?|personal|family|emergency"
    r"|conflicts?|schedul\w+|mistakes?|duplicates?|wedding|funeral|meeting|my mind"
    r"|found (?:a|another)|cheaper|expensive|afford|budget|save money|rebook\w*|upgrad\w+",
}
_REASON_PATTERNS = {n: re.compile(rf"\b(?:{p})\b", re.IGNORECASE) for n, p in _REASONS.items()}
_DOLLARS = re.compile(
    r"\$\s?(\d[\d,]*(?:\.\d\d)?)|\b(\d[\d,]*(?:\.\d\d)?)\s?(?:dollars|usd)\b", re.I
)
_NUMBERS = "zero one two three four five six seven eight nine ten".split()


def answer_in(text: str) -> Answer:
    """Return how a message takes the proposal before it.

    >>> answer_in("Yes, please go ahead."), answer_in("Is there a later one?")
    ('yes', 'other')
    """
    plain = text.replace("’", "'")
    kept = _NOT_YET.sub(" ", plain)
    if _YES.search(kept):
        return "yes"
    if _REQUEST.search(kept):
        return "request"
    return "no" if kept != plain or _NO.search(plain) else "other"


def reasons_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the kinds of reason for a cancellation that the texts name."""
    joined = "\n".join(texts).replace("’", "'")
    return frozenset(name for name, found in _REASON_PATTERNS.items() if found.search(joined))


def dollars_in(text: str) -> frozenset[int]:
    """Return the amounts in dollars that stand in a text, in cents.

    >>> sorted(dollars_in("$1,203 in all, 50 dollars of it for a bag"))
    [5000, 120300]
    """
    found = (first or second for first, second in _DOLLARS.findall(text))
    return frozenset(round(float(amount.replace(",", "")) * 100) for amount in found)


def holds_number(text: str, number: int) -> bool:
    """Tell whether a count stands in a text, in digits or as a word; `a` and `another` are one."""
    words = [_NUMBERS[number] if number < len(_NUMBERS) else str(number)]
    words += {1: ["an?", "another", "my", "the"], 2: ["both", "a couple"]}.get(number, [])
    pattern = rf"(?<![\d$.,]){number}(?![\d,.]*\d)|\b(?:{'|'.join(words)})\b"
    return bool(re.search(pattern, text, re.IGNORECASE))


def holds_date(text: str, iso: str) -> bool:
    """Tell whether a date stands in a text, in one of the forms that people write.

    >>> holds_date("born on April 5th, 1990", "1990-04-05"), holds_date("04/05/1990", "1990-04-05")
    (True, True)
    """
    try:
        day = date.fromisoformat(iso)
    except ValueError:
        return iso in text
    month, number = day.strftime("%B"), rf"0?{day.day}(?:st|nd|rd|th)?"
    named = rf"(?:{month}|{month[:3]}\.?)"
    forms = (
        re.escape(iso),
        rf"\b{named} {number},? {day.year}\b",
        rf"\b{number} (?:of )?{named},? {day.year}\b",
        rf"\b0?{day.month}[/.-]0?{day.day}[/.-]{day.year}\b",
        rf"\b0?{day.day}[/.-]0?{day.month}[/.-]{day.year}\b",
    )
    return any(re.search(form, text, re.IGNORECASE) for form in forms)
