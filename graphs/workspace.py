"""A workspace: the files of a folder, or the same models built in Python."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from concertmaster.contracts.spec import (
    AGENT_KINDS,
    IntentsFile,
    PlaybooksFile,
    PrincipalsFile,
    WorkflowSpec,
    WorkspaceSpec,
)
from concertmaster.errors import ConcertmasterError, WorkspaceError
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Source, read_source
from concertmaster.tools.toolbox import Toolbox, load_callable

__all__ = ["FILES", "Workspace", "read_workspace"]

FILES: Mapping[str, type[BaseModel]] = {
    "workflow": WorkflowSpec,
    "intents": IntentsFile,
    "playbooks": PlaybooksFile,
    "principals": PrincipalsFile,
}
"""The YAML files of a workspace and what they hold; only the first must exist."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Everything that describes one orchestration.

    `sources` are the files with their lines, for messages; a workspace built in Python has none.
    `customs` are the callables of custom steps, by the text in `agent:`.
    """

    spec: WorkspaceSpec
    toolbox: Toolbox = field(default_factory=Toolbox.of)
    path: Path | None = None
    policies: Path | None = None
    knowledge: tuple[Path, ...] = ()
    customs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.spec.workflow.workflow

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


def read_workspace(path: Path | str) -> tuple[Workspace | None, list[Problem]]:
    """Read as much of a workspace as can be read, and list what is wrong with the rest."""
    folder = Path(path).expanduser().resolve()
    if not (folder / "workflow.yaml").is_file():
        told = "there is no workflow.yaml" if folder.is_dir() else "there is no such folder"
        hint = "`concertmaster init` starts a workspace from a sample"
        where = str(folder / "workflow.yaml")
        return None, [Problem(code="file", file=where, line=1, message=told, hint=hint)]
    sources: dict[str, Source] = {}
    models: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, model in FILES.items():
        file = folder / f"{name}.yaml"
        if not file.is_file():
            models[name] = model() if name != "workflow" else None
            continue
        source, found = read_source(file)
        sources[name] = source
        models[name], wrong = (None, []) if found else _validated(model, source)
        problems += [*found, *wrong]
    toolbox, wrong = _toolbox(folder)
    problems += wrong
    if any(model is None for model in models.values()):
        return None, problems
    spec = WorkspaceSpec(**models)
    customs, wrong = _customs(folder, spec.workflow, sources["workflow"])
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
            sources=sources,
        ),
        problems,
    )


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
            hint = _closest(step.agent, AGENT_KINDS) or "or name a callable as module:function"
            told = f"step {step.id!r}: there is no agent {step.agent!r}"
            problems.append(source.problem("agent", at, told, hint=hint))
            continue
        try:
            customs[step.agent] = load_callable(folder, step.agent)
        except ConcertmasterError as error:
            told = f"step {step.id!r}: {error.message}"
            problems.append(source.problem("agent", at, told, hint=error.hint))
    return customs, problems


def _validated(model: type[BaseModel], source: Source) -> tuple[Any, list[Problem]]:
    if not isinstance(source.value, dict):
        return None, [source.problem("type", (), f"{source.file.name} must be a mapping")]
    try:
        return model.model_validate(source.value), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=True)
        return None, [_told(model, source, e) for e in found]


def _told(model: type[BaseModel], source: Source, error: Any) -> Problem:
    path = tuple(p for p in error["loc"] if _present(source, p))
    where = ".".join(str(p) for p in path) or source.file.name
    hint = None
    match error["type"]:
        case "extra_forbidden":
            key = str(error["loc"][-1])
            message = f"{'.'.join(str(p) for p in path[:-1]) or 'the file'} has no key {key!r}"
            hint = _closest(key, _keys(model, path[:-1]))
        case "missing":
            message = f"{where} is missing"
        case "literal_error":
            message = f"{where} is {error['input']!r}; allowed: {error['ctx']['expected']}"
        case _:
            message = f"{where}: {error['msg'].removeprefix('Value error, ')}"
    return source.problem("spec", path, message, hint=hint)


def _present(source: Source, part: object) -> bool:
    """Tell whether a part of pydantic's location stands in the file: unions add tags to it."""
    return isinstance(part, int) or not (isinstance(part, str) and part.endswith("]"))


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys that are allowed at a path, as far as the models tell."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        fields = getattr(current, "model_fields", {})
        if part not in fields:
            return sorted({k for m in _models(model, set()) for k in m.model_fields})
        inner = _models(fields[part].annotation, set())
        current = next(iter(inner), None)
    return list(getattr(current, "model_fields", {}))


def _models(annotation: Any, seen: set[Any]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        if argument not in seen:
            seen.add(argument)
            found += _models(argument, seen)
    return found


def _closest(word: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else None
