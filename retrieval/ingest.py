"""Bringing the index up to date with its documents; can be cut off and taken up anywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from concertmaster.contracts import plain_text
from concertmaster.contracts.html import Shown
from concertmaster.retrieval.access import parse_readers
from concertmaster.retrieval.changes import Changes
from concertmaster.retrieval.documents import Document, Remark, Skipped
from concertmaster.retrieval.embeddings import Embedder
from concertmaster.retrieval.following import Progress, follow
from concertmaster.retrieval.identity import check_embedding
from concertmaster.retrieval.store import Store
from concertmaster.retrieval.vectors import VectorStore

__all__ = ["IngestReport", "Progress", "clean", "ingest"]

_LINE = re.compile(r":\d+$")


@dataclass(frozen=True, kw_only=True)
class IngestReport(Shown):
    """What an ingest did: numbers of documents, and of passages (`chunks`) embedded.

    `remarks` tell what was left out of documents that were taken in, or guessed. `lapsed` are the
    documents that are not valid today, told when that changed.
    """

    added: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    skipped: tuple[Skipped, ...] = ()
    remarks: tuple[Remark, ...] = ()
    lapsed: tuple[Remark, ...] = ()
    chunks: int = 0
    seconds: float = 0.0


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
    text = plain[2].strip()
    # Marks point into the text as it was given; in a changed one they would point elsewhere.
    marks = document.marks if text == document.text else ()
    return replace(document, id=plain[0], title=plain[1], text=text, source=plain[3], marks=marks)


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
    embedded = await follow(store, vectors, embedder, progress)
    return IngestReport(
        added=len(changes.added),
        updated=len(changes.replaced) + len(changes.touched),
        deleted=len(changes.deleted),
        unchanged=changes.unchanged,
        skipped=(*refused, *skipped),
        remarks=tuple(Remark(source=d.source or d.id, what=note) for d in kept for note in d.notes),
        chunks=embedded,
        seconds=perf_counter() - begun,
    )


def _apply(store: Store, vectors: VectorStore, changes: Changes, embedding: str) -> None:
    vectors.refresh(store.generation)
    store.apply(changes, embedding=embedding)
    vectors.keep(store.generation)
