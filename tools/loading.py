"""Importing a workspace's Python under a name of its own, without touching `sys.path`.

The modules of one workspace share a package, so `tools.py` may say `from .shop import connect`.
Unchanged files are imported once in a process; changed ones are imported afresh.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

from concertmaster.errors import ConcertmasterError, WorkspaceError

__all__ = ["ToolProblem", "import_module_of", "load_callable"]

_PREFIX = "concertmaster_workspace_"
_REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)
_TOLD = 300


@dataclass(frozen=True)
class ToolProblem:
    """What is wrong with a workspace's Python, and where."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def import_module_of(folder: Path, name: str) -> ModuleType | ToolProblem:
    """Import the module `name` of a workspace's folder, or say why that is not possible.

    What the module prints goes to stderr: stdout belongs to results.
    """
    folder = folder.resolve()
    file = _file_of(folder, name)
    if file is None:
        return ToolProblem(str(folder), 1, f"there is no module {name!r} here")
    package = _package(folder)
    before = set(sys.modules)
    try:
        with _quietly():
            return importlib.import_module(f"{package}.{name}")
    except (Exception, SystemExit) as error:
        for half in [n for n in sys.modules if n.startswith(package) and n not in before]:
            del sys.modules[half]
        return _located(error, folder, file)


def load_callable(folder: Path, reference: str) -> Callable[..., Any]:
    """Return the function that `module:function` names in a workspace's folder.

    Raises:
        WorkspaceError: there is no such module or function; `problems` says where to look.
    """
    parts = _REFERENCE.fullmatch(reference)
    if parts is None:
        raise WorkspaceError(
            f"{reference!r} names no function", hint="write module:function, such as steps:score"
        )
    module = import_module_of(folder, parts[1])
    if isinstance(module, ToolProblem):
        raise WorkspaceError(f"{reference}: {module}", problems=(module,))
    found: Callable[..., Any] | None = getattr(module, parts[2], None)
    if found is None or not callable(found):
        what = "is no function" if hasattr(module, parts[2]) else "is not defined"
        problem = ToolProblem(str(module.__file__), 1, f"{parts[2]!r} {what} here")
        raise WorkspaceError(f"{reference}: {problem}", problems=(problem,))
    return found


def _package(folder: Path) -> str:
    """Return the name of the workspace's package, made if this version is not imported yet."""
    name = _PREFIX + _fingerprint(folder)
    if name not in sys.modules:
        package = ModuleType(name, f"The Python modules of {folder}.")
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name


def _fingerprint(folder: Path) -> str:
    known = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape"))
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__pycache__")))
        for file in sorted(f for f in files if f.endswith((".py", ".lock.json"))):
            known.update(os.fsencode(os.path.join(root, file)) + b"\0")
            try:
                known.update(hashlib.sha256(Path(root, file).read_bytes()).digest())
            except OSError:
                known.update(b"unreadable")
    return known.hexdigest()[:16]


def _file_of(folder: Path, name: str) -> Path | None:
    base = folder.joinpath(*name.split("."))
    for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if file.is_file():
            return file
    return None


@contextmanager
def _quietly() -> Iterator[None]:
    """Import with fresh finders, no compiled files left behind, and nothing on stdout."""
    importlib.invalidate_caches()
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.dont_write_bytecode = before


def _located(error: BaseException, folder: Path, file: Path) -> ToolProblem:
    if isinstance(error, SyntaxError) and error.filename:
        return ToolProblem(error.filename, error.lineno or 1, f"syntax error: {error.msg}")
    place = (str(file), 1)
    for frame, line in walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(str(folder) + os.sep):
            place = (frame.f_code.co_filename, line)
    if isinstance(error, ConcertmasterError):
        told = f"{error.message} ({error.hint})" if error.hint else error.message
    else:
        told = f"the import failed: {type(error).__name__}: {error}"
    return ToolProblem(*place, " ".join(told.split())[:_TOLD])
