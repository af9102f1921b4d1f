"""Which embedding an index was made with: its name, its dimension, and what it makes of a probe."""

from __future__ import annotations

import base64

from concertmaster.errors import IndexMismatch
from concertmaster.retrieval.embeddings import Embedder, embed_all
from concertmaster.retrieval.store import Store

__all__ = ["PROBE", "check_embedding", "check_probe", "note_probe"]

PROBE = "What does a card cost in a year, and who may cancel an order of 1042 pieces?"
"""A fixed text; its vector is kept with the index."""
_SAME = 0.98
"""The least cosine between the probe's stored and present vector. The same weights differ by less
on another processor; another model, or another way of pooling, is far below."""


def check_embedding(store: Store, embedder: Embedder, dimension: int | None = None) -> None:
    """Refuse an index that was made with another embedding.

    Raises:
        IndexMismatch: name, or dimension when it is given, differ from the stored ones.
    """
    name, size = store.meta("embedding"), store.meta("dimension")
    if name is None or size is None:
        return  # Nothing was embedded yet.
    if name == embedder.name and dimension in (None, int(size)):
        return
    told = f" ({dimension} numbers)" if dimension else ""
    raise IndexMismatch(
        f"the index {store.path.parent} was made with the embedding {name} ({size} numbers),"
        f" but {embedder.name}{told} is configured",
        hint="make it anew: concertmaster ingest WORKSPACE --rebuild",
    )


def check_probe(store: Store, embedder: Embedder) -> None:
    """Refuse an embedding that bears the index's name and makes other vectors.

    Raises:
        IndexMismatch: what it makes of a fixed text is not what it made for the index.
        KnowledgeError: it failed.
    """
    import numpy as np

    kept = store.meta("probe")
    if kept is None:
        return
    then = np.frombuffer(base64.b64decode(kept), dtype="<f4")
    now = embed_all(embedder, [PROBE])[0]
    check_embedding(store, embedder, len(now))
    if float(then @ now) < _SAME:
        raise IndexMismatch(
            f"the index {store.path.parent} was made with another model than the one that is now"
            f" called {embedder.name}: a fixed text has another vector",
            hint="give the model that made it, or make it anew: concertmaster ingest WORKSPACE"
            " --rebuild",
        )


def note_probe(store: Store, embedder: Embedder) -> None:
    """Keep what the embedding makes of the probe, once."""
    if store.meta("probe") is None:
        vector = embed_all(embedder, [PROBE])[0]
        store.note("probe", base64.b64encode(vector.astype("<f4").tobytes()).decode())
