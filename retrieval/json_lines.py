"""Files with one document a line, in JSON; read line by line, however large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from concertmaster.retrieval.documents import Skipped
from concertmaster.retrieval.files import CHANGED, opened
from concertmaster.retrieval.front_matter import BrokenHead, head_of_record
from concertmaster.retrieval.reading.reading import Part, Reading, Unreadable

__all__ = ["read_lines"]

_LARGEST = 2**30
_LONGEST_LINE = 16 * 2**20


def read_lines(path: Path) -> Iterator[tuple[str, Reading] | Skipped]:
    """Yield each line's source (`file:line`) and document, or why it is none.

    Raises:
        Unreadable: the file is too large, or is no regular one.
        OSError: it cannot be read.
    """
    number = 0
    with opened(path, _LARGEST) as (file, changed):
        for number, line in enumerate(_bounded(file), start=1):
            source = f"{path}:{number}"
            if line is None:
                why = f"is a line of more than {_LONGEST_LINE // 2**20} MiB"
                yield Skipped(source=source, why=why)
            elif line.strip():
                yield _document(line, source)
        if changed():
            # What was read is whole, line by line; the rest comes with the next ingest.
            yield Skipped(source=f"{path}:{number}", why=CHANGED)


def _bounded(file: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a file; None for one that is too long to be held."""
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) <= _LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (more := file.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
            pass
        yield None


def _document(line: bytes, source: str) -> tuple[str, Reading] | Skipped:
    try:
        return source, _record(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        why = "is not UTF-8"
    except BrokenHead as error:
        why = error.why
    except Unreadable as error:
        why = error.why
    except (ValueError, RecursionError) as error:
        told = f": {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
        why = f"is no JSON{told}"
    return Skipped(source=source, why=why)


def _record(line: str) -> Reading:
    record = json.loads(line)
    if not isinstance(record, dict):
        raise BrokenHead('is no object {"id": …, "title": …, "content": …}')
    content = record.get("content")
    if not isinstance(content, str):
        raise BrokenHead("content is missing or no text")
    head = head_of_record({k: v for k, v in record.items() if k != "content"})
    if head.id is None:
        raise BrokenHead("id is missing")
    read = Reading.of([Part(content)])
    return replace(read, head=head)
