"""A workspace as the setting in which written calls are tried out, and its tables of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from concertmaster.contracts.spec import ReviewSpec
from concertmaster.graphs.places import constants_in
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Source, read_source
from concertmaster.graphs.validation import validate
from concertmaster.graphs.workspace import Workspace
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.trials import Setting, StepRules, TestsFile
from concertmaster.policies.trials.findings import Surroundings
from concertmaster.tools.toolbox import Toolbox

__all__ = ["bare_setting", "read_table", "setting_of", "surroundings_of", "tables_of"]


def setting_of(workspace: Workspace) -> Setting:
    """Return what calls are tried in: the workspace's policies, tools, steps, people, intents.

    Raises:
        PolicyError: the policies are not sound.
    """
    toolbox, spec = workspace.toolbox, workspace.spec
    shapes = toolbox.shapes()
    playbooks = {
        p.name: frozenset(c.tool for c in p.calls if c.tool) for p in spec.playbooks.playbooks
    }
    return Setting(
        engine=PolicyEngine.load(workspace.policies, shapes),
        shapes=shapes,
        workspace=workspace.name,
        steps={
            step.id: StepRules(tools=step.tools or (), review=step.review or ReviewSpec())
            for step in spec.workflow.steps
            if step.agent == "executor"
        },
        people={person.id: person for person in spec.principals.principals},
        intents={
            intent.name: playbooks.get(intent.playbook or "", frozenset())
            for intent in spec.intents.intents
        },
        validate=_fitting(toolbox),
        endorsed=_endorsed(toolbox),
        constants=lambda intent: tuple(constants_in(spec, intent)),
    )


def bare_setting(policies: Path, toolbox: Toolbox) -> Setting:
    """Return what calls are tried in for policies and tools without a workspace around them.

    Step and workspace are called as in the middleware for other people's agents.

    Raises:
        PolicyError: the policies are not sound.
    """
    shapes = toolbox.shapes()
    return Setting(
        engine=PolicyEngine.load(policies, shapes),
        shapes=shapes,
        validate=_fitting(toolbox),
        endorsed=_endorsed(toolbox),
    )


def surroundings_of(workspace: Workspace) -> Surroundings:
    """Return what a check of the policies may know beside the tools."""
    spec, tools = workspace.spec, workspace.toolbox
    people = spec.principals.principals
    return Surroundings(
        steps=frozenset(s.id for s in spec.workflow.steps if s.agent == "executor"),
        intents=frozenset(i.name for i in spec.intents.intents) or None,
        workspace=workspace.name,
        roles=frozenset(role for person in people for role in person.roles) or None,
        places={name: tool.source for name, tool in tools.items() if tool.source},
        waived=_waived(workspace),
    )


def tables_of(folder: Path) -> list[Path]:
    """Return the tables of a policies' folder: every `*tests*.yaml`, sorted by name."""
    return sorted(path for path in folder.glob("*tests*.y*ml") if path.is_file())


def read_table(file: Path) -> tuple[TestsFile | None, Source, list[Problem]]:
    """Read a table; what cannot be read or understood is listed with its line."""
    source, problems = read_source(file)
    if problems:
        return None, source, problems
    table, problems = validate(TestsFile, source)
    return table, source, problems


def _fitting(toolbox: Toolbox) -> Any:
    def validate(tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return toolbox[tool].validate(arguments)

    return validate


def _endorsed(toolbox: Toolbox) -> Any:
    def endorsed(tool: str, output: Any) -> Any:
        return toolbox[tool].endorsed(output) if tool in toolbox else None

    return endorsed


def _waived(workspace: Workspace) -> frozenset[str]:
    """Return the tools whose calls nobody needs to look at, or that their step has reviewed."""
    steps = [s for s in workspace.spec.workflow.steps if s.review is not None]
    by_step = {
        tool
        for step in steps
        for tool in step.tools or ()
        if step.review and (step.review.waiver or step.review.mode == "always")
    }
    return frozenset(n for n, tool in workspace.toolbox.items() if tool.waiver) | by_step
