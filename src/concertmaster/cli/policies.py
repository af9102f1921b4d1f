"""What the policy commands read: a workspace or a bare folder, its tools, a written call."""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from concertmaster.contracts import ToolShape
from concertmaster.errors import ConfigError, ToolError
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Source
from concertmaster.graphs.trials import setting_of, surroundings_of
from concertmaster.graphs.validation import validate
from concertmaster.graphs.workspace import Workspace, read_workspace
from concertmaster.policies.bundle import Policy
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.trials import CallCase, Finding, Setting, findings
from concertmaster.policies.trials.findings import Surroundings
from concertmaster.tools.declaration import Tool, ToolContext
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Checked", "Opened", "checked", "opened", "read_call", "resolved"]

_LARGEST = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found; without errors there are policies and a bundle."""

    folder: Path
    found: tuple[Finding, ...]
    policies: tuple[Policy, ...] = ()
    bundle: str | None = None
    shapes: Mapping[str, ToolShape]

    @property
    def errors(self) -> int:
        """How many findings keep the policies from being used."""
        return sum(f.severity == "error" for f in self.found)

    @property
    def governed(self) -> tuple[str, ...]:
        """The tools that some policy permits."""
        permits = [p for p in self.policies if p.effect == "permit"]
        return tuple(name for name in self.shapes if any(p.governs(name) for p in permits))


@dataclass(frozen=True)
class Opened:
    """A workspace with what its calls are tried in."""

    workspace: Workspace
    setting: Setting

    @property
    def policies(self) -> Path:
        """The folder of its policies and tables."""
        return self.workspace.policies or Path(self.workspace.path or ".") / "policies"


def opened(folder: Path) -> Opened:
    """Read a workspace for trying calls out.

    Raises:
        WorkspaceError: it cannot be read.
        PolicyError: its policies are not sound.
    """
    workspace = Workspace.load(folder)
    return Opened(workspace, setting_of(workspace))


def checked(folder: Path, tools: str | None) -> Checked:
    """Check the policies of a workspace, or of a bare folder against a module's tools.

    Raises:
        ConfigError: a bare folder is named without its tools.
    """
    place = folder.expanduser()
    if place.name == "policies" and (place.parent / "workflow.yaml").is_file() and tools is None:
        place = place.parent
    is_workspace = (place / "workflow.yaml").is_file()
    if not is_workspace:
        _expect_policies(place, tools)
    shapes: Mapping[str, ToolShape] = {}
    around, wrong, policies = Surroundings(), [], place
    if is_workspace:
        workspace, problems = read_workspace(place, partial=True)
        policies = place / "policies"
        wrong = [_finding(p) for p in problems if p.severity == "error"]
        if workspace is not None:
            shapes, around = _shapes(workspace.toolbox, wrong), surroundings_of(workspace)
    if tools is not None:
        toolbox, wrong = _tools(tools)
        shapes = _shapes(toolbox, wrong)
        places = {n: t.source for n, t in toolbox.items() if t.source}
        around = replace(around, places=places)
    if not shapes and wrong:
        # Without tools every policy looks wrong.
        return Checked(folder=policies, found=tuple(wrong), shapes={})
    return _judged(policies, shapes, around, wrong)


def read_call(given: str) -> CallCase:
    """Read a call from JSON, a file, or standard input.

    Raises:
        ConfigError: it cannot be read or does not describe a call.
    """
    where, text = _text(given)
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{where} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}",
            hint='write {"tool": "…", "arguments": {…}, "principal": "…"}',
        ) from None
    except (ValueError, RecursionError) as error:
        told = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"{where} cannot be read: {told}") from None
    case, problems = validate(CallCase, Source(Path(where), value))
    if problems:
        told = "; ".join(
            p.message.replace("the file", "it", 1) + (f" ({p.hint})" if p.hint else "")
            for p in problems
        )
        raise ConfigError(f"{where} describes no call: {told}", hint=_KEYS)
    found: CallCase = case
    return found


_KEYS = f"its keys are {', '.join(CallCase.model_fields)}"


async def resolved(case: CallCase, place: Opened, home: Path | None) -> tuple[CallCase, str | None]:
    """Look the facts of a call up; return it with them, or why they could not be had.

    Raises:
        ConfigError: the call brings its own facts.
        CaseError: it names a principal that does not exist.
    """
    if case.facts is not None:
        raise ConfigError(
            "the call brings its facts, and --resolve looks them up", hint="keep one of the two"
        )
    tool = place.workspace.toolbox.get(case.tool)
    if tool is None or tool.facts is None:
        return case, None
    with tempfile.TemporaryDirectory() as fresh:
        ctx = ToolContext(
            principal=place.setting.principal_of(case),
            run="run-explained",
            thread="explained",
            idempotency_key="explained",
            data_dir=_data(place.workspace, home, Path(fresh)),
        )
        try:
            facts = await resolve_facts(tool, case.arguments, ctx)
        except ToolError as error:
            return case, error.message
    return case.model_copy(update={"facts": dict(facts or {})}), None


def _data(workspace: Workspace, home: Path | None, fresh: Path) -> Path:
    """Return the tools' data of a home; without one, data that the workspace's setup makes."""
    from concertmaster.cli.console import note
    from concertmaster.cli.places import chosen_homes, home_of

    chosen = chosen_homes(home, None)[0] if home else home_of(Path(workspace.path or "."))
    if (chosen / "data").is_dir():
        note(f"facts are looked up in {chosen}")
        return chosen / "data"
    note(f"there is no home {chosen}: facts are looked up in data made for this call")
    workspace.toolbox.prepare(fresh)
    return fresh


def _judged(
    folder: Path, shapes: Mapping[str, ToolShape], around: Surroundings, wrong: Iterable[Finding]
) -> Checked:
    there = folder if folder.is_dir() else None
    found = [*wrong, *findings(there, shapes, around)]
    if any(f.severity == "error" for f in found):
        return Checked(folder=folder, found=tuple(found), shapes=shapes)
    engine = PolicyEngine.load(there, shapes)
    return Checked(
        folder=folder,
        found=tuple(found),
        policies=engine.policies,
        bundle=engine.bundle,
        shapes=shapes,
    )


def _expect_policies(place: Path, tools: str | None) -> None:
    if not place.is_dir():
        told = "is a file" if place.exists() else "does not exist"
        raise ConfigError(f"{place} {told}", hint="name a workspace, or a folder of *.cedar files")
    if not any(place.glob("*.cedar")):
        raise ConfigError(
            f"{place} holds neither workflow.yaml nor *.cedar files",
            hint="name a workspace, or a folder of *.cedar files with --tools MODULE",
        )
    if tools is None:
        raise ConfigError(
            f"{place} belongs to no workspace, so its tools are not known",
            hint="name the tools that it governs: --tools tools.py",
        )


def _shapes(toolbox: Toolbox, wrong: list[Finding]) -> Mapping[str, ToolShape]:
    try:
        return toolbox.shapes()
    except ConfigError as error:
        wrong.append(
            Finding(severity="error", code="tool", file="tools", line=1, message=error.message)
        )
        return {}


def _tools(named: str) -> tuple[Toolbox, list[Finding]]:
    """Return the tools of a file, a folder or a module."""
    path = Path(named).expanduser()
    if path.exists():
        toolbox, problems = Toolbox.inspect(path)
        return toolbox, [
            Finding(severity="error", code="tool", file=p.file, line=p.line, message=p.message)
            for p in problems
        ]
    if not all(part.isidentifier() for part in named.split(".")):
        raise ConfigError(
            f"there is no file or module {named}", hint="name the module of the tools"
        )
    # As with `python -m`, modules lie in the folder in which the command is given, too.
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(named)
    except Exception as error:
        raise ConfigError(
            f"the module {named} cannot be imported: {type(error).__name__}: {error}",
            hint="name a file, a folder or a module that declares tools",
        ) from None
    finally:
        sys.path.remove(str(Path.cwd()))
    return Toolbox.of(*(v for v in vars(module).values() if isinstance(v, Tool))), []


def _finding(problem: Problem) -> Finding:
    return Finding(
        severity=problem.severity,
        code=problem.code,
        file=problem.file,
        line=problem.line,
        message=problem.message,
        hint=problem.hint,
    )


def _text(given: str) -> tuple[str, str]:
    if given == "-":
        return "standard input", sys.stdin.read(_LARGEST)
    if given.lstrip()[:1] in ("{", "["):
        return "the call", given
    path = Path(given).expanduser()
    try:
        return str(path), path.read_text("utf-8")[:_LARGEST]
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(
            f"{given} cannot be read: {told}", hint="--call takes a file, - or a JSON object"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found
