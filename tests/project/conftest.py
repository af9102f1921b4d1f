"""The project's own files, as its house-keeping tests see them."""

import runpy
import subprocess
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture(scope="session")
def pyproject(root: Path) -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Every file that git has or would take, relative to the checkout, without links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = sorted({Path(name) for name in listed.split("\0") if name})
    return [p for p in paths if (root / p).is_file() and not (root / p).is_symlink()]


@pytest.fixture(scope="session")
def folders(pyproject: dict[str, Any]) -> dict[str, str]:
    """The folder of each mapped package: `concertmaster.agents` lies in `agents`."""
    return pyproject["tool"]["setuptools"]["package-dir"]


@pytest.fixture(scope="session")
def modules(root: Path, tracked: list[Path], folders: dict[str, str]) -> dict[str, Path]:
    """Every module of the package with its file; the sample workspaces' own code is no part."""
    found: dict[str, Path] = {}
    for path in tracked:
        for package, folder in folders.items():
            if path.suffix != ".py" or not path.is_relative_to(folder):
                continue
            inside = path.relative_to(folder).with_suffix("").parts
            if package == "concertmaster.examples" and len(inside) > 1:
                continue
            name = ".".join((package, *inside)).removesuffix(".__init__")
            found[name] = root / path
    return found


@pytest.fixture(scope="session")
def script(root: Path):
    """Load a script of `scripts/` by its name; its functions become attributes."""

    def load(name: str) -> SimpleNamespace:
        return SimpleNamespace(**runpy.run_path(str(root / "scripts" / f"{name}.py")))

    return load
