"""BM25 over passages, filtered by access before its top k."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Lexical", "terms"]

_K1, _B = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# Function words, and the small talk with which people open a request.
_STOP = frozenset(
    """a able about above across after again against ain all almost also am among an and any are
    aren as at be because been before being below between both but by can cannot could couldn d did
    didn do does doesn doing don down during each either else ever every few for from further get
    gets getting give given go goes going got had hadn has hasn have haven having he hello help her
    here hers herself hey hi him himself his how however i if in into is isn it its itself just kind
    know let like ll m made make many may maybe me might mine more most much must my myself need no
    nor not now o of off ok okay on once one only or other ought our ours ourselves out over own
    please re really s said same say see seem seems shan she should shouldn so some still such sure
    t take tell than thank thanks that the their theirs them themselves then there these they thing
    things this those though through to too under until up us use ve very want wants was wasn way we
    well went were weren what when where which while who whom why will with won would wouldn yes yet
    you your yours yourself yourselves""".split()
)


def terms(text: str) -> list[str]:
    """Return the content words of a text in order, lower-cased and reduced to a stem.

    >>> terms("I'd like to close both of my accounts, please")
    ['clos', 'account']
    """
    found = []
    for word in _WORD.findall(text.lower()):
        plain = word.replace("’", "'").partition("'")[0]
        if plain not in _STOP:
            found.append(_stem(plain))
    return found


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Cut plural and common verb endings: enough to bring forms together, no linguistics."""
    if len(word) > 3 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("es") and word[-3] in "sxz":
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed", "ment", "ly"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    # "shipped" and "ship", "called" and "call", "close" and "closing".
    doubled = len(word) > 3 and word[-1] == word[-2]
    return word[:-1] if doubled or (len(word) > 3 and word.endswith("e")) else word


def _bm25() -> Any:
    """Return bm25s' index class; its progress bars, which nobody sees, must not warn notebooks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from bm25s import BM25
    return BM25


class Lexical:
    """A BM25 index in memory; positions are those of the texts it was made of.

    Frequencies and mean length are taken among the allowed texts only: order, scores and weights
    are those of an index that holds nothing else, so they tell nothing of the others.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        import numpy as np

        self.size = len(texts)
        corpus = [terms(text) for text in texts]
        self._lengths = np.array([len(words) for words in corpus], dtype=np.float64)
        self._words: dict[str, int] = {}
        if any(corpus):
            index = _bm25()(method="lucene", k1=_K1, b=_B, dtype="float64")
            index.index(corpus, show_progress=False)
            self._words = index.vocab_dict
            self._scores: dict[str, Any] = index.scores

    def top(self, query: str, allowed: NDArray[np.bool_], k: int) -> list[int]:
        """Return the positions of the best `k` allowed texts with a word of the query, best first.

        Equal scores keep the order of the texts.
        """
        import numpy as np

        scores = np.zeros(self.size)
        total = int(allowed.sum())
        everywhere = self._norms(self._lengths.mean()) if self.size else scores
        here = self._norms(self._lengths[allowed].mean()) if total else scores
        for word, times in Counter(terms(query)).items():
            places, values = self._postings(word)
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
        return {w: _idf(total, int(allowed[self._postings(w)[0]].sum())) for w in words}

    def _norms(self, mean: float) -> NDArray[np.float64]:
        """Return what BM25 adds to a word's frequency in each text, for a mean length."""
        norms: NDArray[np.float64] = _K1 * (1 - _B + _B * self._lengths / (mean or 1.0))
        return norms

    def _postings(self, word: str) -> tuple[Any, Any]:
        """Return where a stem occurs, and what it scores there."""
        import numpy as np

        at = self._words.get(word)
        if at is None:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        start, end = self._scores["indptr"][at : at + 2]
        return self._scores["indices"][start:end], self._scores["data"][start:end]


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
