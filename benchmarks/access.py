"""Search under access control: what a filter costs, what it loses, and what it lets through.

    python benchmarks/access.py [--chunks 100000] [--queries 40] [--seed 7]

Generates chunks (texts and vectors) of which roles may read 0.1, 1, 5, 10 and 50%, puts them into
an index of the product and into a plain Chroma collection with the same readers, and asks both as
each role, in turns. Recall is against brute force over what the role may read. A leak is a chunk
that the role may not read in anything that came back, of vectors alone or of the whole search.

The vectors are 400 clusters in 48 dimensions, turned into 384 with noise, because evenly spread
ones would have no neighbours worth the name: the nearest is at a cosine of about .75, the hundredth
at .6, as with sentences and a small embedding model.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from report import percentile, report
from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from concertmaster.contracts import Principal, Retrieved
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.knowledge import Knowledge

SHARES = (0.001, 0.01, 0.05, 0.1, 0.5)
_SIZE, _LATENT, _CLUSTERS, _BATCH = 384, 48, 400, 2000
_NAME = re.compile(r"chunk(\d{7})")
_CONSOLE = Console(stderr=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    world = World.made(options.chunks, options.queries, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(world, Path(folder)))
    _show(figures["filters"])
    report("search under access control", figures)


@dataclass(frozen=True)
class World:
    """Chunks with their vectors and readers, and questions; an embedder of what it holds."""

    texts: list[str]
    vectors: np.ndarray
    questions: list[str]
    asked: np.ndarray
    readable: dict[float, np.ndarray]

    name = "generated-384"
    dimension = _SIZE
    relevant = 0.0

    @classmethod
    def made(cls, chunks: int, queries: int, seed: int) -> World:
        """Draw everything from one seed."""
        chance = np.random.default_rng(seed)
        basis = chance.normal(size=(_LATENT, _SIZE))
        centres = chance.normal(size=(_CLUSTERS, _LATENT))

        def draw(count: int) -> np.ndarray:
            latent = centres[chance.integers(0, _CLUSTERS, count)]
            latent = latent + 0.8 * chance.normal(size=latent.shape)
            rows = (latent @ basis + 2 * chance.normal(size=(count, _SIZE))).astype(np.float32)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

        vectors, asked = draw(chunks), draw(queries)
        words = chance.zipf(1.3, size=(chunks, 40)) % 5000
        told = chance.integers(0, 5000, size=(queries, 8))
        return cls(
            texts=[f"chunk{n:07d} {_words(row)}." for n, row in enumerate(words)],
            vectors=vectors,
            questions=[f"question{n} {_words(row)}?" for n, row in enumerate(told)],
            asked=asked,
            readable={share: chance.random(chunks) < share for share in SHARES},
        )

    def embed(self, texts: Sequence[str], /) -> np.ndarray:
        """Return the vectors that belong to texts; of any other text, one of its own."""
        return np.stack([self._vector(text) for text in texts])

    def _vector(self, text: str) -> np.ndarray:
        if name := _NAME.match(text):
            return self.vectors[int(name[1])]
        if text.startswith("question"):
            return self.asked[int(text.removeprefix("question").split()[0])]
        return np.eye(1, _SIZE, dtype=np.float32)[0]

    def readers(self, at: int) -> list[str]:
        """Return who may read a chunk."""
        return [f"role:s{s}" for s in SHARES if self.readable[s][at]] or ["role:none"]


def _words(numbers: Sequence[int]) -> str:
    return " ".join(f"word{int(n)}" for n in numbers)


async def _measure(world: World, folder: Path) -> dict[str, Any]:
    plain = _chroma(world, folder / "plain")
    knowledge = Knowledge.open(folder / "index", embedder=world, spec=KnowledgeSpec())
    try:
        begun = time.perf_counter()
        await _ingest(knowledge, world)
        index_s = time.perf_counter() - begun
        begun = time.perf_counter()
        await knowledge.neighbours(world.questions[0], Principal(id="warm", roles=("s0.5",)))
        first_s = time.perf_counter() - begun
        filters = [await _filter(world, knowledge, plain, share) for share in SHARES]
    finally:
        knowledge.close()
    return {
        "chunks": len(world.texts),
        "queries": len(world.questions),
        "filters": filters,
        "leaks": sum(f["leaks"] for f in filters),
        "index_s": index_s,
        "first_s": first_s,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _chroma(world: World, folder: Path) -> Any:
    """Put the chunks into Chroma as its documentation shows it, with its default settings."""
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    plain = client.create_collection(
        "chunks", embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    starts = range(0, len(world.texts), _BATCH)
    for at in track(starts, description="plain Chroma", console=_CONSOLE, transient=True):
        rows = range(at, min(at + _BATCH, len(world.texts)))
        plain.add(
            ids=[str(n) for n in rows],
            embeddings=world.vectors[rows.start : rows.stop],
            metadatas=[{"readers": world.readers(n)} for n in rows],
        )
    return plain


async def _ingest(knowledge: Knowledge, world: World) -> None:
    documents = [
        Document(id=str(n), title="", text=text, readers=tuple(world.readers(n)))
        for n, text in enumerate(world.texts)
    ]
    with Progress(console=_CONSOLE, transient=True) as bars:
        bar = bars.add_task("the index", total=None)
        await knowledge.ingest(
            documents, progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )


async def _filter(world: World, knowledge: Knowledge, plain: Any, share: float) -> dict[str, Any]:
    """Ask everything as the role that may read a share of the chunks."""
    who = Principal(id="asks", roles=(f"s{share}",))
    readable = np.flatnonzero(world.readable[share])
    where = {"readers": {"$contains": f"role:s{share}"}}
    found, leaks, ours, hybrid, theirs, plainly = [], 0, [], [], [], []
    questions = track(range(len(world.questions)), f"{share:.1%}", console=_CONSOLE, transient=True)
    for at in questions:
        vector, question = world.asked[at], world.questions[at]
        nearest = readable[np.argsort(-(world.vectors[readable] @ vector))[:10]]
        best = {str(n) for n in nearest}
        start = time.perf_counter()
        near = await knowledge.neighbours(question, who, 10)
        ours.append(_since(start))
        start = time.perf_counter()
        whole = await knowledge.retrieve(question, who)
        hybrid.append(_since(start))
        start = time.perf_counter()
        answer = plain.query(
            query_embeddings=[vector], n_results=10, where=where, include=["distances"]
        )
        theirs.append(_since(start))
        found.append(len(best & {p.document for p, _ in near}) / max(1, len(best)))
        plainly.append(len(best & set(answer["ids"][0])) / max(1, len(best)))
        leaks += _leaks(world.readable[share], [p.document for p, _ in near], whole)
    return {
        "share": share,
        "recall_at_10": float(np.mean(found)),
        "leaks": leaks,
        "p50_ms": percentile(ours, 0.5),
        "chroma_p50_ms": percentile(theirs, 0.5),
        "chroma_recall_at_10": float(np.mean(plainly)),
        "hybrid_p50_ms": percentile(hybrid, 0.5),
        "ratio": percentile(ours, 0.5) / percentile(theirs, 0.5),
    }


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000


def _leaks(readable: np.ndarray, near: list[str], whole: Retrieved) -> int:
    """Count the chunks that came back, by id or by their text, and may not be read."""
    shown = {int(n) for n in (*near, *whole.documents)}
    shown |= {int(n) for n in _NAME.findall(whole.model_dump_json())}
    return sum(not readable[n] for n in shown)


def _show(filters: list[dict[str, Any]]) -> None:
    table = Table(title="filters")
    for name in filters[0]:
        table.add_column(name, justify="right")
    for figures in filters:
        table.add_row(*(f"{value:,.3f}" for value in figures.values()))
    _CONSOLE.print(table)


if __name__ == "__main__":
    main()
