"""Kernel ridge regression, against the same worked out with dense matrices."""

from typing import Any

import numpy as np
import pytest

from concertmaster.models.kernel import Kernel
from concertmaster.models.ngrams import Ngrams


def _four() -> tuple[list[str], list[int], Any, Ngrams]:
    texts = ["where is my parcel", "where is it", "refund please", "money back"]
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [-0.6, 0.8]], dtype=np.float32)
    return texts, [0, 0, 1, 1], vectors, Ngrams.fit(texts)


def test_kernel_solves_the_ridge_regression_over_likeness() -> None:
    texts, classes, vectors, ngrams = _four()
    counted = ngrams.counted(texts)
    kernel = Kernel.fit(counted, vectors, classes)
    assert kernel is not None
    grams = counted.toarray()
    alike = np.exp(4 * (vectors @ vectors.T - 1)) + np.exp(2 * (grams @ grams.T - 1))
    truth = np.eye(2)[classes] - 0.5
    by_hand = np.linalg.solve(alike + 0.2 * np.eye(4), truth)
    assert kernel.weights == pytest.approx(by_hand, abs=1e-5)
    assert kernel.scores_of(counted, vectors @ vectors.T) == pytest.approx(
        alike @ by_hand, abs=1e-5
    )


@pytest.mark.parametrize("text", ["where is it", "refund", "", "???", "something else entirely"])
def test_kernel_says_the_same_of_one_message_as_of_many(text: str) -> None:
    texts, classes, vectors, ngrams = _four()
    kernel = Kernel.fit(ngrams.counted(texts), vectors, classes)
    assert kernel is not None
    cosines = vectors @ np.array([0.6, 0.8], dtype=np.float32)
    alone = kernel.scores(*ngrams.features(text), cosines)
    among = kernel.scores_of(ngrams.counted([text, "refund"]), np.stack([cosines, cosines]))
    assert alone == pytest.approx(among[0], abs=1e-5)


def test_kernel_needs_two_intents() -> None:
    texts, _, vectors, ngrams = _four()
    assert Kernel.fit(ngrams.counted(texts), vectors, [0, 0, 0, 0]) is None
