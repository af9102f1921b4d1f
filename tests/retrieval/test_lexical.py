import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.fusion import fuse
from concertmaster.retrieval.lexical import Lexical, terms

TEXTS = ["card fees and card limits", "loan fees", "opening hours of branches", "fees"]
WORDS = st.lists(st.sampled_from("fee card loan branch hour limit open".split()), max_size=8)


def all_of(texts) -> np.ndarray:
    return np.ones(len(texts), dtype=np.bool_)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cards", "card"),
        ("closing", "close"),
        ("cancelled", "cancel"),
        ("fees", "Fee"),
        ("policies", "policy"),
        ("shipped", "ship"),
        ("branches", "branch"),
        ("I’m", "i"),
    ],
)
def test_forms_of_a_word_come_together(one: str, other: str) -> None:
    assert terms(one) == terms(other)


def test_small_talk_is_no_term() -> None:
    assert terms("Hi, could you please help me? I'd like to know it.") == []


def test_best_match_comes_first() -> None:
    assert Lexical(TEXTS).top("card fees", all_of(TEXTS), 3)[0] == 0


def test_at_most_k_and_only_texts_with_a_word_of_the_query() -> None:
    lexical = Lexical(TEXTS)
    assert len(lexical.top("fees", all_of(TEXTS), 2)) == 2
    assert lexical.top("zebra", all_of(TEXTS), 2) == []
    assert lexical.top("", all_of(TEXTS), 2) == []


def test_what_is_not_allowed_does_not_take_a_place() -> None:
    allowed = np.array([False, True, True, False])
    assert Lexical(TEXTS).top("card fees", allowed, 1) == [1]


def test_no_texts_and_texts_without_words_find_nothing() -> None:
    assert Lexical([]).top("fees", all_of([]), 3) == []
    assert Lexical(["", "?!"]).top("fees", all_of(["", "?!"]), 3) == []


@given(st.lists(WORDS, min_size=1, max_size=6), st.lists(WORDS, max_size=4), WORDS)
def test_forbidden_texts_change_neither_order_nor_weights(readable, forbidden, query) -> None:
    texts = [" ".join(words) for words in (*readable, *forbidden)]
    allowed = np.arange(len(texts)) < len(readable)
    alone, among = Lexical(texts[: len(readable)]), Lexical(texts)
    own = all_of(readable)
    question = " ".join(query)
    assert among.top(question, allowed, 9) == alone.top(question, own, 9)
    assert among.weights(terms(question), allowed) == alone.weights(terms(question), own)


def test_long_forbidden_texts_do_not_make_a_readable_one_look_short() -> None:
    """The mean length is that of what may be read: it is no way to learn of the rest."""
    readable = ["fee fee card hours", "fee", "opening hours of all branches fee"]
    texts = [*readable, *["loan " * 400] * 5]
    allowed = np.arange(len(texts)) < len(readable)
    alone, among = Lexical(readable), Lexical(texts)
    assert among.top("fee card", allowed, 9) == alone.top("fee card", all_of(readable), 9)


def test_fusion_prefers_what_both_rankings_hold() -> None:
    assert [item for item, _ in fuse([["a", "b", "c"], ["c", "d"]])] == ["c", "a", "b", "d"]


@given(st.lists(st.lists(st.integers(0, 20), unique=True)))
def test_fusion_loses_and_invents_nothing(rankings: list[list[int]]) -> None:
    fused = fuse(rankings)
    assert sorted(item for item, _ in fused) == sorted({i for r in rankings for i in r})
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
