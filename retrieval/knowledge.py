"""The knowledge of a workspace: ingest documents, retrieve evidence, ask who may read what."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from concertmaster.contracts import Principal, Retrieved, now
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import ConcertmasterError, HomeReadOnly, KnowledgeError
from concertmaster.retrieval.access import AccessRules, day
from concertmaster.retrieval.chroma import Place, place_of
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.embeddings import Embedder, embedder_of
from concertmaster.retrieval.following import Progress
from concertmaster.retrieval.identity import check_embedding
from concertmaster.retrieval.ingest import IngestReport, ingest
from concertmaster.retrieval.loading import load
from concertmaster.retrieval.nearest import Nearest
from concertmaster.retrieval.passage import Passage
from concertmaster.retrieval.search import Search
from concertmaster.retrieval.snapshot import Snapshot
from concertmaster.retrieval.store import Store
from concertmaster.retrieval.validity import lapses
from concertmaster.retrieval.vectors import VectorStore

__all__ = ["Document", "IngestReport", "Knowledge", "Skipped", "load"]

_log = logging.getLogger(__name__)
_FILE, _WORDS = "knowledge.sqlite3", "words.npz"
_VECTORS, _TENANTS = "vectors", "tenants"


class Knowledge:
    """An index folder, opened. Nothing that a principal may not read comes out of it.

    >>> import asyncio, tempfile
    >>> from concertmaster.contracts import Principal
    >>> async def example(folder: str) -> tuple[str, ...]:
    ...     knowledge = Knowledge.open(Path(folder), spec=KnowledgeSpec())
    ...     readers = ("role:staff",)
    ...     fees = Document(id="fees", title="Fees", text="A card is free.", readers=readers)
    ...     await knowledge.ingest([fees])
    ...     found = await knowledge.retrieve("Is a card free?", Principal(id="ana"))
    ...     knowledge.close()
    ...     return found.documents
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(example(folder))
    ()
    """

    def __init__(
        self,
        store: Store,
        vectors: VectorStore,
        embedder: Embedder,
        spec: KnowledgeSpec,
        tenant: str | None,
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedder = embedder
        self._spec = spec
        self._tenant = tenant
        self._search = Search(store, Nearest(store, vectors, embedder), embedder, spec)
        self._snapshot: Snapshot | None = None
        self._building = threading.Lock()
        self._ingesting = asyncio.Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        embedder: Embedder | None = None,
        spec: KnowledgeSpec,
        tenant: str | None = None,
        rebuild: bool = False,
    ) -> Knowledge:
        """Open an index folder, and create it if need be. Loads no model and no vector store.

        Args:
            folder: where the index lies.
            embedder: what makes vectors; the built-in model by default.
            spec: rules of access, default owner, and bounds of the evidence.
            tenant: whose knowledge it is; principals of another tenant, or of none, read nothing.
            rebuild: throw away what the folder holds first.

        Raises:
            IndexMismatch: the index was made with another embedding.
            KnowledgeError: it holds the knowledge of another tenant.
            ConfigError: an access rule, the Chroma server or the embedding is wrong.
            HomeReadOnly, HomeVersion, StorageError: the folder cannot be used.
        """
        AccessRules.of(spec)
        place = place_of(spec.chroma, folder / _VECTORS)
        try:
            if rebuild:
                _discard(folder, place)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeReadOnly(
                f"{folder} cannot be written ({error.strerror})",
                hint="make the folder writable, or choose another with --home",
            ) from error
        store = Store.open(folder / _FILE)
        used = embedder or embedder_of(spec.embedding)
        try:
            check_embedding(store, used)
            _claim(store, tenant)
        except BaseException:
            store.close()
            raise
        return cls(store, VectorStore(place, _collection(store, place)), used, spec, tenant)

    async def ingest(
        self,
        given: Iterable[Document] | Iterable[str | Path],
        *,
        progress: Progress | None = None,
        prune: bool = True,
    ) -> IngestReport:
        """Bring the index up to date with documents, or with the files under paths.

        Only what changed is embedded. Changed readers hold from the moment the changes are
        stored, before anything is embedded. An ingest that was cut off is taken up by the next.

        Args:
            given: documents, or paths as `load` takes them.
            progress: called with the passages embedded so far and in all.
            prune: delete what the index holds and `given` does not; without, only documents whose
                source cannot be read now are deleted.

        Raises:
            KnowledgeError: a path does not exist, or the embedder failed.
            StorageError: a store failed, or the disk is full.
        """
        async with self._ingesting:
            documents, skipped = await asyncio.to_thread(_documents, given, self._spec)
            report = await ingest(
                self._store,
                self._vectors,
                self._embedder,
                documents,
                refused=skipped,
                progress=progress,
                prune=prune,
            )
            if report.added or report.updated or report.deleted:
                # Now, not with the first question; and words of what was deleted do not stay.
                await asyncio.to_thread(self._current)
            today = day(now().date())
            lapsed = await asyncio.to_thread(lapses, self._store, today, self._spec.default_owner)
            return replace(report, lapsed=lapsed)

    async def retrieve(
        self, query: str, principal: Principal, *, numbers_from: int = 1
    ) -> Retrieved:
        """Return the passages that bear on a query and that the principal may read.

        `evidence` is empty unless `sufficient`; then `owner` is whom to ask: of the best readable
        document, or the spec's default. Evidence is numbered from `numbers_from`.

        Raises:
            IndexMismatch: the index was made with another embedding.
            StorageError: the index cannot be read.
        """
        if not self._same_tenant(principal):
            owner = self._spec.default_owner
            return Retrieved(query=query, why="nothing here may be read", owner=owner)
        return await asyncio.to_thread(self._retrieve, query, principal, numbers_from)

    async def neighbours(
        self, text: str, principal: Principal, k: int = 10
    ) -> list[tuple[Passage, float]]:
        """Return the `k` readable passages nearest in meaning, with cosines: vectors alone.

        Raises:
            IndexMismatch, StorageError: see `retrieve`.
        """
        if not self._same_tenant(principal):
            return []
        return await asyncio.to_thread(
            lambda: self._search.neighbours(self._current(), text, principal, k)
        )

    def may_read(self, document: str, version: str, principal: Principal) -> bool:
        """Tell whether this version is in the index and the principal may read it now."""
        rights = self._store.rights(document)
        return (
            rights is not None
            and rights.version == version
            and self._same_tenant(principal)
            and rights.admit(principal, day(now().date()))
        )

    async def text(self, document: str, version: str, principal: Principal) -> str | None:
        """Return the text of a document version, or None if the principal may not read it."""

        def read() -> str | None:
            readable = self.may_read(document, version, principal)
            return self._store.text(document, version) if readable else None

        return await asyncio.to_thread(read)

    def is_empty(self) -> bool:
        """Tell whether the index holds no document."""
        return self._store.count()[0] == 0

    @property
    def pending(self) -> int:
        """How many passages are not embedded: more than 0 after an ingest was cut off."""
        return self._store.count()[2]

    @property
    def generation(self) -> int:
        """A number that goes up with every ingest."""
        return self._store.generation

    def close(self) -> None:
        """Release the files."""
        self._vectors.close()
        self._store.close()

    def _same_tenant(self, principal: Principal) -> bool:
        return self._tenant is None or principal.tenant == self._tenant

    def _retrieve(self, query: str, principal: Principal, numbers_from: int) -> Retrieved:
        return self._search.run(self._current(), query, principal, numbers_from)

    def _current(self) -> Snapshot:
        """Return a snapshot of the present generation; one thread builds, the others wait."""
        generation = self._store.generation
        snapshot = self._snapshot
        if snapshot is not None and snapshot.generation == generation:
            return snapshot
        with self._building:
            if self._snapshot is None or self._snapshot.generation != self._store.generation:
                self._snapshot = Snapshot(
                    *self._store.every_passage(), self._store.path.with_name(_WORDS)
                )
                self._vectors.refresh(self._snapshot.generation)
            return self._snapshot


def _discard(folder: Path, place: Place) -> None:
    """Delete an index, those of its tenants, and what a server holds of them."""
    for file in (folder / _FILE, *folder.glob(f"{_TENANTS}/*/{_FILE}")):
        if place.shared and file.is_file():
            _drop_collection(file, place)
    for name in (_FILE, f"{_FILE}-wal", f"{_FILE}-shm", _WORDS):
        (folder / name).unlink(missing_ok=True)
    for name in (_VECTORS, _TENANTS):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _drop_collection(file: Path, place: Place) -> None:
    """Delete the collection of an index that is thrown away; name it if that cannot be done."""
    try:
        store = Store.open(file)
        try:
            name = _collection(store, place)
        finally:
            store.close()
    except ConcertmasterError as error:
        _log.warning("%s: its collection on %s stays there: %s", file, place.name, error.message)
        return
    vectors = VectorStore(place, name)
    try:
        vectors.drop()
    except ConcertmasterError as error:
        _log.warning("the collection %s stays there: %s", name, error.message)
    finally:
        vectors.close()


def _claim(store: Store, tenant: str | None) -> None:
    """Make a new index the tenant's; refuse one that is another's."""
    stored = store.meta("tenant")
    if stored is None and tenant is not None and store.count()[0] == 0:
        store.note("tenant", tenant)
    elif stored != tenant:
        raise KnowledgeError(
            f"the index {store.path.parent} holds the knowledge of another tenant",
            hint="give every tenant an index folder of its own",
        )


def _collection(store: Store, place: Place) -> str:
    """Return the collection of this index: on a server one that no other index has."""
    if not place.shared:
        return "passages"
    if (own := store.meta("index")) is None:
        own = secrets.token_hex(12)
        store.note("index", own)
    return f"concertmaster-{own}"


def _documents(
    given: Iterable[Document] | Iterable[str | Path], spec: KnowledgeSpec
) -> tuple[list[Document], list[Skipped]]:
    documents: list[Document] = []
    paths: list[str | Path] = []
    for item in [given] if isinstance(given, str | Path) else given:
        if isinstance(item, Document):
            documents.append(item)
        else:
            paths.append(item)
    if not paths:
        return documents, []
    loaded, skipped = load(paths, spec)
    return [*documents, *loaded], skipped
