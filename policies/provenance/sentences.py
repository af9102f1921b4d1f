"""Sentences as the stems of their words, for finding what people ask for in their own words."""

from __future__ import annotations

import re
from functools import lru_cache

from concertmaster.policies.provenance.folding import fold, shown

__all__ = ["CLAUSE", "Sentence", "phrase", "sentences", "stem", "stems"]

Sentence = tuple[str, ...]
"""The stems of a sentence's words; the mark of a clause's end stands between them."""

CLAUSE = ","
"""Stands for a comma, colon or the like within a sentence."""

_END = re.compile(r"(?<=[.!?;])[\"')\]]*\s+|\s*\x01\s*")
_PIECE = re.compile(r"\w[\w@.+%/'-]*|[,:()]")
_TRAILING = "@.+%/'-"
_VOWEL = re.compile("[aeiouy]")
_ENDINGS = ("ing", "ed", "es", "s")


def sentences(folded: str) -> tuple[Sentence, ...]:
    """Return the sentences of a folded text."""
    known: dict[str, str] = {}
    parts = (_sentence(part, known) for part in _END.split(folded) if part)
    return tuple(filter(None, parts))


@lru_cache(maxsize=4096)
def phrase(declared: str) -> Sentence:
    """Return the stems of a phrase that a tool declares."""
    return stems(fold(shown(declared)))


def stems(folded: str) -> Sentence:
    """Return the stems of the words of a folded phrase."""
    return tuple(piece for piece in _sentence(folded, {}) if piece != CLAUSE)


def stem(word: str) -> str:
    """Return a word without its English inflection: `sending`, `sends` and `send` are one."""
    if not word.isalpha() or len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in _ENDINGS:
        rest = word.removesuffix(ending)
        if rest == word or len(rest) < 3 or not _VOWEL.search(rest):
            continue
        if ending == "s" and rest.endswith(("s", "u", "i")):
            break
        if (
            ending in ("ing", "ed")
            and len(rest) > 3
            and rest[-1] == rest[-2]
            and rest[-1] not in "s"
        ):
            rest = rest[:-1]
        return rest.removesuffix("e")
    return word.removesuffix("e")


def _sentence(text: str, known: dict[str, str]) -> Sentence:
    pieces = _PIECE.findall(text)
    for piece in pieces:
        if piece not in known:
            known[piece] = CLAUSE if piece in ",:()" else stem(piece.rstrip(_TRAILING))
    return tuple([known[piece] for piece in pieces])
