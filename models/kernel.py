"""Kernel ridge regression onto intents: a message is read as the utterances it is like are read.

A linear model needs one direction an intent; this one also keeps what only a few utterances of an
intent have in common. Fitting needs SciPy, and memory for a number a pair of texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Kernel"]

_MOST = 16000
_SHARP_COSINES = 4.0
_SHARP_GRAMS = 2.0
_RIDGE = 0.2
_BLOCK = 500


@dataclass(frozen=True)
class Kernel:
    """What each utterance it was fitted to says for each intent (utterances × intents).

    Two texts are alike by exp(4 (cosine of vectors - 1)) + exp(2 (cosine of n-grams - 1)).
    The utterances' n-grams are held as postings: those with n-gram g, and its weight in each,
    are `texts[ends[g]:ends[g + 1]]` and `values[ends[g]:ends[g + 1]]`.
    """

    weights: Array
    texts: NDArray[np.int32]
    values: Array
    ends: NDArray[np.int64]

    @classmethod
    def fit(cls, counted: Any, vectors: Array, classes: Sequence[int]) -> Kernel | None:
        """Solve (alike + 0.2 I) weights = truth - its mean; of over 16,000 texts, return nothing.

        Args:
            counted: the texts' n-grams (texts × vocabulary, sparse, rows of length 1).
            vectors: the texts' vectors, rows of length 1.
            classes: the place of each text's intent.
        """
        import numpy as np
        from scipy.linalg import cho_factor, cho_solve

        count, kinds = len(classes), max(classes) + 1
        if count > _MOST or kinds < 2:
            return None
        truth = np.full((count, kinds), -1 / kinds, dtype=np.float32)
        truth[np.arange(count), list(classes)] += 1
        alike = np.empty((count, count), dtype=np.float32)
        transposed = counted.T.tocsr()
        for first in range(0, count, _BLOCK):
            block = slice(first, first + _BLOCK)
            alike[block] = _alike(vectors[block] @ vectors.T, (counted[block] @ transposed))
        alike[np.arange(count), np.arange(count)] += _RIDGE
        # Transposed, as LAPACK wants it, or it makes a copy of what is large.
        factor = cho_factor(alike.T, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, truth, check_finite=False)
        columns = counted.tocsc()
        return cls(
            np.ascontiguousarray(weights, dtype=np.float32),
            columns.indices.astype(np.int32),
            columns.data.astype(np.float32),
            columns.indptr.astype(np.int64),
        )

    def scores(self, places: NDArray[np.int64], weights: Array, cosines: Array) -> Array:
        """Return what the utterances say for each intent.

        Args:
            places: the message's n-grams.
            weights: their weights, a vector of length 1.
            cosines: of the message's vector to those of the utterances.
        """
        import numpy as np

        spans = [slice(self.ends[at], self.ends[at + 1]) for at in places]
        shared: Any = np.zeros(len(self.weights))
        if spans:
            texts = np.concatenate([self.texts[span] for span in spans])
            values = np.concatenate([self.values[span] for span in spans])
            values *= np.repeat(weights, [span.stop - span.start for span in spans])
            shared = np.bincount(texts, values, minlength=len(self.weights))
        return _alike(cosines, shared.astype(np.float32)) @ self.weights

    def scores_of(self, counted: Any, cosines: Array) -> Array:
        """Return the same for many messages (messages × intents)."""
        from scipy.sparse import csc_matrix

        shape = (len(self.weights), len(self.ends) - 1)
        own = csc_matrix((self.values, self.texts, self.ends), shape=shape)
        return _alike(cosines, counted @ own.T) @ self.weights


def _alike(cosines: Array, shared: Any) -> Array:
    """Return how alike texts are by the cosines of their vectors and of their n-grams."""
    import numpy as np

    grams = shared if isinstance(shared, np.ndarray) else shared.toarray()
    near = np.exp(_SHARP_COSINES * (cosines - 1))
    near += np.exp(_SHARP_GRAMS * (grams - 1))
    made: Array = near.astype(np.float32, copy=False)
    return made
