import os
from pathlib import Path

import numpy as np
import pytest

from concertmaster.retrieval import postings
from concertmaster.retrieval.lexical import Lexical
from concertmaster.retrieval.postings import Postings

TEXTS = ["card fees and card limits", "loan fees", "opening hours of branches", "fees", "?!"]
ALL = np.ones(len(TEXTS), dtype=np.bool_)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Let a file pay already for a few texts."""
    monkeypatch.setattr(postings, "WORTH", 3)


@pytest.fixture
def kept(tmp_path) -> Path:
    return tmp_path / "words.npz"


def counted(monkeypatch) -> list[int]:
    """Return a list that grows with every time that postings are made."""
    made, real = [], postings.terms
    monkeypatch.setattr(postings, "terms", lambda text: made.append(1) or real(text))
    return made


def test_words_are_counted_once_for_the_same_texts(kept, monkeypatch):
    made = counted(monkeypatch)
    first = Lexical(TEXTS, kept)
    assert len(made) == len(TEXTS)
    again = Lexical(TEXTS, kept)
    assert len(made) == len(TEXTS)
    for query in ("card fees", "hours", "unheard of", ""):
        assert again.top(query, ALL, 5) == first.top(query, ALL, 5)
        assert again.weights(query.split(), ALL) == first.weights(query.split(), ALL)


@pytest.mark.parametrize(
    "texts",
    [
        [*TEXTS[:-1], "zeppelin"],
        TEXTS[::-1],
        TEXTS[:-1],
        # The same letters, divided otherwise.
        ["card fees and card limitsloan fees", "", *TEXTS[2:]],
    ],
)
def test_file_of_other_texts_is_not_used_and_is_replaced(kept, texts):
    Lexical(TEXTS, kept)
    of_others = kept.read_bytes()
    allowed = np.ones(len(texts), dtype=np.bool_)
    assert Lexical(texts, kept).top("card fees", allowed, 5) == Lexical(texts).top(
        "card fees", allowed, 5
    )
    assert kept.read_bytes() != of_others


def test_words_of_deleted_texts_do_not_stay(kept):
    Lexical([*TEXTS, "canaryword"], kept)
    assert b"canaryword" in kept.read_bytes()
    Lexical(TEXTS, kept)
    assert b"canaryword" not in kept.read_bytes()
    Lexical(TEXTS[:2], kept)
    assert not kept.exists()


def test_other_rules_of_stems_make_the_file_worthless(kept, monkeypatch):
    Lexical(TEXTS, kept)
    made = counted(monkeypatch)
    monkeypatch.setattr(postings, "RULES", 2)
    Lexical(TEXTS, kept)
    assert len(made) == len(TEXTS)


@pytest.mark.parametrize("cut", [0, 1, 100, -30])
def test_damaged_file_costs_time_only(kept, cut):
    Lexical(TEXTS, kept)
    kept.write_bytes(kept.read_bytes()[:cut])
    assert Lexical(TEXTS, kept).top("card fees", ALL, 1) == [0]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("places", np.full(6, 99, dtype=np.int32)),
        ("starts", np.array([5, 0], dtype=np.int64)),
        ("lengths", np.zeros(2)),
        ("numbers", np.array([10**6], dtype=np.int64)),
        ("scores", np.array(["a"], dtype=object)),
        ("words", None),
    ],
)
def test_file_that_makes_no_sense_is_not_used(kept, part, value):
    Lexical(TEXTS, kept)
    with np.load(kept) as held:
        parts = {name: held[name] for name in held.files}
    if value is None:
        del parts[part]
    else:
        parts[part] = value
    np.savez(kept, **parts)
    assert Lexical(TEXTS, kept).top("card fees", ALL, 5) == Lexical(TEXTS).top("card fees", ALL, 5)


def test_folder_that_cannot_be_written_costs_time_only(tmp_path):
    # Root may write anywhere, but into no folder that is not there.
    kept = tmp_path / "gone" / "words.npz"
    assert Lexical(TEXTS, kept).top("card fees", ALL, 1) == [0]
    assert os.listdir(tmp_path) == []


def test_texts_without_words_have_no_postings():
    made = Postings.of(["", "?!"])
    assert (made.words, len(made.places), made.lengths.tolist()) == ({}, 0, [0.0, 0.0])


async def test_ingest_keeps_the_postings_and_deleting_takes_words_away(
    opened, folder: Path, document
):
    knowledge = opened()
    documents = [document(f"d{n}", f"Parcel {n} has wordnumber{n}.") for n in range(4)]
    await knowledge.ingest(documents)
    file = folder / "words.npz"
    assert b"wordnumber3" in file.read_bytes()
    await knowledge.ingest(documents[:3])
    assert b"wordnumber3" not in file.read_bytes()
