"""The passages nearest in meaning among those that a principal may read.

A home is searched exactly, in an array of all vectors, as long as that fits into memory; then its
Chroma folder is asked. With a Chroma server the server is asked; while it cannot be reached, the
array answers. Without vectors words alone decide, and the reason of the result says so.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from concertmaster.contracts import Principal
from concertmaster.errors import IndexMismatch, StorageError
from concertmaster.retrieval.access import where
from concertmaster.retrieval.embeddings import Embedder, embed_question
from concertmaster.retrieval.identity import check_embedding, check_probe
from concertmaster.retrieval.matrix import Matrix
from concertmaster.retrieval.snapshot import Snapshot
from concertmaster.retrieval.store import Store
from concertmaster.retrieval.vectors import VectorStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from concertmaster.retrieval.embeddings import Vectors

__all__ = ["Nearest"]

_log = logging.getLogger(__name__)


class Nearest:
    """Asks the array or Chroma, whichever holds and is there."""

    def __init__(self, store: Store, vectors: VectorStore, embedder: Embedder) -> None:
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        self._probing = threading.Lock()
        self._probed = False

    def find(
        self, text: str, snapshot: Snapshot, principal: Principal, today: int, k: int
    ) -> dict[str, float] | None:
        """Return ids and cosines of the `k` nearest, nearest first; None without vectors.

        Raises:
            IndexMismatch: the index was made with another embedding.
        """
        try:
            self._probe()
            vector = embed_question(self._embedder, text)
            check_embedding(self._store, self._embedder, len(vector))
            return self._nearest(_Wanted(vector, snapshot, principal, today, k))
        except IndexMismatch:
            raise
        except Exception as error:
            # Words alone still find much; the reason of the result says so.
            _log.warning(
                "searching by words only: %s", getattr(error, "message", type(error).__name__)
            )
            return None

    def _nearest(self, wanted: _Wanted) -> dict[str, float]:
        if not self._vectors.shared:
            matrix = self._matrix(wanted.snapshot)
            return self._asked(wanted) if matrix is None else wanted.found_in(matrix)
        try:
            found = self._asked(wanted)
            if len(found) >= min(wanted.k, int(wanted.readable.sum())):
                return found
            told = "the vector store holds less than the index"
        except StorageError as error:
            told = error.message
        matrix = self._matrix(wanted.snapshot)
        if matrix is None:
            raise StorageError(told)
        _log.warning("searching the index's own vectors: %s", told)
        return wanted.found_in(matrix)

    def _asked(self, wanted: _Wanted) -> dict[str, float]:
        snapshot = wanted.snapshot
        today = wanted.today if snapshot.dated else None
        condition = where(wanted.principal, snapshot.readers, today)
        if condition is None:
            return {}
        return dict(self._vectors.nearest(wanted.vector, condition, wanted.k))

    def _matrix(self, snapshot: Snapshot) -> Matrix | None:
        size = int(self._store.meta("dimension") or 0)
        return snapshot.matrix(size, self._store.every_vector)

    def _probe(self) -> None:
        """Compare once what the embedding makes now with what it made for the index."""
        if not self._probed:
            with self._probing:
                if not self._probed:
                    check_probe(self._store, self._embedder)
                    self._probed = self._store.meta("probe") is not None


@dataclass(frozen=True)
class _Wanted:
    """The `k` nearest to a vector among what a principal may read in a snapshot today."""

    vector: Vectors
    snapshot: Snapshot
    principal: Principal
    today: int
    k: int

    @property
    def readable(self) -> NDArray[np.bool_]:
        return self.snapshot.readable(self.principal, self.today)

    def found_in(self, matrix: Matrix) -> dict[str, float]:
        """Return the ids and cosines of the nearest, exactly."""
        nearest = matrix.nearest(self.vector, self.readable, self.k)
        return {self.snapshot.ids[at]: cosine for at, cosine in nearest}
