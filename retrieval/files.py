"""Finding the files under a path, and reading one whole without being led astray."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from concertmaster.errors import KnowledgeError
from concertmaster.retrieval.documents import Skipped
from concertmaster.retrieval.reading.reading import Unreadable

__all__ = ["CHANGED", "files_under", "opened", "read_whole"]

CHANGED = "changed while it was read; ingest it again"
_ATTEMPTS = 3


def files_under(root: Path) -> Iterator[Path | Skipped]:
    """Yield all files under a folder in a stable order, and what is not followed or listed.

    Hidden names are passed over. A link to something within the folder is passed over, too: it is
    read where it points to.

    Raises:
        KnowledgeError: the folder itself cannot be listed.
    """
    inside = root.resolve()
    failed: list[OSError] = []
    for folder, folders, names in os.walk(root, onerror=failed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted((*names, *folders)):
            if name.startswith("."):
                continue
            path = Path(folder, name)
            if path.is_symlink():
                if why := _astray(path, inside, root):
                    yield Skipped(source=str(path), why=why)
            elif name not in folders:
                yield path
    for error in failed:
        if Path(error.filename) == root:
            raise KnowledgeError(f"{root}: cannot be listed ({error.strerror})") from error
        yield Skipped(source=str(error.filename), why=f"cannot be listed ({error.strerror})")


def _astray(link: Path, inside: Path, root: Path) -> str | None:
    try:
        target = link.resolve(strict=True)
    except FileNotFoundError:
        return "is a link to nothing"
    except (OSError, RuntimeError):
        return "is a link that leads in a circle, or nowhere"
    return None if target.is_relative_to(inside) else f"is a link that leads out of {root}"


def read_whole(path: Path, largest: int) -> bytes:
    """Return a file's bytes, as they were at one moment.

    Its size is looked at before anything is read, and no more than `largest` bytes are.

    Raises:
        Unreadable: it is too large, is no regular file, or changes all the time.
        OSError: it cannot be read.
    """
    for _ in range(_ATTEMPTS):
        with opened(path, largest) as (file, changed):
            content = file.read(largest + 1)
            if not changed():
                return content
    raise Unreadable(CHANGED)


@contextmanager
def opened(path: Path, largest: int) -> Iterator[tuple[BinaryIO, Callable[[], bool]]]:
    """Open a regular file of at most `largest` bytes; yield it and what tells if it has changed.

    Raises:
        Unreadable: it is too large, or is no regular file.
        OSError: it cannot be read.
    """
    # Opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise Unreadable("is no regular file")
        if before.st_size > largest:
            raise Unreadable(f"is larger than {largest // 2**20} MiB")

        def changed() -> bool:
            after = os.fstat(descriptor)
            same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
            return not same or file.tell() != after.st_size

        yield file, changed
