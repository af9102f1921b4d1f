"""What the project needs: declared, used, pinned, and under licences that bind nobody."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

COPYLEFT = re.compile(r"\b[AL]?GPL|GNU|SSPL|Elastic|Business Source|BUSL|Commons Clause", re.I)
PERMISSIVE = re.compile(r"MIT|Apache|BSD|ISC|MPL|Mozilla|Python Software|PSF|0BSD|Zlib|CNRI", re.I)


NOT_INSTALLED = frozenset({"bedrock", "google", "judge", "local"})
"""Extras that the tests do without: large, or of no use without an account."""


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def licence(distribution: metadata.Distribution) -> str:
    """Return what a distribution says of its licence, in its metadata or else in its file."""
    data = distribution.metadata
    stated = [data.get("License-Expression", "")]
    stated += [c for c in data.get_all("Classifier", []) if c.startswith("License ::")]
    if short := (data.get("License") or "").strip():
        stated += [short] if len(short) < 100 else []
    if not "".join(stated).strip():
        texts = [f for f in distribution.files or () if "licen" in f.name.lower()]
        stated += [f.read_text()[:600] for f in texts]
    return "; ".join(part for part in stated if part)


def imported(modules: dict[str, Path]) -> set[str]:
    """Return the top-level names that the package imports and that are not Python's own."""
    found = set()
    for path in modules.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"concertmaster"}


@pytest.fixture(scope="module")
def pinned(root: Path) -> list[str]:
    return (root / "constraints.txt").read_text().splitlines()


def test_constraints_are_names_and_versions_only(pinned: list[str]):
    form = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][0-9a-z.+!]*")
    assert [line for line in pinned if not form.fullmatch(line)] == []
    listed = [line.partition("==")[0] for line in pinned]
    assert listed == sorted(set(listed))


def test_constraints_cover_everything_that_is_needed(pinned: list[str], script):
    tool = script("constraints")
    run_time, development = tool.declared()
    needed = tool.needed([*run_time, *development, *tool.INSTALLERS])
    assert set(needed) - {line.partition("==")[0] for line in pinned} == set()


def test_tests_run_on_the_pinned_versions(pinned: list[str], script):
    tool = script("constraints")
    run_time, development = tool.declared()
    pins = dict(line.split("==") for line in pinned)
    needed = tool.needed([*run_time, *development])
    assert {n: d.version for n, d in needed.items() if pins.get(n) != d.version} == {}


def test_every_dependency_has_a_lower_bound(pyproject: dict):
    listed = pyproject["project"]["dependencies"] + pyproject["dependency-groups"]["dev"]
    assert [text for text in listed if ">=" not in text] == []


def test_what_is_imported_is_declared(modules: dict[str, Path], pyproject: dict):
    declared = names(pyproject["project"]["dependencies"])
    for extra in pyproject["project"]["optional-dependencies"].values():
        declared |= names(extra)
    providers = metadata.packages_distributions()
    missing = [
        name
        for name in sorted(imported(modules))
        if declared.isdisjoint(canonicalize_name(p) for p in providers.get(name, (name,)))
    ]
    assert missing == []


def test_what_is_declared_is_imported(modules: dict[str, Path], pyproject: dict):
    # A package of data alone is looked up by its name, never imported.
    texts = {
        node.value
        for path in modules.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    providers = metadata.packages_distributions()
    found = imported(modules) | (texts & set(providers))
    used = {canonicalize_name(p) for name in found for p in providers.get(name, ())}
    assert names(pyproject["project"]["dependencies"]) - used == set()


def test_no_dependency_binds_its_users(script, pyproject: dict):
    tool = script("constraints")
    run_time, _ = tool.declared()
    for name, extra in pyproject["project"]["optional-dependencies"].items():
        run_time += [] if name in NOT_INSTALLED else extra
    found = {name: licence(d) for name, d in tool.needed(run_time).items()}
    assert {n: text for n, text in found.items() if COPYLEFT.search(text)} == {}
    assert {n: text for n, text in found.items() if not PERMISSIVE.search(text)} == {}


@pytest.mark.parametrize("text", ["GPL-3.0-or-later", "LGPL", "GNU Affero", "Elastic-2.0"])
def test_binding_licence_is_recognised(text: str):
    assert COPYLEFT.search(text)


def test_dependency_record_tells_of_every_direct_dependency(root: Path, pyproject: dict):
    page = (root / "docs" / "decisions" / "0002-dependencies.md").read_text()
    project = pyproject["project"]
    listed = names(project["dependencies"]).union(
        *map(names, project["optional-dependencies"].values())
    )
    missing = [n for n in listed if f"`{n}`" not in page]
    assert missing == []
