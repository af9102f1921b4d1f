"""The declared tools of one workspace."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Self

from concertmaster.contracts import ToolShape
from concertmaster.errors import ConfigError, WorkspaceError
from concertmaster.tools.declaration import Tool
from concertmaster.tools.loading import ToolProblem, import_module_of, load_callable

__all__ = ["ToolProblem", "Toolbox", "load_callable"]

Setup = Callable[[Path], None]
"""The hook of a tools module that makes what its tools work on; called more than once at will."""


class Toolbox(Mapping[str, Tool]):
    """The tools of a workspace by name; names match exactly.

    >>> from concertmaster.tools import declare
    >>> @declare(effect="read")
    ... def ping() -> str:
    ...     return "pong"
    >>> Toolbox.of(ping).names
    ('ping',)
    """

    def __init__(self, tools: Mapping[str, Tool], setup: Setup | None = None) -> None:
        self._tools = dict(tools)
        self._setup = setup
        self._prepared: set[Path] = set()
        self._shapes: dict[str, ToolShape] | None = None

    @classmethod
    def of(cls, *tools: Tool) -> Self:
        """Return a toolbox of these tools.

        Raises:
            WorkspaceError: two have one name, or a fallback leads nowhere or in a circle.
        """
        toolbox, problems = cls._made(tools, "a program", None)
        _raise_if(problems, "the tools")
        return toolbox

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Import the tools of a workspace; None has none.

        Args:
            path: a workspace's folder (with `tools.py` or a package `tools/`), or that module.

        Raises:
            WorkspaceError: they cannot be imported or do not fit together; see `problems`.
        """
        toolbox, problems = cls.inspect(path)
        _raise_if(problems, str(path))
        return toolbox

    @classmethod
    def inspect(cls, path: Path | None) -> tuple[Self, tuple[ToolProblem, ...]]:
        """Import what can be imported, and list everything that is wrong."""
        if path is None:
            return cls({}), ()
        place = _place(path)
        if place is None:
            return cls({}), ()
        if isinstance(place, ToolProblem):
            return cls({}), (place,)
        folder, name = place
        modules: list[ModuleType] = []
        for found in _modules(folder, name):
            if isinstance(found, ToolProblem):
                return cls({}), (found,)
            modules.append(found)
        file = str(modules[0].__file__)
        tools = [t for m in modules for t in vars(m).values() if isinstance(t, Tool)]
        setup, wrong = _setup_of(modules[0])
        toolbox, problems = cls._made(tools, file, setup)
        if not tools:
            problems.insert(0, ToolProblem(file, 1, "no tool is declared at the module's top"))
        return toolbox, (*wrong, *problems)

    @classmethod
    def _made(
        cls, tools: Iterable[Tool], file: str, setup: Setup | None
    ) -> tuple[Self, list[ToolProblem]]:
        known: dict[str, Tool] = {}
        problems: list[ToolProblem] = []
        for tool in tools:
            if known.setdefault(tool.name, tool) is not tool:
                where = known[tool.name].source
                first = f" (first at {where[0]}:{where[1]})" if where else ""
                problems.append(_problem(tool, f"a second tool has this name{first}", file))
        for tool in known.values():
            problems.extend(_problem(tool, told, file) for told in _faults(tool, known))
        return cls(known, setup), problems

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of declaration."""
        return tuple(self._tools)

    def shapes(self) -> dict[str, ToolShape]:
        """Return what policies need to know of each tool, by name."""
        if self._shapes is None:
            self._shapes = {name: tool.shape() for name, tool in self._tools.items()}
        return dict(self._shapes)

    def prepare(self, data_dir: Path) -> None:
        """Make the workspace's data folder and call its `setup` hook, once for each folder.

        Blocks; call it off the event loop.

        Raises:
            WorkspaceError: the hook failed.
        """
        if data_dir in self._prepared:
            return
        data_dir.mkdir(parents=True, exist_ok=True)
        if self._setup is not None:
            try:
                self._setup(data_dir)
            except Exception as error:
                told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                raise WorkspaceError(
                    f"the workspace's setup(data_dir) failed: {told}",
                    hint=f"it makes the tools' data in {data_dir}; put it right and start again",
                ) from error
        self._prepared.add(data_dir)


def _raise_if(problems: Iterable[ToolProblem], what: str) -> None:
    found = tuple(problems)
    if found:
        listed = "\n".join(f"  {p}" for p in found)
        raise WorkspaceError(f"{what}: the tools cannot be used\n{listed}", problems=found)


def _problem(tool: Tool, told: str, file: str) -> ToolProblem:
    source = tool.source or (file, 1)
    return ToolProblem(source[0], source[1], f"tool {tool.name}: {told}")


def _place(path: Path) -> tuple[Path, str] | ToolProblem | None:
    """Return the folder and the name of the tools module; None for a workspace without one."""
    if path.suffix == ".py":
        if path.is_file():
            return path.parent, path.stem
        return ToolProblem(str(path), 1, "there is no such file")
    if not path.is_dir():
        return ToolProblem(str(path), 1, "there is no such folder")
    module, package = path / "tools.py", path / "tools" / "__init__.py"
    if module.is_file() and package.is_file():
        return ToolProblem(str(module), 1, "both tools.py and tools/ exist; keep one")
    if module.is_file() or package.is_file():
        return path, "tools"
    if (path / "__init__.py").is_file():
        return path.parent, path.name
    return None


def _modules(folder: Path, name: str) -> Iterator[ModuleType | ToolProblem]:
    """Import the tools module and, when it is a package, the modules in it."""
    top = import_module_of(folder, name)
    yield top
    if isinstance(top, ModuleType):
        for inner in pkgutil.iter_modules(getattr(top, "__path__", ())):
            yield import_module_of(folder, f"{name}.{inner.name}")


def _setup_of(module: ModuleType) -> tuple[Setup | None, list[ToolProblem]]:
    setup = getattr(module, "setup", None)
    if setup is None or isinstance(setup, Tool):
        return None, []
    file, code = str(module.__file__), getattr(setup, "__code__", None)
    at = code.co_firstlineno if code else 1
    if not callable(setup) or inspect.iscoroutinefunction(setup):
        return None, [ToolProblem(file, at, "setup is no plain function setup(data_dir)")]
    try:
        inspect.signature(setup).bind(Path())
    except (TypeError, ValueError):
        return None, [ToolProblem(file, at, "setup takes exactly one argument, data_dir")]
    return setup, []


def _faults(tool: Tool, known: Mapping[str, Tool]) -> Iterator[str]:
    if tool.fault:
        yield tool.fault
        return
    try:
        tool.shape()
    except ConfigError as error:
        yield error.message
    if tool.fallback is None:
        return
    other = known.get(tool.fallback)
    if other is None:
        yield f"its fallback {tool.fallback!r} is not declared"
        return
    if _circular(tool, known):
        yield f"its fallbacks run in a circle, by {tool.fallback!r}"
        return
    if other.consequential and not tool.consequential:
        yield f"it only reads, but its fallback {other.name!r} has an effect"
    yield from _unlike(tool, other)


def _circular(tool: Tool, known: Mapping[str, Tool]) -> bool:
    seen: set[str] = set()
    following: Tool | None = tool
    while following is not None and following.name not in seen:
        seen.add(following.name)
        following = known.get(following.fallback) if following.fallback else None
    return following is not None


def _unlike(tool: Tool, other: Tool) -> Iterator[str]:
    """Say where the fallback cannot be called with the same arguments."""
    mine, theirs = tool.schema(), other.schema()
    given = set(mine.get("properties", {}))
    missing = set(theirs.get("required", ())) - given
    if missing:
        yield f"its fallback {other.name!r} also needs {', '.join(sorted(missing))}"
    extra = given - set(theirs.get("properties", {}))
    if extra and theirs.get("additionalProperties") is False:
        yield f"its fallback {other.name!r} does not take {', '.join(sorted(extra))}"
