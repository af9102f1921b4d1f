"""Whether figures and names of a claim belong to what its source says them of. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from concertmaster.agents.clauses import clauses, closest, content
from concertmaster.agents.folding import tokens, visible
from concertmaster.agents.grounding import ACKNOWLEDGING
from concertmaster.agents.quantities import Quantity, kind, quantities, units
from concertmaster.agents.words import STOP, names, stem

__all__ = ["Mismatch", "exchanged", "misplaced", "other_unit", "replaced", "strangers"]

_LEAST_SHARED = 0.7
_LINKING = frozenset("however therefore following accompanied according although".split())
_PASSIVE = re.compile(r"\b(?:is|are|was|were|been|be|being)\s+(?:\w+\s+){1,5}by\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What the claim says and what the source says in its place."""

    said: str
    stands: str


def strangers(claim: str, source: str) -> frozenset[str]:
    """Return the capitalised words of a claim that are no word of its source, in lower case."""
    known = frozenset(tokens(source))
    return frozenset(n for n in names(visible(claim)) if not set(tokens(n)) <= known)


def other_unit(claim: str, source: str) -> Mismatch | None:
    """Return a figure that the source has, but in another unit.

    A figure without a unit in the source takes any unit that the source mentions, as in a table
    whose head names the currency.
    """
    stated: dict[str, set[str]] = {}
    for quantity in quantities(source):
        stated.setdefault(quantity.value, set()).add(quantity.unit)
    mentioned = units(source)
    for quantity in quantities(claim):
        known = stated.get(quantity.value)
        if not quantity.unit or known is None or quantity.unit in known:
            continue
        bare = quantity.unit.rsplit(" ", 1)[-1]
        if "" in known and bare in mentioned:
            continue
        if any(u.rsplit(" ", 1)[-1] == bare and " " not in quantity.unit for u in known):
            continue
        stands = ", ".join(sorted(f"{quantity.value} {u}".strip() for u in known))
        return Mismatch(quantity.text, stands)
    return None


def misplaced(claim: str, source: Sequence[str]) -> Mismatch | None:
    """Return a figure that the source says of something else.

    The part of the source that shares most content with the figure's clause has other figures of
    the same kind, and where the figure stands, less is shared. `source` are sentences; they are
    compared whole, then clause by clause.
    """
    parts = [c for s in source for c in clauses(s)]
    for clause in clauses(claim):
        for quantity in quantities(clause):
            for level in (list(source), parts):
                found = _rival(clause, quantity, level)
                if found is not None:
                    return Mismatch(quantity.text, found)
    return None


def _rival(clause: str, quantity: Quantity, level: Sequence[str]) -> str | None:
    best, shared = closest(clause, level)
    holding = [part for part in level if _holds(part, quantity)]
    if not shared or not holding or any(part in best for part in holding):
        return None
    rivals = [
        (part, other)
        for part in best
        for other in quantities(part)
        if kind(quantity.unit) and kind(other.unit) == kind(quantity.unit)
    ]
    return rivals[0][1].text if rivals else None


def _holds(part: str, quantity: Quantity) -> bool:
    return any(q.value == quantity.value for q in quantities(part))


def exchanged(claim: str, source: Sequence[str]) -> Mismatch | None:
    """Return two names that have changed places.

    Compared with the sentence that is closest, if they share most of their content: there, two
    names stand in the opposite order, neither of the two sentences alone is passive, and nothing
    but a list joins them.
    """
    best, shared = closest(claim, source)
    wanted = content(claim)
    if not wanted or shared < _LEAST_SHARED * len(wanted):
        return None
    known = names(visible(claim)) | frozenset(n for s in best for n in names(s))
    swapped = [_swap(claim, sentence, known) for sentence in best]
    return swapped[0] if swapped and all(swapped) else None


def _swap(claim: str, sentence: str, known: frozenset[str]) -> Mismatch | None:
    said, given = tokens(claim), tokens(sentence)
    ours = [w for w in said if w in known and said.count(w) == 1]
    theirs = [w for w in given if w in known and given.count(w) == 1]
    both = [w for w in ours if w in theirs]
    stood = [w for w in theirs if w in ours]
    if both == stood or _passive(claim) != _passive(sentence):
        return None
    for one, other in pairwise(both):
        if stood.index(one) > stood.index(other) and not (
            _listed(visible(claim), one, other) or _listed(sentence, other, one)
        ):
            order = f"{one.title()} before {other.title()}"
            return Mismatch(order, f"{other.title()} before {one.title()}")
    return None


def _listed(text: str, one: str, other: str) -> bool:
    found = [
        m.span() for w in (one, other) for m in re.finditer(rf"\b{re.escape(w)}\b", text, re.I)
    ]
    if len(found) < 2:
        return False
    between = text[min(found[0][1], found[-1][1]) : max(found[0][0], found[-1][0])]
    return all(w in ("and", "or") or w[0].isupper() for w in re.findall(r"\w+", between))


def replaced(claim: str, source: Sequence[str]) -> Mismatch | None:
    """Return the subject of a claim where the closest sentence has another one.

    The two begin with content words that the other does not have, and share most of the rest.
    """
    ours = _subject(claim)
    if ours is None:
        return None
    rest = content(claim) - {stem(ours)}
    if len(rest) < 2:
        return None
    told = [s for s in source if len(rest & content(s)) >= _LEAST_SHARED * len(rest)]
    theirs = [_subject(s) for s in told if stem(ours) not in content(s)]
    if not told or len(theirs) < len(told) or _passive(claim) or any(map(_passive, told)):
        return None
    other = theirs[0]
    return Mismatch(ours, other) if other and stem(other) not in content(claim) else None


def _subject(sentence: str) -> str | None:
    """Return the word that a sentence begins with, articles aside; None for any other opening."""
    words = [w for w in tokens(sentence) if w not in ("the", "a", "an")][:1]
    if not words or words[0] in STOP | ACKNOWLEDGING | _LINKING or words[0].endswith("ly"):
        return None
    return words[0] if content(words[0]) else None


def _passive(sentence: str) -> bool:
    return _PASSIVE.search(sentence) is not None
