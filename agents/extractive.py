"""An answer without a model: the evidence's own sentences that bear on the question. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from concertmaster.agents.words import words
from concertmaster.contracts import Citation, Evidence, Sentence
from concertmaster.retrieval.sentences import split_sentences

__all__ = ["MOST", "cite", "extract", "plain"]

MOST = 4
"""How many sentences an answer has at most."""

_SHORTEST = 4
_RANK_DISCOUNT = 0.15
_LENT = 0.3
_LEAST = 0.5
_NUMBER_BONUS = 1.4
_LEANING_PENALTY = 0.7
_ASKING = re.compile(r"\bhow (?:long|many|much|often|soon|far|late)\b", re.IGNORECASE)
_MEASURE = re.compile(r"\b(?:how (?:long|many|much|often|soon)|when|costs?|price)\b", re.IGNORECASE)
_LEANING = re.compile(
    r"\W*(?:that|this|it|its|they|these|those|he|she|then|there)\b", re.IGNORECASE
)
_MARKUP = re.compile(r"\*\*|__|`|^\s*(?:[-*+•]|\d{1,2}[.)])\s+|^#+\s+", re.MULTILINE)


@dataclass(frozen=True)
class _Candidate:
    evidence: Evidence
    rank: int
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.evidence.text[self.start : self.end]


def extract(query: str, evidence: Sequence[Evidence], *, most: int = MOST) -> tuple[Sentence, ...]:
    """Return up to `most` sentences with their citations, verbatim but for Markdown's marks.

    A sentence scores the inverse document frequencies (over the candidate sentences) of the
    query's stems that it holds, divided by the root of its length, discounted by the passage's
    rank; title and section of its passage count half; a neighbour's score lends some. A number
    counts where one is asked for, and a sentence that leans on another counts less. Sentences
    below half of the best are left
    out. The score is the sum form of Luhn's significance with idf weights (Sparck Jones, 1972).
    """
    wanted = words(_ASKING.sub(" ", query))
    measured = bool(_MEASURE.search(query))
    candidates = _candidates(evidence)
    frequency: Counter[str] = Counter()
    for candidate in candidates:
        frequency.update(words(candidate.text))
    total = len(candidates)
    weights = {w: math.log(1 + total / (1 + frequency[w])) for w in wanted}
    scored = _smoothed(
        [replace(c, score=_score(c, wanted, weights, measured=measured)) for c in candidates]
    )
    best = sorted(scored, key=lambda c: -c.score)[:most]
    if not best or best[0].score <= 0:
        return ()
    kept = [c for c in best if c.score >= _LEAST * best[0].score]
    kept.sort(key=lambda c: (c.rank, c.start))
    unique: dict[str, _Candidate] = {}
    for candidate in kept:
        unique.setdefault(plain(candidate.text).lower(), candidate)
    return tuple(
        Sentence(
            text=plain(c.text), basis="evidence", citations=(cite(c.evidence, c.start, c.end),)
        )
        for c in unique.values()
    )


def cite(evidence: Evidence, start: int, end: int) -> Citation:
    """Return the citation of a part of a passage, with offsets into the document."""
    return Citation(
        number=evidence.number,
        document=evidence.document,
        version=evidence.version,
        title=evidence.title,
        place=evidence.where,
        start=evidence.start + start,
        end=evidence.start + end,
    )


def _candidates(evidence: Sequence[Evidence]) -> list[_Candidate]:
    found = []
    for rank, passage in enumerate(evidence):
        for start, end in split_sentences(passage.text):
            text = passage.text[start:end]
            if _is_statement(text):
                found.append(_Candidate(passage, rank, start, end, 0.0))
    return found


def _is_statement(text: str) -> bool:
    """Tell whether a sentence can stand in an answer: no fragment, question, heading, table row."""
    end = text.rstrip(" *_")
    return len(text.split()) >= _SHORTEST and not end.endswith(("?", ":")) and " | " not in text


def _smoothed(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Lend a sentence part of its neighbours' score, so that answers keep to one place."""
    smoothed = []
    for index, candidate in enumerate(candidates):
        near = [*candidates[max(0, index - 1) : index], *candidates[index + 1 : index + 2]]
        lent = max((n.score for n in near if n.rank == candidate.rank), default=0.0)
        score = candidate.score + _LENT * lent if candidate.score > 0 else 0.0
        smoothed.append(replace(candidate, score=score))
    return smoothed


def plain(text: str) -> str:
    """Return a sentence without Markdown's emphasis, list marks and line breaks."""
    return " ".join(_MARKUP.sub("", text).split())


def _score(
    candidate: _Candidate, wanted: frozenset[str], weights: dict[str, float], *, measured: bool
) -> float:
    own = words(candidate.text)
    heading = words(f"{candidate.evidence.title} {candidate.evidence.section}")
    direct = sum(weights[w] for w in wanted & own)
    if direct <= 0:
        return 0.0
    about = sum(weights[w] for w in (wanted & heading) - own)
    length = math.sqrt(max(len(own), 6))
    score = (direct + 0.5 * about) / length * (1 - _RANK_DISCOUNT * min(candidate.rank, 5))
    if measured and any(c.isdigit() for c in candidate.text):
        score *= _NUMBER_BONUS
    if _LEANING.match(candidate.text):
        score *= _LEANING_PENALTY
    return score
