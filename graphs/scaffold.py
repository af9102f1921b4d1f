"""New workspaces, started from the samples that come with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from concertmaster.errors import ConfigError
from concertmaster.graphs.problems import closest

__all__ = ["init", "templates"]

_SAMPLES = "concertmaster.examples"
_WORKFLOW = "workflow.yaml"
_NAME = re.compile(rb"^workflow:[ \t]*[\w-]+", re.MULTILINE)


def templates() -> list[str]:
    """Return the names of the samples, sorted.

    >>> "support_desk" in templates()
    True
    """
    return sorted(
        s.name for s in files(_SAMPLES).iterdir() if s.is_dir() and s.joinpath(_WORKFLOW).is_file()
    )


def init(template: str, target: Path) -> list[Path]:
    """Copy a sample into a new or empty folder, and return the files that were written.

    The workflow takes the folder's name, so that its data are kept apart from the sample's.

    Args:
        template: the name of a sample; see `templates`.
        target: the folder; it and those above it are made.

    Raises:
        ConfigError: there is no such sample, or the folder cannot be used.
    """
    known = templates()
    if template not in known:
        raise ConfigError(
            f"there is no sample workspace {template!r}",
            hint=closest(template, known) or f"there are {', '.join(known)}",
        )
    target = Path(target).expanduser().absolute()
    written: list[Path] = []
    try:
        _refuse_used(target)
        target.mkdir(parents=True, exist_ok=True)
        for source, file in _copied(files(_SAMPLES).joinpath(template), target):
            file.parent.mkdir(parents=True, exist_ok=True)
            written.append(file)
            file.write_bytes(source.read_bytes())
        _rename(target)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        raise ConfigError(
            f"{target}: no workspace can be made there: {error.strerror}",
            hint="name a folder that can be written",
        ) from error
    return written


def _refuse_used(target: Path) -> None:
    if target.is_dir():
        if any(target.iterdir()):
            raise ConfigError(
                f"{target} is not empty", hint="name a new folder; nothing is written over"
            )
    elif target.exists() or target.is_symlink():
        raise ConfigError(f"{target} is no folder", hint="name a new folder")


def _copied(source: Traversable, target: Path) -> Iterator[tuple[Traversable, Path]]:
    """Yield every file of a sample with the place to which it goes; compiled files stay."""
    for item in sorted(source.iterdir(), key=lambda item: item.name):
        place = target / item.name
        if item.is_dir():
            if item.name != "__pycache__":
                yield from _copied(item, place)
        elif place.suffix not in (".pyc", ".pyo"):
            yield item, place


def _rename(target: Path) -> None:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", target.name).strip("_")
    if name:
        file = target / _WORKFLOW
        file.write_bytes(_NAME.sub(f"workflow: {name}".encode(), file.read_bytes(), count=1))
