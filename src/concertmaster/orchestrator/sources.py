"""Documents from outside of the workspace: ingested on request, kept until they are given anew.

A home notes the files and folders that were given, so that opening the workspace, which deletes
what its own folder no longer holds, leaves their documents alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from concertmaster.errors import ConfigError, HomeError, HomeReadOnly
from concertmaster.graphs.workspace import Workspace
from concertmaster.orchestrator.home import Home
from concertmaster.retrieval.changes import Prune
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.embeddings import Embedder
from concertmaster.retrieval.ingest import IngestReport, Progress
from concertmaster.retrieval.knowledge import Knowledge, load

__all__ = ["ingest_sources", "noted_sources", "outside", "under"]

_FILE = "sources.json"


def noted_sources(home: Home) -> tuple[str, ...]:
    """Return the files and folders from outside whose documents the home holds.

    Raises:
        HomeError: the note cannot be read.
    """
    try:
        noted = json.loads((home.path / _FILE).read_text("utf-8"))["paths"]
        return tuple(str(path) for path in noted)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeError(
            f"{home.path / _FILE} cannot be read",
            hint="delete it and ingest anew: concertmaster ingest WORKSPACE --rebuild --from …",
        ) from None


def under(source: str, roots: Iterable[str]) -> bool:
    """Tell whether a document's source is one of the roots, in one, or a line of one."""
    return any(source == root or source.startswith((f"{root}/", f"{root}:")) for root in roots)


async def ingest_sources(
    workspace: Workspace,
    home: Home,
    sources: Sequence[Path] = (),
    *,
    rebuild: bool = False,
    embedder: Embedder | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Bring the home's index up to date with the workspace's documents, or with those of `sources`.

    Of documents from outside only those are deleted whose own source was given again without
    them. Among equal ids the workspace's document stays, and the other is skipped. Call it while
    the home is held.

    Args:
        workspace: whose knowledge section gives rules of access and owners.
        home: where the index lies.
        sources: files and folders from outside; the workspace's own paths without them.
        rebuild: begin with an empty index, then ingest everything: own, noted and given.
        embedder: another embedding than the built-in one.
        progress: called with the passages embedded so far and in all.

    Raises:
        ConfigError: the workspace has no knowledge section.
        KnowledgeError: a source does not exist.
        IndexMismatch, HomeError, StorageError.
    """
    spec = workspace.spec.workflow.knowledge
    if spec is None:
        raise ConfigError(
            f"workspace {workspace.name!r} has no knowledge",
            hint="add a `knowledge:` section to workflow.yaml",
        )
    given = [str(path.expanduser().resolve()) for path in sources]
    own, noted = [str(path) for path in workspace.knowledge], noted_sources(home)
    gone = [path for path in noted if path not in given and not Path(path).exists()]
    every = [path for path in dict.fromkeys((*own, *noted, *given)) if path not in gone]
    # Everything is read, so that the same id from two places is seen.
    documents, skipped = await asyncio.to_thread(load, every, spec)
    if not rebuild:
        documents, skipped = _of(documents, skipped, given or own)
    elif gone:
        skipped = [*skipped, *(Skipped(source=path, why="is no longer there") for path in gone)]
    knowledge = Knowledge.open(home.index, embedder=embedder, spec=spec, rebuild=rebuild)
    try:
        if rebuild or set(given) - set(noted):
            _note(home, [path for path in (*noted, *given) if not (rebuild and path in gone)])
        prune: Prune = (lambda source: under(source, given)) if given else outside(home)
        report = await knowledge.ingest(documents, progress=progress, prune=rebuild or prune)
    finally:
        knowledge.close()
    return replace(report, skipped=(*skipped, *report.skipped))


def outside(home: Home) -> Prune:
    """Return what opening a workspace may delete: anything but documents from outside."""
    noted = noted_sources(home)
    return lambda source: not under(source, noted)


def _of(
    documents: Sequence[Document], skipped: Sequence[Skipped], roots: Sequence[str]
) -> tuple[list[Document], list[Skipped]]:
    return (
        [document for document in documents if under(document.source, roots)],
        [one for one in skipped if under(one.source, roots)],
    )


def _note(home: Home, paths: Iterable[str]) -> None:
    text = json.dumps({"paths": list(dict.fromkeys(paths))}, indent=2)
    try:
        (home.path / _FILE).write_text(text, "utf-8")
    except OSError as error:
        raise HomeReadOnly(
            f"{home.path / _FILE} cannot be written ({error.strerror})",
            hint="make the folder writable, or choose another with --home",
        ) from error
