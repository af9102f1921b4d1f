"""The passages' vectors in Chroma, which follows the SQLite file.

Chroma holds ids, vectors and what it filters by; no text. Its answers are candidates: whether a
passage exists and who may read it is always asked of the SQLite file.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from concertmaster.errors import StorageError
from concertmaster.retrieval.chroma import Place
from concertmaster.retrieval.passage import Passage

if TYPE_CHECKING:
    from concertmaster.retrieval.embeddings import Vectors

__all__ = ["VectorStore"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_NOBODY = "nobody"
_REST = 5.0
_SETTINGS = {
    "hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 32}
}


class VectorStore:
    """One Chroma collection; opened when it is first needed.

    Several threads may use it. Another process's changes to a folder are seen after `refresh`. A
    place that failed is left alone for five seconds, so that nobody waits for it in every turn.
    """

    def __init__(self, place: Place, collection: str = "passages") -> None:
        self._place = place
        self._name = collection
        self._lock = threading.RLock()
        self._client: Any = None
        self._collection: Any = None
        self._generation: int | None = None
        self._rests_until = 0.0

    @property
    def place(self) -> str:
        """What tells this store from others; shown to people, and kept in the index."""
        return self._place.name

    @property
    def shared(self) -> bool:
        """Whether it is a server."""
        return self._place.shared

    @property
    def exists(self) -> bool:
        """Whether there is a database to ask."""
        return self._place.exists

    def holds(self, count: int) -> bool:
        """Tell whether it seems to hold so many passages: a server is asked, a folder is seen."""
        if not self.shared:
            return self.exists
        return self._do(lambda c: int(c.count())) == count

    def put(self, passages: Sequence[Passage], vectors: Sequence[bytes]) -> None:
        """Store passages with their vectors (float32), replacing those with the same ids."""
        import numpy as np

        ids, metadatas = [p.id for p in passages], [_metadata(p) for p in passages]
        rows = np.stack([np.frombuffer(v, dtype="<f4") for v in vectors])
        self._do(lambda c: c.upsert(ids=ids, embeddings=rows, metadatas=metadatas))

    def update(self, passages: Sequence[Passage]) -> None:
        """Store the readers and validity of passages that are there already."""
        ids, metadatas = [p.id for p in passages], [_metadata(p) for p in passages]
        self._do(lambda c: c.update(ids=ids, metadatas=metadatas))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove passages; ids that are not there are no error."""
        self._do(lambda c: c.delete(ids=list(ids)))

    def drop(self) -> None:
        """Delete the collection with all that it holds."""

        def work(_: Any) -> None:
            self._client.delete_collection(self._name)

        self._do(work)

    def ids(self) -> set[str]:
        """Return the ids of all passages that are there."""
        return set(self._do(lambda c: c.get(include=[])["ids"]))

    def nearest(self, vector: Vectors, where: dict[str, Any], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` nearest passages that pass the filter, with their cosines."""

        def query(collection: Any) -> list[tuple[str, float]]:
            found = collection.query(
                query_embeddings=[vector], n_results=k, where=where, include=["distances"]
            )
            pairs = zip(found["ids"][0], found["distances"][0], strict=True)
            return [(str(id_), 1.0 - float(distance)) for id_, distance in pairs]

        if monotonic() < self._rests_until:
            raise self._failed("it failed a moment ago")
        return self._do(query)

    def refresh(self, generation: int) -> None:
        """Read the folder again if another process raised the generation since."""
        with self._lock:
            if self._generation is not None and generation != self._generation and not self.shared:
                self._disconnect()
            self._generation = generation

    def keep(self, generation: int) -> None:
        """Take note that the generation is this one's own doing: nothing to read again."""
        with self._lock:
            self._generation = generation

    def close(self) -> None:
        """Release files and connections."""
        with self._lock:
            self._disconnect()

    def _do(self, work: Callable[[Any], T]) -> T:
        try:
            return work(self._connected())
        except Exception as first:
            # A thread may have found the connection closed by another's refresh.
            _log.info("the vector store is opened again after %s", type(first).__name__)
            try:
                with self._lock:
                    self._disconnect()
                    return work(self._connected())
            except Exception as error:
                self._rests_until = monotonic() + _REST
                if isinstance(error, StorageError):
                    raise
                raise self._failed(type(error).__name__) from error

    def _failed(self, what: str) -> StorageError:
        repair = "check the server" if self.shared else "check the disk"
        where = self.place if self.shared else getattr(self._place, "path", self.place)
        return StorageError(
            f"{where}: the vector store failed ({what})",
            hint=f"{repair}; if it goes on, make the index anew:"
            " concertmaster ingest WORKSPACE --rebuild",
        )

    def _connected(self) -> Any:
        with self._lock:
            if self._collection is None:
                self._client = self._place.connect()
                self._collection = self._client.get_or_create_collection(
                    self._name,
                    embedding_function=None,
                    configuration=_SETTINGS,
                )
            return self._collection

    def _disconnect(self) -> None:
        client, self._client, self._collection = self._client, None, None
        if client is not None:
            self._place.close(client)


def _metadata(passage: Passage) -> dict[str, Any]:
    # Chroma refuses empty lists; no principal is granted "nobody".
    return {
        "readers": list(passage.readers) or [_NOBODY],
        "from": passage.valid_from,
        "until": passage.valid_until,
    }
