import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.matrix import Matrix

SIZE = 8


def matrix_of(count: int, seed: int = 1) -> tuple[Matrix, np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(count, SIZE)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) if count else 1
    ids = [f"p{n}" for n in range(count)]
    return Matrix(ids, zip(ids, (r.tobytes() for r in rows), strict=True), SIZE), rows


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_nearest_are_those_that_brute_force_finds(share: float) -> None:
    matrix, rows = matrix_of(500)
    allowed = np.random.default_rng(2).random(500) < share
    for wanted in rows[:20]:
        by_hand = [int(i) for i in np.argsort(-(rows @ wanted)) if allowed[i]][:7]
        assert [at for at, _ in matrix.nearest(wanted, allowed, 7)] == by_hand


def test_what_is_not_allowed_is_not_found_even_if_it_is_the_question_itself() -> None:
    matrix, rows = matrix_of(50)
    allowed = np.ones(50, dtype=np.bool_)
    allowed[3] = False
    assert 3 not in [at for at, _ in matrix.nearest(rows[3], allowed, 50)]
    assert matrix.nearest(rows[3], np.zeros(50, dtype=np.bool_), 5) == []


def test_passages_without_a_vector_or_with_one_of_another_size_are_not_found() -> None:
    row = np.ones(SIZE, dtype="<f4")
    given_ = [("b", row.tobytes()), ("c", row[:3].tobytes()), ("gone", row.tobytes())]
    matrix = Matrix(["a", "b", "c"], given_, SIZE)
    assert [at for at, _ in matrix.nearest(row, np.ones(3, dtype=np.bool_), 9)] == [1]


@given(st.integers(1, 12), st.integers(0, 200), st.integers(0, 99))
def test_other_rows_change_neither_order_nor_cosines(own: int, others: int, seed: int) -> None:
    """However many there are: few rows are copied, many are multiplied in place."""
    alone, rows = matrix_of(own, seed)
    rest = np.random.default_rng(seed + 1).normal(size=(others, SIZE)).astype("<f4")
    ids = [f"p{n}" for n in range(own + others)]
    every = [*(r.tobytes() for r in rows), *(r.tobytes() for r in rest)]
    among = Matrix(ids, zip(ids, every, strict=True), SIZE)
    allowed = np.arange(own + others) < own
    question = np.random.default_rng(seed + 2).normal(size=SIZE).astype("<f4")
    question /= np.linalg.norm(question)
    found = among.nearest(question, allowed, 9)
    assert found == alone.nearest(question, np.ones(own, dtype=np.bool_), 9)
