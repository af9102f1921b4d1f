"""How well questions find their documents: the product's own search, no graph around it.

    python benchmarks/retrieval.py --documents F --queries F

`--documents` is JSON lines of `id, title, content`, `--queries` of `id, text, relevant` (ids of
documents). Whoever asks may read everything. Beside the hybrid, the table shows what words and
vectors find alone in the same index.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from ranking import interval, mean, ndcg, recall
from report import percentile, report
from rich.console import Console
from rich.progress import Progress, track

from concertmaster.contracts import Principal
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.knowledge import Knowledge

READER = Principal(id="benchmark")
_CONSOLE = Console(stderr=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    options = parser.parse_args()
    queries = [json.loads(line) for line in options.queries.read_text().splitlines() if line]
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure(options.documents, queries, Path(folder)))
    report(f"retrieval from {options.documents.parent.name}", figures)


async def _measure(documents: Path, queries: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    knowledge = Knowledge.open(folder, spec=KnowledgeSpec())
    try:
        begun = time.perf_counter()
        ingested = await _ingest(knowledge, documents)
        index_s = time.perf_counter() - begun
        rankings, times, vectors = await _asked(knowledge, queries)
    finally:
        knowledge.close()
    return {
        "queries": len(queries),
        **_figures(queries, rankings),
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "documents": ingested.added,
        "passages": ingested.chunks,
        "vectors_alone": _figures(queries, vectors),
        "index_s": index_s,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


async def _ingest(knowledge: Knowledge, documents: Path) -> Any:
    with Progress(console=_CONSOLE, transient=True) as bars:
        bar = bars.add_task("embedding", total=None)
        return await knowledge.ingest(
            [documents], progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )


async def _asked(
    knowledge: Knowledge, queries: list[dict[str, Any]]
) -> tuple[list[list[str]], list[float], list[list[str]]]:
    await knowledge.retrieve("warm up", READER)
    rankings, times, vectors = [], [], []
    for query in track(queries, description="queries", console=_CONSOLE, transient=True):
        start = time.perf_counter()
        found = await knowledge.retrieve(query["text"], READER)
        times.append((time.perf_counter() - start) * 1000)
        rankings.append(list(found.documents))
        near = await knowledge.neighbours(query["text"], READER, 100)
        vectors.append(list(dict.fromkeys(passage.document for passage, _ in near)))
    return rankings, times, vectors


def _figures(queries: list[dict[str, Any]], rankings: list[list[str]]) -> dict[str, Any]:
    hits = [
        ([document in set(q["relevant"]) for document in ranking[:10]], len(set(q["relevant"])))
        for q, ranking in zip(queries, rankings, strict=True)
    ]
    gains = [ndcg(*hit) for hit in hits]
    return {
        "ndcg_at_10": mean(gains),
        "ndcg_at_10_interval": interval(gains),
        "recall_at_10": mean([recall(*hit) for hit in hits]),
        "hit_at_10": mean([any(found) for found, _ in hits]),
    }


if __name__ == "__main__":
    main()
