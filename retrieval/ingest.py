"""Bringing the index up to date with its documents; can be cut off and taken up anywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from concertmaster.contracts import plain_text
from concertmaster.errors import IndexMismatch
from concertmaster.retrieval.access import parse_readers
from concertmaster.retrieval.changes import Changes
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.embeddings import Embedder, embed_all
from concertmaster.retrieval.passage import State
from concertmaster.retrieval.store import Store
from concertmaster.retrieval.vectors import VectorStore

__all__ = ["IngestReport", "Progress", "check_embedding", "clean", "ingest"]

Progress = Callable[[int, int], None]
"""Called with how many passages are embedded and how many there are to embed."""

_BATCH = 64
_LINE = re.compile(r":\d+$")
_DELETED_AT_ONCE = 2000


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What an ingest did: numbers of documents, and of passages (`chunks`) embedded."""

    added: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    skipped: tuple[Skipped, ...] = ()
    chunks: int = 0
    seconds: float = 0.0


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


def clean(documents: Iterable[Document]) -> tuple[list[Document], list[Skipped]]:
    """Return the documents with text that every store can hold; name those that cannot be."""
    kept: dict[str, Document] = {}
    skipped = []
    for given in documents:
        document = _plain(given)
        source = document.source or document.id
        why = None
        if not document.id:
            why = "has no id"
        elif not any(c.isalnum() for c in document.text):
            why = "has no text"
        elif document.id in kept:
            why = f"the id {document.id!r} is given twice"
        elif document.readers:
            try:
                document = replace(document, readers=parse_readers(document.readers))
            except ValueError as error:
                why = str(error)
        if why:
            skipped.append(Skipped(source=source, why=why))
        else:
            kept[document.id] = document
    return list(kept.values()), skipped


def _plain(document: Document) -> Document:
    texts = (document.id, document.title, document.text, document.source)
    if texts == (plain := tuple(map(plain_text, texts))):
        return document
    return replace(document, id=plain[0], title=plain[1], text=plain[2].strip(), source=plain[3])


async def ingest(
    store: Store,
    vectors: VectorStore,
    embedder: Embedder,
    documents: Iterable[Document],
    *,
    refused: Sequence[Skipped] = (),
    progress: Progress | None,
    prune: bool,
) -> IngestReport:
    """Store what changed in one transaction, then let the vectors follow.

    `refused` is what could not be loaded; documents that once came from there are deleted.

    Raises:
        KnowledgeError: the embedder failed; the next ingest goes on where this one stopped.
        StorageError: a store failed.
    """
    begun = perf_counter()
    check_embedding(store, embedder)
    kept, skipped = await asyncio.to_thread(clean, documents)
    sources = {s.source for s in (*refused, *skipped) if s.source}
    sources |= {_LINE.sub("", source) for source in sources}
    changes = await asyncio.to_thread(
        lambda: Changes.between(store.documents(), kept, prune=prune, unreadable=sources)
    )
    await asyncio.to_thread(_apply, store, vectors, changes, embedder.name)
    embedded = await _follow(store, vectors, embedder, progress)
    return IngestReport(
        added=len(changes.added),
        updated=len(changes.replaced) + len(changes.touched),
        deleted=len(changes.deleted),
        unchanged=changes.unchanged,
        skipped=(*refused, *skipped),
        chunks=embedded,
        seconds=perf_counter() - begun,
    )


def _apply(store: Store, vectors: VectorStore, changes: Changes, embedding: str) -> None:
    vectors.refresh(store.generation)
    store.apply(changes, embedding=embedding)
    vectors.keep(store.generation)


async def _follow(
    store: Store, vectors: VectorStore, embedder: Embedder, progress: Progress | None
) -> int:
    """Bring the vector store to what the SQLite file says; return how many were embedded."""
    changed = await asyncio.to_thread(_reconcile, store, vectors)
    waiting = (await asyncio.to_thread(store.count))[2]
    done = embedded = 0
    if progress:
        progress(0, waiting)
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
    orphans, states = store.orphans(), store.states()
    settled = all(state == State.STORED for state in states.values())
    if not orphans and settled and (vectors.exists or not states):
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
    fresh = [p for p in passages if not p.embedded]
    known = [p for p in passages if p.embedded]
    if fresh:
        made = embed_all(embedder, [p.text for p in fresh])
        check_embedding(store, embedder, made.shape[1])
        if store.meta("dimension") is None:
            store.note("dimension", str(made.shape[1]))
        vectors.put(fresh, made)
    if known:
        vectors.update(known)
    store.mark_stored(p.id for p in passages)
    return len(passages), len(fresh)
