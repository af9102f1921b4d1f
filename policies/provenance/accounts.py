"""Numbers of accounts, cards and phones, with or without their spaces and dashes."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["account_of", "accounts", "carried_accounts"]

_IBAN = re.compile(
    r"(?<![\w-])([a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,8}(?:[ -]?[a-z0-9]{1,3})?)(?![\w-]|\.\w)"
)
_DIGITS = re.compile(
    r"(?<!\w)(?<!\w[.,/:@\\-])(?>\+?\(?\d(?:[ .\-()/]{0,2}\d)+)(?!\w)(?![,:@\\]\w)"
)
_SEPARATORS = str.maketrans("", "", " .-()/+")
_IBAN_ALONE = re.compile(r"[a-z]{2}\d{2}[a-z0-9]{8,30}")
_TOKEN = re.compile(r"(?<!\w)[a-z0-9]{16,}(?!\w)")
_LONG, _PHONE = 8, 7
_SPACED = re.compile(r"[ -]")


def account_of(text: str) -> str | None:
    """Return a folded text that is nothing but such a number without its separators, or None."""
    if len(text) > 60:
        return None
    bare = text.translate(_SEPARATORS)
    if bare.isascii() and bare.isdigit():
        return bare if len(bare) >= _PHONE and _DIGITS.fullmatch(text) else None
    return bare if _IBAN.fullmatch(text) or (_IBAN_ALONE.fullmatch(bare) and bare == text) else None


def accounts(text: str) -> frozenset[str]:
    """Return all such numbers of a folded text without their separators."""
    found = {
        bare
        for match in _DIGITS.findall(text)
        if len(bare := match.translate(_SEPARATORS)) >= _PHONE
    }
    for match in _IBAN.findall(text):
        found.update(_ibans(match))
    return frozenset(found)


def carried_accounts(text: str) -> Iterator[str]:
    """Yield what in a folded text looks like the number of an account, a card or a phone."""
    for match in _DIGITS.findall(text):
        bare = match.translate(_SEPARATORS)
        if len(bare) >= _LONG or (len(bare) == _PHONE and bare != match):
            yield bare
    for match in _IBAN.findall(text):
        yield _ibans(match)[-1]
    for match in _TOKEN.findall(text):
        if (
            sum(char.isdigit() for char in match) >= 4
            and not match.isdigit()
            and not _IBAN.fullmatch(match)
        ):
            yield match


def _ibans(match: str) -> list[str]:
    """Return a spaced number whole, and before each group that may be the sentence's next word."""
    groups = _SPACED.split(match)
    cuts = [i for i in range(3, len(groups)) if groups[i].isalpha()]
    return ["".join(groups), *("".join(groups[:cut]) for cut in reversed(cuts))]
