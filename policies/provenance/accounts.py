"""Numbers of accounts, cards and phones, with or without their spaces and dashes."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["account_of", "accounts", "carried_accounts"]

# These begin with a digit, for which the scan is fast; what stands before comes second.
_IBAN = re.compile(
    r"\d(?<=[a-z]{2}\d)(?<![\w-][a-z]{2}\d)\d(?:[ -]?[a-z0-9]{4}){2,8}(?:[ -]?[a-z0-9]{1,3})?"
    r"(?![\w-]|\.\w)"
)
_DIGITS = re.compile(
    r"\d(?<!\w\d)(?<!\w[.,/:@\\-]\d)(?>\d*(?:[ .\-()/]{1,2}\d+)*)(?!\w)(?![,:@\\]\w)"
)
_ALL_DIGITS = re.compile(r"\+?\(?\d(?:[ .\-()/]{0,2}\d)*")
_SEPARATORS = str.maketrans("", "", " .-()/+")
_IBAN_ALONE = re.compile(r"[a-z]{2}\d{2}[a-z0-9]{8,30}")
_TOKEN = re.compile(r"(?<!\w)[a-z0-9]{16,}(?!\w)")
_LONG, _PHONE, _LONGEST = 8, 7, 60
_TOKEN_LENGTH, _TOKEN_DIGITS, _IBAN_DIGITS = 16, 4, 6
_SPACED = re.compile(r"[ -]")


def account_of(text: str) -> str | None:
    """Return a folded text that is nothing but such a number without its separators, or None."""
    if len(text) > _LONGEST or not any(map(str.isdigit, text)):
        return None
    bare = text.translate(_SEPARATORS)
    if bare.isascii() and bare.isdigit():
        return bare if len(bare) >= _PHONE and _ALL_DIGITS.fullmatch(text) else None
    spaced = list(_ibans(text))
    if len(spaced) == 1 and spaced[0][0] == bare:
        return bare
    return bare if bare == text and _IBAN_ALONE.fullmatch(bare) else None


def accounts(text: str) -> frozenset[str]:
    """Return all such numbers of a folded text without their separators."""
    found = {form for forms in _ibans(text) for form in forms}
    for match in _DIGITS.findall(_IBAN.sub(",", text) if found else text):
        if len(match) >= _PHONE and len(bare := match.translate(_SEPARATORS)) >= _PHONE:
            found.add(bare)
    return frozenset(found)


def carried_accounts(text: str) -> Iterator[tuple[str, ...]]:
    """Yield what in a folded text looks like such a number, each in the forms it may have."""
    ibans = list(_ibans(text))
    yield from ibans
    rest = _IBAN.sub(",", text) if ibans else text
    for match in _DIGITS.findall(rest):
        bare = match.translate(_SEPARATORS)
        if len(bare) >= _LONG or (len(bare) == _PHONE and bare != match):
            yield (bare,)
    for chunk in rest.split():
        for match in _TOKEN.findall(chunk) if len(chunk) >= _TOKEN_LENGTH else ():
            if sum(map(str.isdigit, match)) >= _TOKEN_DIGITS and not match.isdigit():
                yield (match,)


def _ibans(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each spaced number whole, and cut before a group that may be the next word."""
    for match in _IBAN.finditer(text):
        whole = text[match.start() - 2 : match.end()]
        if sum(map(str.isdigit, whole)) < _IBAN_DIGITS:
            continue
        groups = _SPACED.split(whole)
        cuts = [i for i in range(3, len(groups)) if groups[i].isalpha()]
        yield ("".join(groups), *("".join(groups[:cut]) for cut in cuts))
