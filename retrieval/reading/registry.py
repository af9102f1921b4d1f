"""Which reader reads which files, by the end of their names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from concertmaster.errors import ConfigError
from concertmaster.retrieval.reading.reading import Reading

__all__ = ["Known", "Reader", "reader_of", "register_reader", "resolve", "suffixes"]

Reader = Callable[[bytes], Reading]
"""Makes a reading of a file's bytes, or raises `Unreadable`. It does no input or output."""

_OURS = "concertmaster.retrieval.reading"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A reader, or the `module:name` of one that is imported when it is needed.

    An isolated one runs in a process of its own with bounds of time and memory.
    """

    reader: Reader | str
    isolated: bool = False
    own_name: bool = False
    """Whether the document's id leaves the suffix out."""


_READERS: dict[str, Known] = {
    ".md": Known(reader=f"{_OURS}.markdown:read", own_name=True),
    ".markdown": Known(reader=f"{_OURS}.markdown:read", own_name=True),
    ".txt": Known(reader=f"{_OURS}.plain:read", own_name=True),
    ".html": Known(reader=f"{_OURS}.html:read", isolated=True),
    ".htm": Known(reader=f"{_OURS}.html:read", isolated=True),
    ".pdf": Known(reader=f"{_OURS}.pdf:read", isolated=True),
    ".docx": Known(reader=f"{_OURS}.docx:read", isolated=True),
    ".csv": Known(reader=f"{_OURS}.csv:read"),
    ".tsv": Known(reader=f"{_OURS}.csv:read"),
}


def register_reader(suffix: str, reader: Reader | str, *, isolated: bool = False) -> None:
    """Let files whose name ends in `suffix` be read by a reader; replaces the one there was.

    Args:
        suffix: with its dot, such as `.rtf`; case does not matter.
        reader: takes a file's bytes, returns a `Reading`; or where it is, as `module:name`.
        isolated: run it in a process of its own, with a deadline and bounded memory. Right for
            whatever parses files from strangers; another process has to be able to import it.

    Raises:
        ConfigError: the suffix is none, or an isolated reader cannot be imported elsewhere.

    >>> from concertmaster.retrieval.reading import Part, Reading
    >>> def read_notes(content: bytes) -> Reading:
    ...     return Reading.of([Part(line) for line in content.decode().splitlines()])
    >>> register_reader(".notes", read_notes)
    """
    key = suffix.lower()
    if not key.startswith(".") or key == "." or "/" in key or key.count(".") > 1:
        raise ConfigError(f"{suffix!r} is no suffix of file names", hint="write it like .rtf")
    if key == ".jsonl":
        raise ConfigError(".jsonl files hold many documents, and are read as such")
    _READERS[key] = Known(reader=_importable(reader) if isolated else reader, isolated=isolated)


def _importable(reader: Reader | str) -> str:
    if isinstance(reader, str):
        return reader
    module, name = getattr(reader, "__module__", ""), getattr(reader, "__qualname__", "")
    if not name.isidentifier() or module in ("", "__main__"):
        raise ConfigError(
            f"the reader {name or reader!r} cannot be imported by another process",
            hint="define it at the top of a module, or register it with isolated=False",
        )
    return f"{module}:{name}"


def reader_of(suffix: str) -> Known | None:
    """Return what reads files of a suffix, or None."""
    return _READERS.get(suffix.lower())


def suffixes() -> tuple[str, ...]:
    """Return all suffixes that are read, in alphabetical order."""
    return tuple(sorted((*_READERS, ".jsonl")))


def resolve(reader: Reader | str) -> Reader:
    """Return a reader, imported if need be."""
    if not isinstance(reader, str):
        return reader
    module, _, name = reader.partition(":")
    return cast("Reader", getattr(importlib.import_module(module), name))
