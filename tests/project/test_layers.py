"""Rooms import only what lies below them, nothing imports in circles."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LEVELS = (
    ("__main__",),
    ("cli", "testing", "deploy"),
    ("examples",),
    ("concertmaster",),
    ("notebook",),
    ("serving", "evaluation"),
    ("telemetry",),
    ("orchestrator",),
    ("graphs",),
    ("agents",),
    ("retrieval", "models", "tools"),
    ("policies",),
    ("audit",),
    ("contracts", "config", "errors", "storage"),
)
"""From the top down; a part imports what stands on a lower line. The last line is the ground:
there the parts may import each other, as long as it is not in circles."""

LEVEL = {part: level for level, parts in enumerate(LEVELS) for part in parts}
GROUND = len(LEVELS) - 1
PLAIN = ("contracts", "config", "errors", "storage", "audit", "policies")
"""Parts that anybody can use without LangGraph."""


def part_of(module: str) -> str:
    names = module.split(".")
    return names[1] if len(names) > 1 else names[0]


def imports(source: str, known: frozenset[str], *, types: bool) -> Iterator[str]:
    """Yield what a source imports, as modules where known; `types` adds those for checkers."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else str(node.module)
        elif isinstance(node, ast.If) and _for_checkers(node.test) and not types:
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _for_checkers(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in {getattr(test, "id", None), getattr(test, "attr", None)}


def uphill(module: str, source: str, known: frozenset[str]) -> list[str]:
    """Return what a module imports although it stands beside or above it."""
    here = part_of(module)
    found = []
    for target in imports(source, known, types=True):
        there = part_of(target)
        if target.split(".")[0] != "concertmaster" or there == here:
            continue
        beside_on_the_ground = LEVEL[here] == LEVEL[there] == GROUND
        if LEVEL[there] <= LEVEL[here] and not beside_on_the_ground:
            found.append(f"{module} imports {target}")
    return found


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """Return one circle of the graph, or None."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def test_every_part_has_its_level(modules: dict[str, Path]):
    strangers = {part_of(name) for name in modules} - set(LEVEL)
    assert not strangers, f"say in LEVELS where they stand: {sorted(strangers)}"


def test_arrows_point_down(modules: dict[str, Path]):
    known = frozenset(modules)
    found = [
        line for name, path in modules.items() for line in uphill(name, path.read_text(), known)
    ]
    assert found == []


def test_nothing_imports_in_circles(modules: dict[str, Path]):
    known = frozenset(modules)
    graph = {
        name: set(imports(path.read_text(), known, types=False)) & known - {name}
        for name, path in modules.items()
    }
    assert circle(graph) is None


@pytest.mark.parametrize("part", PLAIN)
def test_plain_parts_name_no_langgraph(part: str, modules: dict[str, Path]):
    known = frozenset(modules)
    found = [
        f"{name} imports {target}"
        for name, path in modules.items()
        if part_of(name) == part
        for target in imports(path.read_text(), known, types=True)
        if target.startswith(("langgraph", "langchain", "langsmith"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("concertmaster.policies.gate", "from concertmaster.tools import declare"),
        ("concertmaster.tools.toolbox", "import concertmaster.retrieval.access"),
        ("concertmaster.contracts.base", "def f():\n    from concertmaster.audit import Trail"),
        ("concertmaster.agents.intent", "if TYPE_CHECKING:\n    from concertmaster import graphs"),
        ("concertmaster.testing", "from concertmaster.cli import main"),
    ],
)
def test_upward_import_is_found(module: str, source: str):
    assert uphill(module, source, frozenset({"concertmaster.graphs"})) != []


def test_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) is not None
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None


RULE = "--select TID251 --no-cache --quiet --output-format concise"


def lint(root: Path, source: str) -> str:
    """Return what ruff's rule for banned names says of a source of the package."""
    name = ["--stdin-filename", "src/concertmaster/new.py", "-"]
    return subprocess.run(
        [sys.executable, "-m", "ruff", "check", *RULE.split(), *name],
        cwd=root,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_bare_room_names_are_banned(root: Path, folders: dict[str, str]):
    rooms = [name.removeprefix("concertmaster.") for name in folders if "." in name]
    for room in rooms:
        assert f"import concertmaster.{room}" in lint(root, f"import {room}\n{room}.x()\n"), room
        assert "TID251" in lint(root, f"from {room}.thing import x\nx()\n"), room
    full = "".join(f"from concertmaster.{room}.thing import x{i}\n" for i, room in enumerate(rooms))
    assert lint(root, full) == ""
