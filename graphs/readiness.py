"""The readiness gate: everything that is missing or inconsistent in a workspace, at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from concertmaster.contracts.html import Listed
from concertmaster.contracts.spec import StepSpec, WorkflowSpec
from concertmaster.graphs.checks.budgets import check_budgets
from concertmaster.graphs.checks.classifying import check_classifying
from concertmaster.graphs.checks.context import check_context
from concertmaster.graphs.checks.intents import check_intents
from concertmaster.graphs.checks.knowledge import check_knowledge
from concertmaster.graphs.checks.models import check_models
from concertmaster.graphs.checks.permits import check_permits
from concertmaster.graphs.checks.playbooks import check_playbooks
from concertmaster.graphs.checks.redaction import check_redaction
from concertmaster.graphs.checks.references import check_first_hop, check_references
from concertmaster.graphs.checks.retention import check_retention
from concertmaster.graphs.checks.roles import check_roles
from concertmaster.graphs.checks.routes import check_fallbacks, check_routes, check_rules
from concertmaster.graphs.checks.steps import check_steps, check_workflow
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.checks.wordings import check_wordings
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Path_, Source
from concertmaster.graphs.workspace import Workspace, read_workspace

__all__ = ["check"]

_CHECKS: Sequence[Callable[[Subject], Iterator[Problem]]] = (
    check_workflow,
    check_steps,
    check_routes,
    check_fallbacks,
    check_rules,
    check_first_hop,
    check_playbooks,
    check_wordings,
    check_references,
    check_intents,
    check_classifying,
    check_permits,
    check_roles,
    check_knowledge,
    check_redaction,
    check_retention,
    check_models,
    check_context,
    check_budgets,
)

_LAST_NAME = re.compile(r"'(?:[\w-]+\.)*([\w-]+)'")
"""What a message names: `refund` in 'refund', `order` in 'slots.order'."""

_FOLLOWS: Mapping[str, frozenset[str]] = {
    "tools": frozenset({"unknown-tool", "policy"}),
    "intents": frozenset({"no-intents"}),
    "playbooks": frozenset({"unknown-playbook"}),
}
"""What looks wrong only because a part could not be read."""

_LOST: Mapping[str, frozenset[str]] = {
    "steps": frozenset({"no-executor", "no-evidence", "no-classifier", "needs-model"}),
    "routes": frozenset({"no-final-route", "unreachable-step"}),
    "knowledge": frozenset({"no-evidence"}),
    "intents": frozenset({"no-intents"}),
}
"""What looks wrong only because an item of a list, or a section, could not be kept."""


def check(workspace: Workspace | Path | str) -> list[Problem]:
    """Return everything that keeps a workspace from being ready, sorted by file and line.

    Args:
        workspace: one that is loaded or built in Python, or a folder, whose files are read first;
            then what cannot be read is among the findings.

    It runs no step and calls no tool, model or store. Severity `error` means that it does not
    run unless it is opened as a draft.
    """
    if isinstance(workspace, Workspace):
        return _sorted(_findings(workspace))
    loaded, problems = read_workspace(workspace, partial=True)
    if loaded is None:
        return _sorted(problems)
    unread = _unread(loaded, problems)
    known = {(p.code, p.file, p.line) for p in problems}
    more = [
        p
        for p in _findings(loaded)
        if p.code not in unread
        and (p.code, p.file, p.line) not in known
        and not _follows(p, loaded.sources)
    ]
    return _sorted([*problems, *more])


def _findings(workspace: Workspace) -> list[Problem]:
    subject = Subject(workspace)
    return [problem for look in _CHECKS for problem in look(subject)]


def _unread(workspace: Workspace, problems: Sequence[Problem]) -> frozenset[str]:
    """Return the codes that say nothing new next to these findings of reading."""
    wrong = {Path(p.file).stem for p in problems if p.code in ("yaml", "type", "spec")}
    parts = wrong - workspace.sources.keys()
    if not workspace.toolbox and any(p.code == "tool" for p in problems):
        parts.add("tools")
    return frozenset[str]().union(*(_FOLLOWS.get(part, frozenset()) for part in parts))


def _follows(problem: Problem, sources: Mapping[str, Source]) -> bool:
    """Tell whether a finding is about something that was there, but could not be kept."""
    lost = {name for source in sources.values() for name in source.lost}
    if lost.intersection(_LAST_NAME.findall(problem.message)):
        return True
    for source in sources.values():
        if str(source.file) == problem.file and any(
            problem.code == f"missing-{_meant(place).replace('_', '-')}"
            and source.line(place[:-1]) == problem.line
            for place in source.removed
        ):
            return True
    kinds = {str(p[0]) for source in sources.values() for p in source.removed if len(p) <= 2}
    return any(problem.code in _LOST.get(kind, ()) for kind in kinds)


def _meant(place: Path_) -> str:
    """Return the key that was meant by one that was taken out."""
    key = str(place[-1])
    near = get_close_matches(key, [*StepSpec.model_fields, *WorkflowSpec.model_fields], 1)
    return near[0] if near else key


def _sorted(problems: Sequence[Problem]) -> list[Problem]:
    return Listed(sorted(problems, key=Problem.order))
