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

    A single class has a constant logit of 0.
    """

    names: tuple[str, ...]
    dense: NDArray[np.float32]
    sparse: NDArray[np.float32]
    bias: NDArray[np.float32]
    ngrams: Ngrams

    @classmethod
    def fit(
        cls, texts: Sequence[str], vectors: NDArray[np.float32], labels: Sequence[str]
    ) -> Linear:
        """Fit the weights to labelled texts."""
        import numpy as np

        names = tuple(sorted(set(labels)))
        ngrams = Ngrams.fit(texts)
        size = vectors.shape[1]
        if len(names) == 1:
            dense = np.zeros((1, size), dtype=np.float32)
            sparse = np.zeros((len(ngrams.vocabulary), 1), dtype=np.float32)
            return cls(names, dense, sparse, np.zeros(1, dtype=np.float32), ngrams)
        weights, bias = _regress(_matrix(texts, vectors, ngrams), labels)
        if len(names) == 2:  # scikit-learn keeps the second class only
            weights, bias = np.vstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
        dense = weights[:, :size].astype(np.float32)
        sparse = np.ascontiguousarray(weights[:, size:].T, dtype=np.float32)
        return cls(names, dense, sparse, bias.astype(np.float32), ngrams)

    def logits(self, text: str, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logit of each class, in the order of `names`."""
        places, weights = self.ngrams.features(text)
        logits: NDArray[np.float32] = self.dense @ vector + self.bias
        if len(places):
            logits = logits + weights @ self.sparse[places]
        return logits


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


def _regress(matrix: Any, labels: Sequence[str]) -> tuple[Any, Any]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=_C, max_iter=_ITERATIONS, tol=_TOLERANCE)
    with warnings.catch_warnings():
        # Weights a hair from the optimum classify as well; there is nothing to tell the user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        regression.fit(matrix, list(labels))
    return regression.coef_, regression.intercept_
