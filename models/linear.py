"""Multinomial logistic regression over sentence vectors and n-grams; SciPy only to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.models.ngrams import Ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Linear"]

_C = 3.0
_ITERATIONS = 60
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Linear:
    """Weights of each class for sentence vectors (classes × numbers) and n-grams (grams × classes).

    The classes are `names` in their order and, if it was trained on messages without a label,
    one more for these. A single class has a constant logit of 0.
    """

    names: tuple[str, ...]
    dense: NDArray[np.float32]
    sparse: NDArray[np.float32]
    bias: NDArray[np.float32]
    ngrams: Ngrams

    @classmethod
    def fit(
        cls,
        ngrams: Ngrams,
        counted: Any,
        vectors: NDArray[np.float32],
        labels: Sequence[str | None],
    ) -> Linear:
        """Fit the weights to texts; a label of None is that of messages out of scope.

        Args:
            ngrams: the vocabulary.
            counted: the texts' n-grams, as `Ngrams.counted` returns them.
            vectors: the texts' vectors.
            labels: the texts' intents.
        """
        import numpy as np

        names = tuple(sorted({label for label in labels if label is not None}))
        place: dict[str | None, int] = {name: at for at, name in enumerate(names)}
        classes = [place.get(label, len(names)) for label in labels]
        size = vectors.shape[1]
        if len(set(classes)) == 1:
            dense = np.zeros((1, size), dtype=np.float32)
            sparse = np.zeros((len(ngrams.vocabulary), 1), dtype=np.float32)
            return cls(names, dense, sparse, np.zeros(1, dtype=np.float32), ngrams)
        weights = _regress(np.asarray(vectors, dtype=np.float32), counted, classes)
        dense, bias, sparse = weights[:size], weights[size], weights[size + 1 :]
        return cls(names, np.ascontiguousarray(dense.T), sparse, bias, ngrams)

    def logits(
        self,
        places: NDArray[np.int64],
        weights: NDArray[np.float32],
        vector: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], float]:
        """Return the logit of each name, and that of being out of scope (0 if not trained).

        `places` and `weights` are a text's n-grams, `vector` is its vector.
        """
        logits: NDArray[np.float32] = self.dense @ vector + self.bias
        if len(places):
            logits = logits + weights @ self.sparse[places]
        known = len(self.names)
        return logits[:known], float(logits[known]) if len(logits) > known else 0.0

    def logits_of(
        self, counted: Any, vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the same for many texts: logits (texts × names), and of being out of scope."""
        import numpy as np

        logits = vectors @ self.dense.T + self.bias + counted @ self.sparse
        known = len(self.names)
        other = logits[:, known] if logits.shape[1] > known else np.zeros(len(logits), np.float32)
        return logits[:, :known], other


def _regress(vectors: NDArray[np.float32], counted: Any, classes: Sequence[int]) -> Any:
    """Minimise C times the cross-entropy plus half the squared weights, by L-BFGS.

    Returns the rows of weights (numbers, bias, grams) × classes. Dense and sparse features are
    multiplied apart: in one sparse matrix, as general solvers want them, it takes ten times as
    long for 15,000 texts.
    """
    import numpy as np
    from scipy.optimize import minimize

    rows, kinds = len(classes), max(classes) + 1
    dense = np.hstack([vectors, np.ones((rows, 1), dtype=np.float32)])
    first = dense.shape[1]
    transposed = counted.T.tocsr()
    truth = np.zeros((rows, kinds), dtype=np.float32)
    truth[np.arange(rows), list(classes)] = 1
    kept = np.ones((first + counted.shape[1], 1), dtype=np.float32)
    kept[first - 1] = 0  # The bias is free.

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.astype(np.float32).reshape(-1, kinds)
        logits = dense @ weights[:first] + counted @ weights[first:]
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        sums = powers.sum(axis=1, keepdims=True)
        missed = float((np.log(sums[:, 0]) - (logits * truth).sum(axis=1)).sum())
        wrong = _C * (powers / sums - truth)
        slope = np.vstack([dense.T @ wrong, transposed @ wrong]) + kept * weights
        size = float((kept * weights * weights).sum())
        return _C * missed + size / 2, slope.ravel().astype(np.float64)

    start = np.zeros((first + counted.shape[1]) * kinds)
    options = {"maxiter": _ITERATIONS, "ftol": _TOLERANCE, "maxcor": 6}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return found.x.astype(np.float32).reshape(-1, kinds)
