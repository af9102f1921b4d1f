"""BM25 over passages, filtered by access before its top k."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.retrieval.postings import K1, B, Postings
from concertmaster.retrieval.stems import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Lexical", "terms"]


class Lexical:
    """A BM25 index in memory; positions are those of the texts it was made of.

    Frequencies and mean length are taken among the allowed texts only: order, scores and weights
    are those of an index that holds nothing else, so they tell nothing of the others.
    """

    def __init__(self, texts: Sequence[str], kept: Path | None = None) -> None:
        self.size = len(texts)
        self._postings = Postings.of(texts, kept)

    def top(self, query: str, allowed: NDArray[np.bool_], k: int) -> list[int]:
        """Return the positions of the best `k` allowed texts with a word of the query, best first.

        Equal scores keep the order of the texts.
        """
        import numpy as np

        scores = np.zeros(self.size)
        total = int(allowed.sum())
        everywhere = self._norms(self._postings.lengths.mean()) if self.size else scores
        here = self._norms(self._postings.lengths[allowed].mean()) if total else scores
        for word, times in Counter(terms(query)).items():
            places, values = self._places(word)
            seen = allowed[places]
            if seen.any():
                idf = _idf(self.size, len(places))
                places = places[seen]
                # A score is idf * tf / (tf + norm): what the library says, with the idf and the
                # norm of the allowed texts in the place of everybody's.
                norm_by_tf = (idf / values[seen] - 1) * here[places] / everywhere[places]
                scores[places] += times * _idf(total, int(seen.sum())) / (1 + norm_by_tf)
        return _best(scores, k)

    def weights(self, words: Iterable[str], allowed: NDArray[np.bool_]) -> dict[str, float]:
        """Return the inverse document frequencies of stems among the allowed texts."""
        total = int(allowed.sum())
        return {w: _idf(total, int(allowed[self._places(w)[0]].sum())) for w in words}

    def _norms(self, mean: float) -> NDArray[np.float64]:
        """Return what BM25 adds to a word's frequency in each text, for a mean length."""
        norms: NDArray[np.float64] = K1 * (1 - B + B * self._postings.lengths / (mean or 1.0))
        return norms

    def _places(self, word: str) -> tuple[Any, Any]:
        """Return where a stem occurs, and what it scores there."""
        import numpy as np

        kept = self._postings
        at = kept.words.get(word)
        if at is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        start, end = kept.starts[at : at + 2]
        return kept.places[start:end], kept.scores[start:end]


def _best(scores: NDArray[np.float64], k: int) -> list[int]:
    """Return the positions of the `k` highest scores above 0; equal ones in their order."""
    import numpy as np

    found = np.flatnonzero(scores > 0)
    # Equal but for the order of additions is equal.
    reached = scores[found].round(9)
    if len(found) > k:
        enough = reached >= np.partition(reached, -k)[-k]
        found, reached = found[enough], reached[enough]
    order = np.argsort(-reached, kind="stable")[:k]
    return [int(at) for at in found[order]]


def _idf(total: int, seen: int) -> float:
    """Return the inverse document frequency as Lucene's BM25 takes it."""
    return math.log(1 + (total - seen + 0.5) / (seen + 0.5))
