"""Clauses of a text, and which of a source's clauses a claim's clause is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from concertmaster.agents.folding import tokens, visible
from concertmaster.agents.quantities import quantities, units
from concertmaster.agents.words import STOP, stem
from concertmaster.retrieval.sentences import split_sentences

__all__ = ["clauses", "closest", "content", "sentences"]

_BREAK = re.compile(
    r"\s*[;:]\s+|\s*,\s+(?:(?:and|but|or|while|whereas|which|if|unless|because|although)\s+)?"
    r"|\s+(?:and|but|while|whereas|if|unless|because|although|except)\s+",
    re.IGNORECASE,
)
_WEAK = frozenset(
    stem(w)
    for w in """
    take takes cost costs last lasts reach reaches pay charge come go make give receive use amount
    number total up per each every within least most only one time
    """.split()
)


@lru_cache(maxsize=1024)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences, list items and rows of a text, as they are seen."""
    return tuple(visible(text[a:b]) for a, b in split_sentences(text)) or (visible(text),)


@lru_cache(maxsize=4096)
def clauses(sentence: str) -> tuple[str, ...]:
    """Return the clauses of a sentence, as far as commas and conjunctions tell.

    >>> clauses("Gold costs 5 EUR, and Silver costs 10 EUR if it is new.")
    ('Gold costs 5 EUR', 'Silver costs 10 EUR', 'it is new.')
    """
    return tuple(c for c in _BREAK.split(visible(sentence)) if c and any(map(str.isalnum, c)))


@lru_cache(maxsize=4096)
def content(text: str) -> frozenset[str]:
    """Return the stems that say what a clause is about: no figures, units, common verbs."""
    figures = {q.value for q in quantities(text)}
    measured = units(text)
    found = (w.split("'")[0] for w in tokens(text))
    roots = (
        stem(w)
        for w in found
        if w not in STOP and not w[0].isdigit() and w not in figures and not units(w) & measured
    )
    return frozenset(r for r in roots if r not in _WEAK and len(r) > 1)


def closest(claim: str, candidates: Sequence[str]) -> tuple[list[str], int]:
    """Return the candidates that share most content with a claim, and how many stems that is."""
    wanted = content(claim)
    shared = [len(wanted & content(c)) for c in candidates]
    most = max(shared, default=0)
    return ([c for c, n in zip(candidates, shared, strict=True) if n == most], most)
