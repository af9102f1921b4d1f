"""A workspace: the files of a folder, or the same models built in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from concertmaster.contracts import digest
from concertmaster.contracts.model import ModelsFile
from concertmaster.contracts.spec import (
    AGENT_KINDS,
    IntentsFile,
    PlaybooksFile,
    PrincipalsFile,
    WorkflowSpec,
    WorkspaceSpec,
)
from concertmaster.errors import ConcertmasterError, WorkspaceError
from concertmaster.graphs.makers import makers_of
from concertmaster.graphs.problems import Problem, closest
from concertmaster.graphs.salvage import salvage
from concertmaster.graphs.sources import Source, read_source
from concertmaster.graphs.validation import validate
from concertmaster.tools.toolbox import Toolbox, load_callable

__all__ = ["FILES", "Workspace", "read_workspace"]

FILES: Mapping[str, type[BaseModel]] = {
    "workflow": WorkflowSpec,
    "intents": IntentsFile,
    "playbooks": PlaybooksFile,
    "models": ModelsFile,
    "principals": PrincipalsFile,
}
"""The YAML files of a workspace and what they hold; only the first must exist."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Everything that describes one orchestration.

    `sources` are the files with their lines, for messages; a workspace built in Python has none.
    `customs` are the callables of custom steps, by the text in `agent:`; `makers` the ones that
    return chat models and predictors, by the text in `use:`.
    """

    spec: WorkspaceSpec
    toolbox: Toolbox = field(default_factory=Toolbox.of)
    path: Path | None = None
    policies: Path | None = None
    knowledge: tuple[Path, ...] = ()
    customs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    makers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.spec.workflow.workflow

    @cached_property
    def digest(self) -> str:
        """What identifies the description, the code and the policies; documents have their own."""
        tools = {} if self.path else self.toolbox.shapes()
        return digest(
            {
                "spec": self.spec.model_dump(mode="json"),
                "tools": {name: shape.model_dump(mode="json") for name, shape in tools.items()},
                "code": {**_hashes(self.path, ".py"), **_hashes(self.path, ".lock.json")},
                "policies": _hashes(self.policies, ".cedar"),
            }
        )

    @classmethod
    def load(cls, path: Path | str) -> Workspace:
        """Read a workspace's folder.

        Raises:
            WorkspaceError: a file cannot be read or understood; every finding is listed.
        """
        workspace, problems = read_workspace(path)
        errors = [p for p in problems if p.severity == "error"]
        if workspace is None or errors:
            listed = "\n".join(f"  {p}" for p in errors[:20])
            raise WorkspaceError(
                f"{path} cannot be read as a workspace:\n{listed}",
                hint="put these right; `concertmaster check` looks at the rest",
                problems=tuple(problems),
            )
        return workspace


def read_workspace(
    path: Path | str, *, partial: bool = False
) -> tuple[Workspace | None, list[Problem]]:
    """Read as much of a workspace as can be read, and list what is wrong with the rest.

    Files other than `workflow.yaml` that cannot be read count as empty.

    Args:
        path: its folder.
        partial: keep what is sound of a file that does not fit, so that checks can go on; files
            of which nothing can be kept are not among the workspace's `sources`.
    """
    folder = Path(path).expanduser().resolve()
    if not (folder / "workflow.yaml").is_file():
        return None, [_no_workflow(folder)]
    sources: dict[str, Source] = {}
    models: dict[str, Any] = {}
    problems = _misnamed(folder)
    for name, model in FILES.items():
        file = folder / f"{name}.yaml"
        if file.is_file():
            source, found = read_source(file)
            sources[name] = source
            models[name], wrong = (None, []) if found else validate(model, source)
            problems += [*found, *wrong]
            if partial and models[name] is None:
                _keep(name, source, models, sources)
        if models.get(name) is None and name != "workflow":
            models[name] = model()
    toolbox, wrong = _toolbox(folder)
    problems += wrong
    if models["workflow"] is None:
        return None, problems
    spec = WorkspaceSpec(**models)
    customs, wrong = _customs(folder, spec.workflow, sources["workflow"])
    problems += wrong
    makers, wrong = makers_of(folder, spec.models, sources.get("models"))
    problems += wrong
    knowledge = spec.workflow.knowledge
    policies = folder / "policies"
    return (
        Workspace(
            spec=spec,
            toolbox=toolbox,
            path=folder,
            policies=policies if policies.is_dir() else None,
            knowledge=tuple(folder / p for p in knowledge.paths) if knowledge else (),
            customs=customs,
            makers=makers,
            sources=sources,
        ),
        problems,
    )


def _keep(name: str, source: Source, models: dict[str, Any], sources: dict[str, Source]) -> None:
    """Put in what can be kept of a file, or take the file out if nothing can."""
    kept = salvage(FILES[name], source) if isinstance(source.value, dict) else None
    if kept is None:
        del sources[name]
    else:
        models[name], sources[name] = kept


def _no_workflow(folder: Path) -> Problem:
    told = "there is no workflow.yaml" if folder.is_dir() else "there is no such folder"
    hint = "`concertmaster init` starts a workspace from a sample"
    if (folder / "workflow.yml").is_file():
        hint = "rename workflow.yml to workflow.yaml"
    return Problem(code="file", file=str(folder / "workflow.yaml"), line=1, message=told, hint=hint)


def _misnamed(folder: Path) -> list[Problem]:
    """Find files that were meant to be part of the workspace and would be passed over."""
    known = [f"{name}.yaml" for name in FILES]
    found = []
    for file in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        hint = closest(file.name, known, alike=0.85)
        if file.name not in known and hint:
            told = f"nobody reads {file.name}"
            found.append(
                Problem(
                    severity="warning", code="file", file=str(file), line=1, message=told, hint=hint
                )
            )
    return found


def _toolbox(folder: Path) -> tuple[Toolbox, list[Problem]]:
    toolbox, found = Toolbox.inspect(folder)
    return toolbox, [
        Problem(code="tool", file=p.file, line=p.line, message=p.message) for p in found
    ]


def _customs(
    folder: Path, workflow: WorkflowSpec, source: Source
) -> tuple[dict[str, Callable[..., Any]], list[Problem]]:
    customs: dict[str, Callable[..., Any]] = {}
    problems = []
    for index, step in enumerate(workflow.steps):
        if step.agent in AGENT_KINDS:
            continue
        at = ("steps", index, "agent")
        if ":" not in step.agent:
            hint = closest(step.agent, AGENT_KINDS) or "or name a callable as module:function"
            told = f"step {step.id!r}: there is no agent {step.agent!r}"
            problems.append(source.problem("agent", at, told, hint=hint))
            continue
        try:
            customs[step.agent] = load_callable(folder, step.agent)
        except ConcertmasterError as error:
            told = f"step {step.id!r}: {error.message}"
            problems.append(source.problem("agent", at, told, hint=error.hint))
    return customs, problems


def _hashes(folder: Path | None, suffix: str) -> dict[str, str]:
    """Return the digest of each file of a kind under a folder, hidden ones aside."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob(f"*{suffix}")) if folder else ():
        name = file.relative_to(folder or file)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
