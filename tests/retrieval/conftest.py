"""An embedder of words that needs no model, and documents to search."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.identity import PROBE
from concertmaster.retrieval.knowledge import Knowledge
from concertmaster.retrieval.lexical import terms


class WordEmbedder:
    """Each stem a fixed direction: texts with the same words are near each other."""

    dimension = 256
    relevant = 0.3

    def __init__(self, name: str = "words-256") -> None:
        self.name = name
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str], /) -> np.ndarray:
        self.texts += [text for text in texts if text != PROBE]
        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for stem in terms(text) or ["?"]:
                seed = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4])
                made[row] += np.random.default_rng(seed).normal(size=self.dimension)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


Opener = Callable[..., Knowledge]


@pytest.fixture
def opened(folder: Path, embedder: WordEmbedder):
    """Open the index of this test; what was opened is closed at the end."""
    made: list[Knowledge] = []

    def open_(**options) -> Knowledge:
        given = {"embedder": embedder, "spec": KnowledgeSpec(default_owner="desk"), **options}
        knowledge = Knowledge.open(given.pop("folder", folder), **given)
        made.append(knowledge)
        return knowledge

    yield open_
    for knowledge in made:
        knowledge.close()


@pytest.fixture(scope="session")
def document() -> Callable[..., Document]:
    """Make a document that everyone reads unless readers are given."""

    def make(id_: str, text: str, *readers: str, **more) -> Document:
        title = more.pop("title", id_)
        return Document(id=id_, title=title, text=text, readers=readers or ("everyone",), **more)

    return make


@pytest.fixture
def library(document) -> list[Document]:
    return [
        document("returns", "Goods may be returned within thirty days.", owner="returns-team"),
        document("salaries", "The salary bands of engineers are secret.", "role:hr", owner="hr"),
        document("shipping", "Parcels are shipped from Lisbon on weekdays.", owner="logistics"),
        document("diary", "Ana wrote about parcels and salary.", "principal:ana"),
    ]
