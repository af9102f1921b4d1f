"""Reads what lies in a home beside its database: lock, epoch, keys, results, index, classifier."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path

from concertmaster.audit.keys import PRIVATE, current_key
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.doctor.snapshot import Artifact, Disk, IndexSeen, KeysSeen

__all__ = ["artifacts", "disk", "halves", "indexes", "keys", "model"]

_HALVES = (".epoch.*", ".lock.*", ".sources.json.*", "intents/.model.npz.*", "artifacts/??/.*")
_INDEXES = ("index/knowledge.sqlite3", "index/tenants/*/knowledge.sqlite3")
_MODEL = "intents/model.npz"
_PENDING = "SELECT count(*) FROM passages WHERE state < 2"


def disk(home: Path, database: Path) -> Disk | None:
    """Return how much room is left; None if that cannot be told."""
    with suppress(OSError):
        size = database.stat().st_size if database.is_file() else 0
        return Disk(free=shutil.disk_usage(home).free, database=size)
    return None


def keys(home: Path) -> KeysSeen:
    """Return what can be seen of the private key, without the key."""
    path = places_of(home).keys / PRIVATE
    shown = str(path.relative_to(home)) if path.is_relative_to(home) else str(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return KeysSeen(path=shown)
    except OSError:
        return KeysSeen(there=True, usable=False, path=shown)
    usable = current_key(path.parent) is not None
    return KeysSeen(there=True, usable=usable, shared=bool(mode & 0o077), path=shown)


def halves(home: Path, older: float) -> tuple[str, ...]:
    """Return the files that were left half-written at least so many seconds ago."""
    settled = time.time() - older
    found = []
    for pattern in _HALVES:
        for path in home.glob(pattern):
            with suppress(OSError):
                if path.is_file() and path.stat().st_mtime < settled:
                    found.append(str(path.relative_to(home)))
    return tuple(sorted(found))


def artifacts(home: Path, named: Collection[str], settling: float) -> Iterator[Artifact]:
    """Yield the large results that rows name, and those that none names.

    Args:
        home: the home.
        named: the digests that rows name.
        settling: seconds for which a new file may be on its way into a row.
    """
    folder = home / "artifacts"
    for name in sorted(named):
        file = folder / name[:2] / f"{name}.json"
        reference, path = f"artifact:{name}", str(file.relative_to(home))
        try:
            with file.open("rb") as content:
                whole = hashlib.file_digest(content, "sha256").hexdigest() == name
            yield Artifact(reference=reference, there=True, whole=whole, path=path)
        except FileNotFoundError:
            yield Artifact(reference=reference, there=False, path=path)
        except OSError:
            yield Artifact(reference=reference, there=True, whole=False, path=path)
    settled = time.time() - settling
    for file in sorted(folder.glob("??/*.json")):
        with suppress(OSError):
            if file.stem not in named and file.stat().st_mtime < settled:
                path = str(file.relative_to(home))
                yield Artifact(
                    reference=f"artifact:{file.stem}", there=True, named=False, path=path
                )


def indexes(home: Path) -> Iterator[IndexSeen]:
    """Yield what each index of a home says of itself."""
    for pattern in _INDEXES:
        for file in sorted(home.glob(pattern)):
            yield _index(file, str(file.relative_to(home)))


def _index(file: Path, path: str) -> IndexSeen:
    try:
        uri = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return IndexSeen(path=path, damage=str(found).splitlines()[-1])
            row = connection.execute("SELECT value FROM meta WHERE key = 'embedding'").fetchone()
            (waiting,) = connection.execute(_PENDING).fetchone()
            return IndexSeen(path=path, embedding=row[0] if row else None, waiting=waiting)
    except sqlite3.Error as error:
        return IndexSeen(path=path, damage=str(error))


def model(home: Path) -> str | None:
    """Return the fingerprint of the stored intent model, empty if it cannot be read."""
    file = home / _MODEL
    if not file.exists():
        return None
    try:
        import numpy as np

        with file.open("rb") as content, np.load(content, allow_pickle=False) as stored:
            return str(json.loads(stored["about"].tobytes())["fingerprint"])
    except Exception:
        # Whatever numpy says of bytes that it did not write.
        return ""
