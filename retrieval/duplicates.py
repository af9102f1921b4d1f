"""Which passages say nothing that another one does not say already. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["repeats"]

_WORD = re.compile(r"\w+")


def repeats(text: str, others: Sequence[str]) -> bool:
    """Tell whether all words of a text stand, one after the other, in one of the others.

    Case, punctuation and layout do not count, every word does. Texts that are merely alike are
    kept: "a gold card costs 4 euros" and "a silver card costs 5 euros", or a sentence with and
    without its "not", are as like as twins and say different things.

    >>> repeats("A card is FREE.", ["It says: a card  is free"])
    True
    >>> repeats("A gold card costs 4.", ["A gold card costs 5."])
    False
    """
    words = _flat(text)
    return any(words in _flat(other) for other in others)


def _flat(text: str) -> str:
    """Return the words of a text, each between spaces."""
    return f" {' '.join(_WORD.findall(text.lower()))} "
