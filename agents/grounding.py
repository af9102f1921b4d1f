"""How well a claim rests on a source: a number that critic and benchmark take from here. Pure.

A logistic regression over six features that a person can check by hand. Weights and bias were
fitted by `scripts/fit_grounding.py` on the 430 development examples of BEGIN's Wizard of
Wikipedia part (Dziri et al., 2022; CC BY 4.0), classes weighted alike, L2 with C = 0.3 over
standardised features. Cross-validated by evidence; the figures are in `docs/benchmarks.md`.
Sentence and token vectors of MiniLM as further features gained nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from concertmaster.agents.folding import tokens, visible
from concertmaster.agents.words import stem

__all__ = ["ACKNOWLEDGING", "FEATURES", "THRESHOLD", "features", "groundedness"]

FEATURES = ("covered", "uncovered", "acknowledges", "first_person", "asks", "polarity")
THRESHOLD = 0.5
"""The probability from which a claim counts as supported; with classes weighted alike, that is
where balanced accuracy is best."""

_WEIGHTS = (5.328, -1.857, -1.026, -1.052, -0.845, -0.504)
_BIAS = -1.497

ACKNOWLEDGING = frozenset(
    "yes yeah yea yep sure oh ok okay well absolutely right exactly indeed wow".split()
)
"""Openings that affirm what somebody else said."""

_FIRST = frozenset("i me my mine myself we us our ours i'm i've i'd i'll we're we've we'll".split())
_FUNCTION = frozenset(
    """
    a an the of to in on at by for with and or but so as is are was were be been being it its they
    them their he his she her him this that these those there which who whom has have had do does
    did not also from than then it's he's she's they're that's there's such into about can will
    would
    """.split()
)
_NEGATIONS = frozenset({"not", "no", "never", "nor"})


def groundedness(claim: str, source: str) -> float:
    """Return the probability (0 to 1) that everything a claim says stands in the source.

    >>> source = "Refunds reach your account within five business days."
    >>> groundedness("Your refund is there within five business days.", source) > THRESHOLD
    True
    >>> groundedness("I love how the bank refunds everybody at once!", source) < THRESHOLD
    True
    """
    logit = _BIAS + sum(w * x for w, x in zip(_WEIGHTS, features(claim, source), strict=True))
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


def features(claim: str, source: str) -> tuple[float, ...]:
    """Return the features in the order of `FEATURES`.

    The share of the claim's words whose stem stands in the source; the logarithm of one plus the
    number of content words that do not; whether it opens with an acknowledgement (which affirms
    what somebody else said); whether it speaks in the first person where the source does not;
    whether it asks; whether only one of the two is negated. An opening acknowledgement is no
    word of the claim.
    """
    said, given = tokens(claim), tokens(source)
    opening = _opening(said)
    body = said[opening:] or said
    held = {*given, *(_root(w) for w in given)}
    missing = [w for w in body if w not in held and _root(w) not in held]
    content = [w for w in missing if w not in _FUNCTION]
    asks = "?" in visible(claim) and "?" not in visible(source)
    return (
        1 - len(missing) / len(body) if body else 0.0,
        math.log1p(len(content)),
        float(opening > 0),
        float(any(w in _FIRST and w not in held for w in body)),
        float(asks),
        float(_negated(body) != _negated(given)),
    )


def _opening(words: Sequence[str]) -> int:
    return next((at for at, w in enumerate(words) if w not in ACKNOWLEDGING), len(words))


def _root(word: str) -> str:
    return stem(word.split("'", maxsplit=1)[0])


def _negated(words: Sequence[str]) -> bool:
    return any(w in _NEGATIONS or w.endswith("n't") for w in words)
