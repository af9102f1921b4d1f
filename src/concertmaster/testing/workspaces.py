"""Workspaces and homes that exist for one test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel

__all__ = ["Content", "temporary_home", "temporary_workspace"]

Content: TypeAlias = "str | bytes | Mapping[str, Any] | Sequence[Any] | BaseModel | None"
"""What a file holds: text, bytes, or a value that is written as YAML or JSON; None removes it."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".concertmaster", "*.pyc")


@contextmanager
def temporary_workspace(
    source: str | Path | None = None,
    content: Mapping[str, Content] | None = None,
    *,
    name: str = "workspace",
) -> Iterator[Path]:
    """Make a workspace's folder and remove it afterwards.

    Args:
        source: a folder to copy, or the name of one that comes with Concertmaster.
        content: files to write over the copy, by their path in the folder.
        name: the folder's name.

    Raises:
        ValueError: a path leads out of the folder.
        FileNotFoundError: there is no such source.

    >>> with temporary_workspace(content={"workflow.yaml": {"workflow": "desk"}}) as folder:
    ...     (folder / "workflow.yaml").read_text()
    'workflow: desk\\n'
    """
    with TemporaryDirectory(prefix="concertmaster-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent).resolve() / name
        folder.mkdir()
        if source is not None:
            _copy(source, folder)
        for path, value in (content or {}).items():
            _write(folder, path, value)
        yield folder


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Make an empty home directory and remove it afterwards."""
    with TemporaryDirectory(prefix="concertmaster-home-", ignore_cleanup_errors=True) as parent:
        yield Path(parent).resolve()


def _copy(source: str | Path, folder: Path) -> None:
    if Path(source).is_dir():
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=_LEFT_OUT)
        return
    bundled = files("concertmaster.examples").joinpath(str(source))
    if Path(source).name != str(source) or not bundled.is_dir():
        raise FileNotFoundError(f"{source} is neither a folder nor a bundled workspace")
    with as_file(bundled) as path:
        shutil.copytree(path, folder, dirs_exist_ok=True, ignore=_LEFT_OUT)


def _write(folder: Path, path: str, value: Content) -> None:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder):
        raise ValueError(f"{path!r} leads out of the workspace")
    if value is None:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        file.write_bytes(value)
    elif isinstance(value, str):
        file.write_text(value, encoding="utf-8")
    else:
        file.write_text(_dumped(value, file.suffix), encoding="utf-8")


def _dumped(value: Mapping[str, Any] | Sequence[Any] | BaseModel, suffix: str) -> str:
    plain = (
        value.model_dump(mode="json", exclude_defaults=True)
        if isinstance(value, BaseModel)
        else value
    )
    if suffix == ".json":
        return json.dumps(plain, ensure_ascii=False, indent=2)
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
