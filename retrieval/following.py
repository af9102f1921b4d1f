"""The vectors follow the SQLite file: embed what is new, store it, remove what is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from concertmaster.retrieval.embeddings import Embedder, embed_all
from concertmaster.retrieval.identity import check_embedding, check_probe, note_probe
from concertmaster.retrieval.passage import Passage, State
from concertmaster.retrieval.store import Store
from concertmaster.retrieval.vectors import VectorStore

__all__ = ["Progress", "follow"]

Progress = Callable[[int, int], None]
"""Called with how many passages are embedded and how many there are to embed."""

_BATCH = 64
_DELETED_AT_ONCE = 2000


async def follow(
    store: Store, vectors: VectorStore, embedder: Embedder, progress: Progress | None
) -> int:
    """Bring the vector store to what the SQLite file says; return how many were embedded.

    What was embedded stays, whatever happens: the next call goes on where this one stopped.

    Raises:
        KnowledgeError: the embedder failed.
        IndexMismatch: the embedder is not the one that the index was made with.
        StorageError: a store failed.
    """
    changed = await asyncio.to_thread(_reconcile, store, vectors)
    waiting = (await asyncio.to_thread(store.count))[2]
    done = embedded = 0
    if progress:
        progress(0, waiting)
    if waiting:
        await asyncio.to_thread(check_probe, store, embedder)
    while waiting:
        stored, fresh = await asyncio.to_thread(_batch, store, vectors, embedder)
        if not stored:
            break
        done, embedded = done + stored, embedded + fresh
        if progress:
            progress(min(done, waiting), waiting)
    if changed or done:
        await asyncio.to_thread(store.raise_generation)
    vectors.keep(await asyncio.to_thread(lambda: store.generation))
    return embedded


def _reconcile(store: Store, vectors: VectorStore) -> bool:
    """Remove what is gone; find out what the vector store lost. Tell whether it changed."""
    _, passages, waiting = store.count()
    if store.embedded() < passages - waiting:
        store.mark_unembedded()
    if store.meta("vectors_at") != vectors.place:
        store.mark_all_missing()
        store.note("vectors_at", vectors.place)
    orphans, states = store.orphans(), store.states()
    held = sum(state != State.TO_EMBED for state in states.values())
    settled = all(state == State.STORED for state in states.values())
    if not orphans and settled and (not states or vectors.holds(held)):
        return False
    if vectors.exists:
        _delete(vectors, orphans)
    store.forget_orphans(orphans)
    found = vectors.ids() if vectors.exists else set()
    store.mark_missing(i for i, s in states.items() if s != State.TO_EMBED and i not in found)
    strangers = sorted(found - states.keys())
    _delete(vectors, strangers)
    return bool(orphans or strangers)


def _delete(vectors: VectorStore, ids: Sequence[str]) -> None:
    for at in range(0, len(ids), _DELETED_AT_ONCE):
        vectors.delete(ids[at : at + _DELETED_AT_ONCE])


def _batch(store: Store, vectors: VectorStore, embedder: Embedder) -> tuple[int, int]:
    """Embed and store the next passages; return how many were stored, and embedded for it."""
    passages = store.pending(_BATCH)
    lacking = [p for p in passages if not p.embedded]
    known = [p for p in passages if p.embedded]
    kept = store.vectors([p.id for p in lacking])
    fresh = [p for p in lacking if p.id not in kept]
    if fresh:
        kept |= _embedded(store, embedder, fresh)
    if lacking:
        vectors.put(lacking, [kept[p.id] for p in lacking])
    if known:
        vectors.update(known)
    store.mark_stored(p.id for p in passages)
    return len(passages), len(fresh)


def _embedded(store: Store, embedder: Embedder, fresh: Sequence[Passage]) -> dict[str, bytes]:
    """Embed passages and keep their vectors, before any other store hears of them."""
    made = embed_all(embedder, [p.text for p in fresh])
    check_embedding(store, embedder, made.shape[1])
    if store.meta("dimension") is None:
        store.note("dimension", str(made.shape[1]))
    note_probe(store, embedder)
    kept = {p.id: row.astype("<f4").tobytes() for p, row in zip(fresh, made, strict=True)}
    store.put_vectors(kept.items())
    return kept
