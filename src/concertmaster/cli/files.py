"""Writing what a command makes, without overwriting what is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from concertmaster.errors import ConfigError

__all__ = ["new_file"]


@contextmanager
def new_file(path: Path) -> Iterator[TextIO]:
    """Open a file that did not exist for writing text; take it away again if that fails.

    Raises:
        ConfigError: it exists, or cannot be made.
    """
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{path} exists", hint="name a new file, or move this one away") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", hint="name another file"
        ) from None
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
