"""Write constraints.txt: the installed version of everything the project needs, and of its tools.

Run it in an environment whose tests have passed (`make constraints`). Names and versions only.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
INSTALLERS = ("pip", "setuptools")
"""What the Makefile installs before anything else."""


def needed(requirements: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Return the installed distributions that these requirements lead to, by canonical name.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *sorted(requirement.extras)):
            name = canonicalize_name(requirement.name)
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found[name] = metadata.distribution(name)
            waiting += _next(found[name], extra)
    return found


def _next(distribution: metadata.Distribution, extra: str) -> Iterable[Requirement]:
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def declared(root: Path = ROOT) -> tuple[list[str], list[str]]:
    """Return what pyproject.toml asks for at run time, and for development."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    return project["project"]["dependencies"], project["dependency-groups"]["dev"]


def pins(root: Path = ROOT) -> str:
    """Return the text of constraints.txt for the environment of this interpreter."""
    run_time, development = declared(root)
    found = needed([*run_time, *development, *INSTALLERS])
    return "".join(f"{name}=={found[name].version}\n" for name in sorted(found))


if __name__ == "__main__":
    (ROOT / "constraints.txt").write_text(pins())
    sys.stdout.write("constraints.txt is written\n")
