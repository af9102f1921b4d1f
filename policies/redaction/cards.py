"""Payment card numbers: 13 to 19 digits of a known issuer's length that pass the Luhn check.

Digits may stand in groups. Ranges are those of ISO/IEC 7812 as the schemes publish them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

__all__ = ["find_cards", "is_card"]

_RUN = re.compile(r"\d(?:[ \t.\-]{0,3}\d){12,}+")
_GROUP = re.compile(r"\d+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_OWN = ("run-", "evt-", "call-", "thread-", "sha256:")
_ROW = 64
_LONG = frozenset(range(16, 20))
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("300", "305", frozenset(range(14, 20))),  # Diners Club
    ("3095", "3095", frozenset(range(14, 20))),
    ("36", "36", frozenset(range(14, 20))),
    ("38", "39", frozenset(range(14, 20))),
    ("3528", "3589", _LONG),  # JCB
    ("6011", "6011", _LONG),  # Discover
    ("644", "649", _LONG),
    ("65", "65", _LONG),
    ("62", "62", _LONG),  # UnionPay
    ("81", "81", _LONG),
    ("60", "60", frozenset({16})),  # RuPay
    ("82", "82", frozenset({16})),
    ("508", "508", frozenset({16})),
    ("5018", "5018", frozenset(range(13, 20))),  # Maestro
    ("5019", "5019", frozenset({16})),  # Dankort
    ("5020", "5020", frozenset(range(13, 20))),
    ("5038", "5038", frozenset(range(13, 20))),
    ("5893", "5893", frozenset(range(13, 20))),
    ("6304", "6304", frozenset(range(13, 20))),
    ("6759", "6759", frozenset(range(13, 20))),
    ("6761", "6763", frozenset(range(13, 20))),
    ("2200", "2204", _LONG),  # Mir
    ("5060", "5061", frozenset({16, 18, 19})),  # Verve
    ("5067", "5067", frozenset({16})),  # Elo
    ("509", "509", frozenset({16})),
    ("6277", "6277", frozenset({16})),
    ("636", "639", _LONG),  # InterPayment, InstaPayment, Elo
    ("9792", "9792", frozenset({16})),  # Troy
    ("8600", "8600", frozenset({16})),  # Uzcard
    ("9860", "9860", frozenset({16})),  # Humo
)


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield where card numbers stand in folded text."""
    for run in _RUN.finditer(text):
        groups = [m.span() for m in _GROUP.finditer(text, *run.span())]
        if len(groups) == 1:
            start, end = groups[0]
            if end - start < 20 and is_card(run[0]) and _stands_alone(text, start, end, end):
                yield start, end
        else:
            yield from _grouped(text, groups)


def is_card(digits: str) -> bool:
    """Tell whether digits without separators are a card number.

    >>> is_card("4111111111111111")
    True
    """
    if len(digits) not in _lengths(digits[:4]):
        return False
    values = [int(d) for d in digits]
    return (sum(values[-1::-2]) + sum(_DOUBLED[v] for v in values[-2::-2])) % 10 == 0


def _grouped(text: str, groups: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield cards that begin and end with a group; sums are kept, so that each try is cheap.

    In a long row of numbers a card begins with a group of at least four digits.
    """
    least = 4 if len(groups) > _ROW else 1
    digits = "".join([text[a:b] for a, b in groups])
    sums = _sums(digits)
    firsts = [0, *accumulate([b - a for a, b in groups])]
    ends = dict(zip(firsts[1:], [b for _, b in groups], strict=True))
    free = 0
    for first, (a, b) in zip(firsts, groups, strict=False):
        if first < free or b - a < least or digits[first] in "17":
            continue
        for length in _descending(digits[first : first + 4]):
            last = first + length
            if last not in ends or (sums[last % 2][last] - sums[last % 2][first]) % 10:
                continue
            if _stands_alone(text, a, ends[last], b):
                yield a, ends[last]
                free = last
                break


def _sums(digits: str) -> tuple[list[int], list[int]]:
    """Return the running Luhn sums with every even place doubled, and with every odd one."""
    plain = [int(d) for d in digits]
    even, odd = plain.copy(), plain.copy()
    even[::2] = [_DOUBLED[d] for d in plain[::2]]
    odd[1::2] = [_DOUBLED[d] for d in plain[1::2]]
    return [0, *accumulate(even)], [0, *accumulate(odd)]


def _stands_alone(text: str, start: int, end: int, group: int) -> bool:
    """Tell digits that stand for themselves from parts of identifiers, digests and decimals."""
    before = text[max(0, start - 7) : start]
    if group == end and (before.endswith(_OWN) or re.search(r"\d\.\Z", before)):
        return False
    return not (_of_hex(re.search(r"[A-Za-z]*\Z", before)) or _of_hex(_LETTERS.match(text, end)))


_LETTERS = re.compile(r"[A-Za-z]{0,7}")


def _of_hex(letters: re.Match[str] | None) -> bool:
    found = letters[0].lower() if letters else ""
    return bool(found) and not found.strip("abcdef")


@lru_cache(maxsize=16384)
def _lengths(prefix: str) -> frozenset[int]:
    found: frozenset[int] = frozenset()
    for low, high, lengths in _ISSUERS:
        if low <= prefix[: len(low)] <= high:
            found |= lengths
    return found


@lru_cache(maxsize=16384)
def _descending(prefix: str) -> tuple[int, ...]:
    return tuple(sorted(_lengths(prefix), reverse=True))
