"""Results too large for a run's state: kept in files, named by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from concertmaster.errors import StorageError, ToolError
from concertmaster.tools.plain import HARD_LIMIT

__all__ = ["SMALL", "Artifacts", "preview"]

SMALL = 64 * 2**10
"""Results up to so many bytes of JSON stay in the state as they are."""

_PREVIEW = 4 * 2**10
_REFERENCE = re.compile(r"artifact:([0-9a-f]{64})")
_CUTS = ((400, 20, 40, 4), (100, 5, 20, 3), (40, 2, 10, 2), (20, 1, 4, 1))
"""Ever shorter previews: characters of a string, items of a list, keys of an object, depth."""


class Artifacts:
    """A folder of large results. The same value is stored once.

    A reference is a name, not a permission: who may see a run's results may load them.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     artifacts = Artifacts(Path(folder))
    ...     reference, preview = artifacts.store({"rows": list(range(99999))})
    ...     len(artifacts.load(reference)["rows"]), preview["rows"][-1]
    (99999, '… 99979 more')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def store(self, value: Any) -> tuple[str | None, Any]:
        """Return what goes into the state: reference and preview, or None and a small value itself.

        Blocks on the disk for large values; call it off the event loop.

        Raises:
            ToolError: it is larger than 64 MB, or no plain JSON.
            StorageError: it cannot be written.
        """
        encoded = _encoded(value)
        if len(encoded) <= SMALL:
            return None, value
        return self._write(encoded), preview(value)

    def load(self, reference: str) -> Any:
        """Return what was stored under a reference.

        Raises:
            StorageError: it is no reference, the file is gone, or it was changed.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise StorageError(f"{reference[:80]!r} is no reference to an artifact")
        try:
            encoded = self._file(match[1]).read_bytes()
        except OSError as error:
            raise StorageError(
                f"{reference}: {error.strerror or 'cannot be read'}",
                hint=f"it was kept in {self.folder}; retention may have removed it by its age, or"
                " restore it from a backup",
            ) from None
        if hashlib.sha256(encoded).hexdigest() != match[1]:
            raise StorageError(f"{reference}: the file was changed since it was written")
        return json.loads(encoded)

    def _file(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.json"

    def _write(self, encoded: bytes) -> str:
        name = hashlib.sha256(encoded).hexdigest()
        file = self._file(name)
        try:
            os.utime(file)  # By its time retention knows when a tool returned it last.
        except OSError:
            half = file.with_name(f".{uuid4().hex}")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with half.open("wb") as out:
                        out.write(encoded)
                        out.flush()
                        os.fsync(out.fileno())
                    half.replace(file)
                finally:
                    half.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(
                    f"a large result cannot be stored in {self.folder}: {error.strerror}",
                    hint="free some space, or make the folder writable",
                ) from None
        return f"artifact:{name}"


def _encoded(value: Any) -> bytes:
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
        )
        encoded = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolError(f"the result is no plain JSON: {type(error).__name__}") from None
    if len(encoded) > HARD_LIMIT:
        raise ToolError(
            f"the result has {len(encoded) // 2**20} MB, more than the {HARD_LIMIT // 2**20} MB"
            " that are kept",
            hint="let the tool return less: a page, a sum, or the place where it is stored",
        )
    return encoded


def preview(value: Any) -> Any:
    """Return a value of the same shape, cut down to at most 4 KB of JSON."""
    for cut in _CUTS:
        short = _cut(value, *cut)
        if len(json.dumps(short, ensure_ascii=False).encode()) <= _PREVIEW:
            return short
    return f"… a large {type(value).__name__}"


def _cut(value: Any, characters: int, items: int, keys: int, depth: int) -> Any:
    if isinstance(value, str):
        more = len(value) - characters
        return value if more <= 0 else f"{value[:characters]}… {more} more characters"
    if isinstance(value, list):
        if depth == 0:
            return f"… {len(value)} items"
        inner = [_cut(v, characters, items, keys, depth - 1) for v in value[:items]]
        return inner if len(value) <= items else [*inner, f"… {len(value) - items} more"]
    if isinstance(value, Mapping):
        if depth == 0:
            return f"… {len(value)} keys"
        first = list(value)[:keys]
        inner_object = {
            _cut(k, characters, 0, 0, 0): _cut(value[k], characters, items, keys, depth - 1)
            for k in first
        }
        if len(value) > keys:
            inner_object["…"] = f"{len(value) - keys} more"
        return inner_object
    return value
