"""The knowledge of a home: the workspace's own documents and those ingested from elsewhere."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import KnowledgeError, StorageError
from concertmaster.orchestrator.home import Home
from concertmaster.retrieval.knowledge import Knowledge

if TYPE_CHECKING:
    from concertmaster.audit import Trail
    from concertmaster.retrieval.embeddings import Embedder
    from concertmaster.retrieval.ingest import IngestReport

__all__ = ["Library", "tell_ingest"]

Progress = Callable[[int, int], None]

_LOG = logging.getLogger("concertmaster.orchestrator")
_Sources: TypeAdapter[list[str]] = TypeAdapter(list[str])
_MOST_TOLD = 50


class Library:
    """Keeps a home's index up to date with its sources.

    Args:
        home: where index and list of sources lie.
        own: the workspace's own files and folders.
        spec: rules of access and bounds.
        embedder: what makes vectors; the built-in model by default.
    """

    def __init__(
        self, home: Home, own: Iterable[Path], spec: KnowledgeSpec, embedder: Embedder | None
    ) -> None:
        self._list = home.path / "sources.json"
        self._own = tuple(own)
        self._arguments = (home.index, spec, embedder)
        self.knowledge = self._open(rebuild=False)

    def _open(self, *, rebuild: bool) -> Knowledge:
        folder, spec, embedder = self._arguments
        return Knowledge.open(folder, embedder=embedder, spec=spec, rebuild=rebuild)

    def others(self) -> list[Path]:
        """Return the sources that were ingested from outside of the workspace."""
        if not self._list.is_file():
            return []
        try:
            return [Path(str(p)) for p in _Sources.validate_json(self._list.read_bytes())]
        except (OSError, ValidationError):
            raise StorageError(
                f"{self._list} cannot be read as the list of ingested sources",
                hint="restore it from a backup, or delete it and ingest the sources again",
            ) from None

    async def sync(self, progress: Progress | None = None) -> IngestReport | None:
        """Take up what changed in any source; None if there is no source at all.

        Documents are deleted with their files only while every source can be seen: a source that
        is away for a while does not empty the index.
        """
        others = self.others()
        there = [p for p in others if p.exists()]
        if not self._own and not others:
            return None
        prune = len(there) == len(others)
        return await self.knowledge.ingest((*self._own, *there), progress=progress, prune=prune)

    async def add(
        self, sources: Iterable[str | Path], *, progress: Progress | None = None
    ) -> IngestReport:
        """Ingest sources from outside of the workspace and remember them.

        Raises:
            KnowledgeError: a source does not exist.
        """
        added = _existing(sources)
        known = dict.fromkeys((*self.others(), *added))
        self._keep(known)
        report = await self.sync(progress)
        assert report is not None
        return report

    def _keep(self, sources: Iterable[Path]) -> None:
        """Write the list, all at once or not at all."""
        half = self._list.with_name(f".{self._list.name}.{os.getpid()}")
        try:
            half.write_text(json.dumps([str(p) for p in sources]))
            half.replace(self._list)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise StorageError(
                f"{self._list} cannot be written: {error.strerror}",
                hint="free some space, or make the folder writable",
            ) from None

    def close(self) -> None:
        """Let go of the index's files."""
        self.knowledge.close()

    async def rebuild(self, progress: Progress | None = None) -> IngestReport | None:
        """Throw the index away and make it anew from its sources, with the present embedding."""
        self.knowledge.close()
        self.knowledge = self._open(rebuild=True)
        return await self.sync(progress)


def tell_ingest(trail: Trail, report: IngestReport | None) -> None:
    """Put what an ingest changed or had to leave out into the trail; nothing, if it did neither."""
    if report is None:
        return
    counts = {k: getattr(report, k) for k in ("added", "updated", "deleted", "unchanged")}
    if not (report.added or report.updated or report.deleted or report.skipped):
        return
    left_out = [f"{s.source}: {s.why}" for s in report.skipped]
    for told in left_out[:_MOST_TOLD]:
        _LOG.warning("left out of the index: %s", told)
    trail.emit(
        "knowledge.ingested",
        why=", ".join(f"{number} {what}" for what, number in counts.items()),
        actor="ingest",
        **counts,
        skipped=len(left_out),
        left_out=left_out[:_MOST_TOLD],
        passages=report.chunks,
    )


def _existing(sources: Iterable[str | Path]) -> list[Path]:
    paths = [Path(s).expanduser().resolve() for s in sources]
    for path in paths:
        if not path.exists():
            raise KnowledgeError(f"{path} does not exist", hint="name a file or a folder")
    return paths
