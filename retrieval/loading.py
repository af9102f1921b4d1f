"""Reading documents from folders and files of many formats, with their metadata.

What cannot be read is left out and named with its reason; the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from concertmaster.contracts import plain_text
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import KnowledgeError
from concertmaster.retrieval.access import AccessRules
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.files import files_under, read_whole
from concertmaster.retrieval.front_matter import BrokenHead, Head
from concertmaster.retrieval.json_lines import read_lines
from concertmaster.retrieval.reading.isolation import Isolation
from concertmaster.retrieval.reading.reading import Reading, Unreadable
from concertmaster.retrieval.reading.registry import Known, reader_of, resolve, suffixes
from concertmaster.retrieval.sidecars import FOLDER_FILE, SIDECAR, BrokenSidecar, Sidecars

__all__ = ["load"]

_LINES = ".jsonl"

_Read = Document | Skipped


def load(paths: Iterable[str | Path], spec: KnowledgeSpec) -> tuple[list[Document], list[Skipped]]:
    """Read every document under the paths, in the order of their names.

    A folder is read with all its sub-folders; hidden files are passed over. What a document says
    of itself, or its sidecar of it, outweighs what its folder's `_meta.yaml` says, and that the
    spec's rules and defaults. The id is the path within the folder unless metadata say another.

    Raises:
        KnowledgeError: a path does not exist or cannot be listed.
        ConfigError: an access rule is wrong.
    """
    rules = AccessRules.of(spec)
    documents: dict[str, Document] = {}
    skipped = []
    with Isolation(spec.file_seconds) as isolation:
        for path in map(Path, paths):
            loader = _Loader(path, rules, isolation, spec.file_mb * 2**20)
            for read in loader.read():
                if isinstance(read, Skipped):
                    skipped.append(read)
                elif (first := documents.get(read.id)) is not None:
                    why = f"the id {read.id!r} is taken by {first.source}"
                    skipped.append(Skipped(source=read.source, why=why))
                else:
                    documents[read.id] = read
    return list(documents.values()), skipped


class _Loader:
    """Reads what is under one path."""

    def __init__(self, path: Path, rules: AccessRules, isolation: Isolation, largest: int) -> None:
        self._path = path
        self._root = path if path.is_dir() else path.parent
        self._rules = rules
        self._isolation = isolation
        self._largest = largest
        self._sidecars = Sidecars(self._root)

    def read(self) -> Iterator[_Read]:
        if not self._path.exists():
            raise KnowledgeError(
                f"{self._path}: there is no such file or folder",
                hint="correct `paths` under `knowledge` in workflow.yaml, or create it",
            )
        if not self._path.is_dir():
            yield from self._file(self._path)
            return
        for found in files_under(self._root):
            if isinstance(found, Skipped):
                yield found
            elif found.name == FOLDER_FILE:
                yield from self._folder_file(found)
            elif found.name.endswith(SIDECAR):
                yield from _lonely(found)
            else:
                yield from self._file(found)

    def _folder_file(self, path: Path) -> Iterator[Skipped]:
        try:
            self._sidecars.of_folder(path.parent)
        except BrokenSidecar as error:
            if error.source.startswith(str(path)):
                yield Skipped(source=error.source, why=error.why)

    def _file(self, path: Path) -> Iterator[_Read]:
        source = str(path)
        known = reader_of(path.suffix)
        try:
            if path.suffix.lower() == _LINES:
                yield from self._lines(path)
            elif known is None:
                raise Unreadable(f"is of no kind that is read ({', '.join(suffixes())})")
            else:
                yield self._whole(path, known)
        except BrokenHead as error:
            at = f"{path}:{error.line}" if error.line else source
            yield Skipped(source=at, why=error.why)
        except BrokenSidecar as error:
            yield Skipped(source=source, why=f"has metadata in {error.source}, but {error.why}")
        except Unreadable as error:
            yield Skipped(source=source, why=error.why)
        except OSError as error:
            yield Skipped(source=source, why=f"cannot be read ({error.strerror})")

    def _whole(self, path: Path, known: Known) -> _Read:
        """Read a file that is one document."""
        folder, own = self._sidecars.of_folder(path.parent), self._sidecars.of_file(path)
        content = read_whole(path, self._largest)
        reading = self._reading(known, content)
        if key := own.contradicts(reading.head):
            raise BrokenHead(f"{key} is not the same in its head and in {path.name}{SIDECAR}")
        relative = path.relative_to(self._root)
        named = relative.with_suffix("") if known.own_name else relative
        guessed = Head(id=plain_text(named.as_posix()), title=reading.title or _named(path))
        head = own.over(reading.head).over(folder).over(guessed)
        return self._made(replace(reading, head=head), str(path))

    def _reading(self, known: Known, content: bytes) -> Reading:
        if known.isolated:
            assert isinstance(known.reader, str)
            return self._isolation.read(known.reader, content)
        try:
            return resolve(known.reader)(content)
        except (Unreadable, BrokenHead):
            raise
        except RecursionError:
            raise Unreadable("is nested too deeply") from None
        except Exception as error:
            # A reader may be anybody's; one file that it cannot cope with is one file.
            raise Unreadable(f"is damaged ({type(error).__name__})") from error

    def _lines(self, path: Path) -> Iterator[_Read]:
        folder = self._sidecars.of_folder(path.parent)
        all_of_it = self._sidecars.of_file(path, many=True).over(folder)
        for found in read_lines(path):
            if isinstance(found, Skipped):
                yield found
                continue
            source, reading = found
            yield self._made(replace(reading, head=reading.head.over(all_of_it)), source)

    def _made(self, reading: Reading, source: str) -> _Read:
        if not any(c.isalnum() for c in reading.text):
            return Skipped(source=source, why="has no text")
        head = reading.head
        own_id = head.id or ""
        title = head.title or own_id
        readers, owner = self._rules.apply(title, head.readers, head.owner)
        return Document(
            id=own_id,
            title=title,
            text=reading.text,
            readers=readers,
            owner=owner,
            valid_from=head.valid_from,
            valid_until=head.valid_until,
            edition=head.version,
            source=source,
            marks=reading.marks,
            notes=reading.notes,
        )


def _lonely(sidecar: Path) -> Iterator[Skipped]:
    described = sidecar.with_name(sidecar.name.removesuffix(SIDECAR))
    if not described.is_file():
        why = f"describes {described.name}, which is not there"
        yield Skipped(source=str(sidecar), why=why)


def _named(path: Path) -> str:
    return plain_text(re.sub(r"[-_\s]+", " ", path.stem)).strip().capitalize() or path.stem
