"""Weighted word and character n-grams of short texts, as sparse features. Plain numpy."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Ngrams"]

_WORD = re.compile(r"[^\W_]+")
_MOST = 16000
_MANY_TEXTS = 500
_LONGEST = 4000


def _grams(text: str) -> Iterator[str]:
    """Yield words, pairs of words, and 3 and 4 characters of padded words, marked by kind."""
    words = _WORD.findall(text[:_LONGEST].lower())
    for word in words:
        yield f"w:{word}"
    for first, second in pairwise(words):
        yield f"b:{first} {second}"
    for word in words:
        padded = f" {word} "
        for size in (3, 4):
            for at in range(len(padded) - size + 1):
                yield f"c:{padded[at : at + size]}"


@dataclass(frozen=True)
class Ngrams:
    """A fixed vocabulary of n-grams with their inverse document frequencies."""

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]

    def __post_init__(self) -> None:
        places = {gram: at for at, gram in enumerate(self.vocabulary)}
        object.__setattr__(self, "_places", places)

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Ngrams:
        """Take the most frequent n-grams of the texts; of many texts, those seen twice."""
        import numpy as np

        seen: Counter[str] = Counter()
        for text in texts:
            seen.update(set(_grams(text)))
        least = 1 if len(texts) < _MANY_TEXTS else 2
        # By frequency, then by spelling: the same texts give the same model.
        kept = sorted((g for g in seen if seen[g] >= least), key=lambda g: (-seen[g], g))[:_MOST]
        idf = [math.log((1 + len(texts)) / (1 + seen[g])) + 1 for g in kept]
        return cls(tuple(kept), np.array(idf, dtype=np.float32))

    def features(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the places of the text's n-grams and their weights, a vector of length 1.

        A weight is (1 + log count) times the inverse document frequency.
        """
        import numpy as np

        places: dict[str, int] = self.__dict__["_places"]
        counts = Counter(place for g in _grams(text) if (place := places.get(g)) is not None)
        at = np.fromiter(counts, dtype=np.int64, count=len(counts))
        weights = np.fromiter(
            (1 + math.log(n) for n in counts.values()), dtype=np.float32, count=len(counts)
        )
        weights *= self.idf[at]
        length = float(np.linalg.norm(weights))
        return at, weights / length if length else weights

    def counted(self, texts: Sequence[str]) -> Any:
        """Return the features of texts as a sparse matrix (texts × vocabulary). Needs SciPy."""
        import numpy as np
        from scipy.sparse import csr_matrix

        features = [self.features(text) for text in texts]
        ends = np.cumsum([0, *(len(places) for places, _ in features)])
        nothing = np.zeros(0)
        weights = np.concatenate([nothing, *(weights for _, weights in features)])
        places = np.concatenate([nothing, *(places for places, _ in features)])
        return csr_matrix(
            (weights.astype(np.float32), places.astype(np.int64), ends),
            shape=(len(texts), len(self.vocabulary)),
        )
