"""The knowledge of a home: the workspace's own documents and those ingested from elsewhere."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import KnowledgeError, StorageError
from concertmaster.orchestrator.home import Home
from concertmaster.retrieval.embeddings import embedder_of
from concertmaster.retrieval.ingest import IngestReport
from concertmaster.retrieval.knowledge import Knowledge
from concertmaster.retrieval.tenants import Tenants, tenant_folder

if TYPE_CHECKING:
    from concertmaster.audit import Trail
    from concertmaster.retrieval.embeddings import Embedder

__all__ = ["Library", "tell_ingest"]

Progress = Callable[[int, int], None]

_LOG = logging.getLogger("concertmaster.orchestrator")


class _Owned(TypedDict):
    """A source of one tenant; shared ones are plain strings."""

    path: str
    tenant: str


_Sources: TypeAdapter[list[str | _Owned]] = TypeAdapter(list[str | _Owned])
_MOST_TOLD = 50


class Library:
    """Keeps a home's indices up to date with their sources.

    Args:
        home: where indices and the list of sources lie.
        own: the workspace's own files and folders.
        spec: rules of access and bounds.
        embedder: what makes vectors; the one that the description names by default.
        tenants: the workspace's files and folders of each tenant.
    """

    def __init__(
        self,
        home: Home,
        own: Iterable[Path],
        spec: KnowledgeSpec,
        embedder: Embedder | None,
        tenants: Mapping[str, Iterable[Path]] | None = None,
    ) -> None:
        self._list = home.path / "sources.json"
        self._own: dict[str | None, tuple[Path, ...]] = {None: tuple(own)}
        self._own |= {tenant: tuple(paths) for tenant, paths in (tenants or {}).items()}
        self._arguments = (home.index, spec, embedder or embedder_of(spec.embedding))
        self.knowledge = self._open(rebuild=False)

    def _open(self, *, rebuild: bool) -> Knowledge | Tenants:
        folder, spec, embedder = self._arguments
        with contextlib.ExitStack() as opened:

            def open_(tenant: str | None) -> Knowledge:
                at = folder if tenant is None else tenant_folder(folder, tenant)
                knowledge = Knowledge.open(
                    at,
                    embedder=embedder,
                    spec=spec,
                    tenant=tenant,
                    rebuild=rebuild and tenant is None,
                )
                opened.callback(knowledge.close)
                return knowledge

            shared = open_(None)
            own = {tenant: open_(tenant) for tenant in self._own if tenant is not None}
            opened.pop_all()
        return Tenants(shared, own, spec) if own else shared

    @property
    def embedder(self) -> Embedder:
        """What makes the vectors; the intent model uses the same."""
        return self._arguments[2]

    def others(self, tenant: str | None = None) -> list[Path]:
        """Return a tenant's sources, or the shared ones, from outside of the workspace."""
        return [path for path, whose in self._known() if whose == tenant]

    def _known(self) -> list[tuple[Path, str | None]]:
        if not self._list.is_file():
            return []
        try:
            listed = _Sources.validate_json(self._list.read_bytes())
        except (OSError, ValidationError):
            raise StorageError(
                f"{self._list} cannot be read as the list of ingested sources",
                hint="restore it from a backup, or delete it and ingest the sources again",
            ) from None
        return [
            (Path(s), None) if isinstance(s, str) else (Path(s["path"]), s["tenant"])
            for s in listed
        ]

    async def sync(self, progress: Progress | None = None) -> IngestReport | None:
        """Take up what changed in any source; None if there is no source at all.

        Documents are deleted with their files only while every source can be seen: a source that
        is away for a while does not empty the index.
        """
        reports = [await self._sync(tenant, progress) for tenant in self._own]
        made = [report for report in reports if report is not None]
        return reduce(_together, made) if made else None

    async def _sync(self, tenant: str | None, progress: Progress | None) -> IngestReport | None:
        others, own = self.others(tenant), self._own[tenant]
        there = [p for p in others if p.exists()]
        if not own and not others:
            return None
        prune = len(there) == len(others)
        return await self._index(tenant).ingest((*own, *there), progress=progress, prune=prune)

    def _index(self, tenant: str | None) -> Knowledge:
        if isinstance(self.knowledge, Knowledge):
            return self.knowledge
        index = self.knowledge.of(tenant)
        assert index is not None
        return index

    async def add(
        self,
        sources: Iterable[str | Path],
        *,
        progress: Progress | None = None,
        tenant: str | None = None,
    ) -> IngestReport:
        """Ingest sources from outside of the workspace and remember them.

        Args:
            sources: files or folders.
            progress: called with the passages embedded so far and in all.
            tenant: whose they are; shared by all if None.

        Raises:
            KnowledgeError: a source does not exist, or the workspace declares no such tenant.
        """
        if tenant not in self._own:
            raise KnowledgeError(
                f"the workspace declares no tenant {str(tenant)[:80]!r}",
                hint="add it to `tenants` under `knowledge` in workflow.yaml",
            )
        added = [(path, tenant) for path in _existing(sources)]
        self._keep(dict.fromkeys((*self._known(), *added)))
        report = await self.sync(progress)
        assert report is not None
        return report

    def _keep(self, sources: Iterable[tuple[Path, str | None]]) -> None:
        """Write the list, all at once or not at all."""
        listed = [str(p) if t is None else _Owned(path=str(p), tenant=t) for p, t in sources]
        half = self._list.with_name(f".{self._list.name}.{os.getpid()}")
        try:
            half.write_text(json.dumps(listed))
            half.replace(self._list)
        except OSError as error:
            half.unlink(missing_ok=True)
            raise StorageError(
                f"{self._list} cannot be written: {error.strerror}",
                hint="free some space, or make the folder writable",
            ) from None

    def close(self) -> None:
        """Let go of the indices' files."""
        self.knowledge.close()

    async def rebuild(self, progress: Progress | None = None) -> IngestReport | None:
        """Throw all indices away and make them anew, with the present embedding."""
        self.knowledge.close()
        self.knowledge = self._open(rebuild=True)
        return await self.sync(progress)


def _together(one: IngestReport, other: IngestReport) -> IngestReport:
    """Return the sums of two reports: of numbers, and of what they list."""
    names = [f.name for f in fields(IngestReport)]
    return IngestReport(**{n: getattr(one, n) + getattr(other, n) for n in names})


def tell_ingest(trail: Trail, report: IngestReport | None) -> None:
    """Put what an ingest changed or had to leave out into the trail; nothing, if it did neither."""
    if report is None:
        return
    counts = {k: getattr(report, k) for k in ("added", "updated", "deleted", "unchanged")}
    changed = report.added or report.updated or report.deleted
    if not (changed or report.skipped or report.lapsed):
        return
    left_out = [f"{s.source}: {s.why}" for s in report.skipped]
    for told in left_out[:_MOST_TOLD]:
        _LOG.warning("left out of the index: %s", told)
    lapsed = [f"{r.source}: {r.what}" for r in report.lapsed]
    for told in lapsed[:_MOST_TOLD]:
        _LOG.warning("found by nobody today: %s", told)
    trail.emit(
        "knowledge.ingested",
        why=", ".join(f"{number} {what}" for what, number in counts.items()),
        actor="ingest",
        **counts,
        skipped=len(left_out),
        left_out=left_out[:_MOST_TOLD],
        remarks=[f"{r.source}: {r.what}" for r in report.remarks[:_MOST_TOLD]],
        lapsed=lapsed[:_MOST_TOLD],
        passages=report.chunks,
    )


def _existing(sources: Iterable[str | Path]) -> list[Path]:
    paths = [Path(s).expanduser().resolve() for s in sources]
    for path in paths:
        if not path.exists():
            raise KnowledgeError(f"{path} does not exist", hint="name a file or a folder")
    return paths
