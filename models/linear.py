"""Multinomial logistic regression over sentence vectors and n-grams; scikit-learn only to fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.models.ngrams import Ngrams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Linear"]

_C = 3.0
_ITERATIONS = 200
_TOLERANCE = 1e-3


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
        cls, texts: Sequence[str], vectors: NDArray[np.float32], labels: Sequence[str | None]
    ) -> Linear:
        """Fit the weights to texts; a label of None is that of messages out of scope."""
        import numpy as np

        names = tuple(sorted({label for label in labels if label is not None}))
        place: dict[str | None, int] = {name: at for at, name in enumerate(names)}
        classes = [place.get(label, len(names)) for label in labels]
        ngrams = Ngrams.fit(texts)
        size = vectors.shape[1]
        if len(set(classes)) == 1:
            dense = np.zeros((1, size), dtype=np.float32)
            sparse = np.zeros((len(ngrams.vocabulary), 1), dtype=np.float32)
            return cls(names, dense, sparse, np.zeros(1, dtype=np.float32), ngrams)
        weights, bias = _regress(_matrix(texts, vectors, ngrams), classes)
        if len(set(classes)) == 2:  # scikit-learn keeps the second class only
            weights, bias = np.vstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
        dense = weights[:, :size].astype(np.float32)
        sparse = np.ascontiguousarray(weights[:, size:].T, dtype=np.float32)
        return cls(names, dense, sparse, bias.astype(np.float32), ngrams)

    def logits(self, text: str, vector: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """Return the logit of each name, and that of being out of scope (0 if not trained)."""
        places, weights = self.ngrams.features(text)
        logits: NDArray[np.float32] = self.dense @ vector + self.bias
        if len(places):
            logits = logits + weights @ self.sparse[places]
        known = len(self.names)
        return logits[:known], float(logits[known]) if len(logits) > known else 0.0


def _matrix(texts: Sequence[str], vectors: NDArray[np.float32], ngrams: Ngrams) -> Any:
    import numpy as np
    from scipy.sparse import csr_matrix, hstack

    features = [ngrams.features(text) for text in texts]
    ends = np.cumsum([0, *(len(places) for places, _ in features)])
    sparse = csr_matrix(
        (
            np.concatenate([weights for _, weights in features]),
            np.concatenate([places for places, _ in features]),
            ends,
        ),
        shape=(len(texts), len(ngrams.vocabulary)),
    )
    return hstack([csr_matrix(vectors), sparse]).tocsr()


def _regress(matrix: Any, classes: Sequence[int]) -> tuple[Any, Any]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=_C, max_iter=_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        # Weights a hair from the optimum classify as well; there is nothing to tell the user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(matrix, list(classes))
    return regression.coef_, regression.intercept_
