"""What the policy commands read: a workspace or a bare folder, its tools, a written call."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from concertmaster.contracts import ToolShape
from concertmaster.errors import ConfigError
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.trials import bare_setting, setting_of, surroundings_of
from concertmaster.graphs.workspace import Workspace, read_workspace
from concertmaster.policies.bundle import Policy
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.trials import Finding, Setting, findings
from concertmaster.policies.trials.findings import Surroundings
from concertmaster.tools.declaration import Tool
from concertmaster.tools.toolbox import Toolbox

__all__ = ["Checked", "Opened", "checked", "opened"]

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


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What calls are tried in. `workspace` is its folder, None for a bare folder of policies."""

    setting: Setting
    toolbox: Toolbox
    policies: Path
    workspace: Path | None = None


def opened(folder: Path, tools: str | None = None) -> Opened:
    """Read a workspace for trying calls out, or a bare folder of policies with its tools.

    Raises:
        WorkspaceError: it cannot be read.
        PolicyError: its policies are not sound.
        ConfigError: a bare folder is named without its tools.
    """
    place, is_workspace = _place(folder, tools)
    if not is_workspace:
        toolbox, wrong = _tools(str(tools))
        if wrong:
            listed = "; ".join(f"{f.place}: {f.message}" for f in wrong)
            raise ConfigError(f"the tools cannot be used: {listed}", hint="put them right first")
        return Opened(setting=bare_setting(place, toolbox), toolbox=toolbox, policies=place)
    workspace = Workspace.load(place)
    return Opened(
        setting=setting_of(workspace),
        toolbox=workspace.toolbox,
        policies=workspace.policies or place / "policies",
        workspace=place,
    )


def checked(folder: Path, tools: str | None) -> Checked:
    """Check the policies of a workspace, or of a bare folder against a module's tools.

    Raises:
        ConfigError: a bare folder is named without its tools.
    """
    place, is_workspace = _place(folder, tools)
    shapes: Mapping[str, ToolShape] = {}
    around, wrong, policies = Surroundings(), [], place
    if is_workspace:
        workspace, problems = read_workspace(place, partial=True)
        policies = place / "policies"
        wrong = [_finding(p) for p in problems if p.severity == "error"]
        if workspace is not None:
            shapes, around = _shapes(workspace.toolbox, wrong), surroundings_of(workspace)
    else:
        toolbox, wrong = _tools(str(tools))
        shapes = _shapes(toolbox, wrong)
        around = Surroundings(places={n: t.source for n, t in toolbox.items() if t.source})
    if not shapes and wrong:
        # Without tools every policy looks wrong.
        return Checked(folder=policies, found=tuple(wrong), shapes={})
    return _judged(policies, shapes, around, wrong)


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


def _place(folder: Path, tools: str | None) -> tuple[Path, bool]:
    """Return the folder that is meant, and whether it is a workspace's.

    Raises:
        ConfigError: it is neither a workspace nor a folder of policies with their tools.
    """
    place = folder.expanduser()
    if tools is None and place.name == "policies" and (place.parent / "workflow.yaml").is_file():
        place = place.parent
    hint = "name a workspace, or a folder of *.cedar files with --tools MODULE"
    if not place.is_dir():
        told = "is a file" if place.exists() else "does not exist"
        raise ConfigError(f"{place} {told}", hint=hint)
    if tools is not None:
        if (place / "workflow.yaml").is_file():
            told = "is a workspace, which has its own tools"
            raise ConfigError(f"{place} {told}", hint="leave --tools out, or name its policies/")
        return place, False
    if (place / "workflow.yaml").is_file():
        return place, True
    if any(place.glob("*.cedar")):
        told = "belongs to no workspace, so its tools are not known"
        raise ConfigError(f"{place} {told}", hint="name them: --tools tools.py")
    raise ConfigError(f"{place} holds neither workflow.yaml nor *.cedar files", hint=hint)


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
