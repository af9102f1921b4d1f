"""Reading documents from folders and files: Markdown with front matter, text, JSON lines.

What cannot be read is left out and named with its reason; the rest goes on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from concertmaster.contracts import plain_text
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import KnowledgeError
from concertmaster.retrieval.access import AccessRules
from concertmaster.retrieval.documents import Document, Skipped
from concertmaster.retrieval.front_matter import BrokenHead, Head, head_of_record, split_head

__all__ = ["load"]

_SUFFIXES = (".md", ".markdown", ".txt", ".jsonl")
_LARGEST_FILE = 16 * 2**20
_LARGEST_LINES = 2**30
_TITLE = re.compile(r"^[ ]{0,3}#[ \t]+(.+?)[ \t#]*$", re.MULTILINE)

_Read = Document | Skipped


def load(paths: Iterable[str | Path], spec: KnowledgeSpec) -> tuple[list[Document], list[Skipped]]:
    """Read every document under the paths, in the order of their names.

    A folder is read with all its sub-folders: `.md`, `.txt` and `.jsonl`; hidden files are
    passed over. Documents that name no readers get those of the spec's rules or its default. The
    id is the path within the folder unless the document says another.

    Raises:
        KnowledgeError: a path does not exist or cannot be listed.
        ConfigError: an access rule is wrong.
    """
    rules = AccessRules.of(spec)
    documents: dict[str, Document] = {}
    skipped = []
    for path in map(Path, paths):
        for read in _read_path(path, rules):
            if isinstance(read, Skipped):
                skipped.append(read)
            elif (first := documents.get(read.id)) is not None:
                why = f"the id {read.id!r} is taken by {first.source}"
                skipped.append(Skipped(source=read.source, why=why))
            else:
                documents[read.id] = read
    return list(documents.values()), skipped


def _read_path(path: Path, rules: AccessRules) -> Iterator[_Read]:
    if path.is_dir():
        for file in _files(path):
            yield from file if isinstance(file, list) else _read_file(file, path, rules)
    elif path.is_file():
        yield from _read_file(path, path.parent, rules)
    else:
        raise KnowledgeError(
            f"{path}: there is no such file or folder",
            hint="correct `paths` under `knowledge` in workflow.yaml, or create it",
        )


def _files(root: Path) -> Iterator[Path | list[Skipped]]:
    """Yield the files under a folder; a list names what must not be followed."""
    inside = root.resolve()

    def failed(error: OSError) -> None:
        raise KnowledgeError(f"{error.filename}: cannot be listed ({error.strerror})") from error

    for folder, folders, names in os.walk(root, onerror=failed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted((*names, *folders)):
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.is_symlink():
                # A link that stays inside is read where it points to.
                if not path.resolve().is_relative_to(inside):
                    why = f"is a link that leads out of {root}"
                    yield [Skipped(source=str(path), why=why)]
            elif name not in folders:
                yield path


def _read_file(path: Path, root: Path, rules: AccessRules) -> Iterator[_Read]:
    suffix = path.suffix.lower()
    largest = _LARGEST_LINES if suffix == ".jsonl" else _LARGEST_FILE
    try:
        if suffix not in _SUFFIXES:
            yield Skipped(source=str(path), why="is no .md, .txt or .jsonl file")
        elif path.stat().st_size > largest:
            yield Skipped(source=str(path), why=f"is larger than {largest // 2**20} MiB")
        elif suffix == ".jsonl":
            yield from _json_lines(path, rules)
        else:
            yield _whole(path, root, rules)
    except UnicodeDecodeError as error:
        yield Skipped(source=str(path), why=f"is not UTF-8 (byte {error.start})")
    except BrokenHead as error:
        at = f"{path}:{error.line}" if error.line else str(path)
        yield Skipped(source=at, why=error.why)
    except OSError as error:
        yield Skipped(source=str(path), why=f"cannot be read ({error.strerror})")


def _whole(path: Path, root: Path, rules: AccessRules) -> _Read:
    """Read a file that is one document; only Markdown has a head and headings."""
    content = plain_text(path.read_bytes().decode("utf-8-sig"))
    head, heading = Head(), None
    if path.suffix.lower() != ".txt":
        head, content = split_head(content)
        heading = _TITLE.search(content)
    title = head.title or (heading.group(1) if heading else _named(path))
    own_id = head.id or plain_text(path.relative_to(root).with_suffix("").as_posix())
    return _made(replace(head, id=own_id, title=title), content, str(path), rules)


def _made(head: Head, content: str, source: str, rules: AccessRules) -> _Read:
    text = content.strip()
    if not any(c.isalnum() for c in text):
        return Skipped(source=source, why="has no text")
    own_id = head.id or ""
    title = head.title or own_id
    readers, owner = rules.apply(title, head.readers, head.owner)
    return Document(
        id=own_id,
        title=title,
        text=text,
        readers=readers,
        owner=owner,
        valid_from=head.valid_from,
        valid_until=head.valid_until,
        source=source,
    )


def _named(path: Path) -> str:
    return plain_text(re.sub(r"[-_\s]+", " ", path.stem)).strip().capitalize() or path.stem


def _json_lines(path: Path, rules: AccessRules) -> Iterator[_Read]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            source = f"{path}:{number}"
            try:
                yield _record(line.decode("utf-8-sig"), source, rules)
            except UnicodeDecodeError:
                yield Skipped(source=source, why="is not UTF-8")
            except BrokenHead as error:
                yield Skipped(source=source, why=error.why)
            except (ValueError, RecursionError) as error:
                told = f": {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
                yield Skipped(source=source, why=f"is no JSON{told}")


def _record(line: str, source: str, rules: AccessRules) -> _Read:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise BrokenHead('is no object {"id": …, "title": …, "content": …}')
    content = record.get("content")
    if not isinstance(content, str):
        raise BrokenHead("content is missing or no text")
    head = head_of_record({k: v for k, v in record.items() if k != "content"})
    if head.id is None:
        raise BrokenHead("id is missing")
    return _made(head, plain_text(content), source, rules)
