"""A workspace under examination: its parts by name, and findings with their places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from concertmaster.contracts.spec import PlaybookSpec, StepSpec, WorkflowSpec
from concertmaster.graphs.problems import Problem, closest
from concertmaster.graphs.workspace import Workspace

__all__ = ["Place", "Subject"]

Place = tuple[str | int, ...]
"""Where a value stands: the file, then the way in it: `("workflow", "steps", 0, "owner")`."""


@dataclass(frozen=True)
class Subject:
    """What the checks share: the workspace, and findings about its parts."""

    workspace: Workspace

    def error(self, place: Place, code: str, message: str, hint: str | None = None) -> Problem:
        """Return a finding that keeps the workspace from running."""
        return self._found(place, code, message, hint=hint)

    def warning(self, place: Place, code: str, message: str, hint: str | None = None) -> Problem:
        """Return a finding that people should look at."""
        return self._found(place, code, message, hint=hint, severity="warning")

    def _found(self, place: Place, code: str, message: str, **more: Any) -> Problem:
        part = str(place[0])
        source = self.workspace.sources.get(part)
        if source is not None:
            return source.problem(code, place[1:], message, **more)
        path = self.workspace.path
        file = str(path / f"{part}.yaml") if path else "<python>"
        return Problem(code=code, file=file, line=1, message=message, **more)

    def unknown(
        self, place: Place, noun: str, name: str, known: Iterable[str], whose: str
    ) -> Problem:
        """Return an error about a name that is not declared, with a suggestion."""
        names = sorted(known)
        listed = f"known are {', '.join(names)}" if names else "none is declared"
        hint = closest(name, names) or listed
        told = f"{whose}: there is no {noun} {name!r}"
        return self.error(place, f"unknown-{noun}", told, hint)

    def twice(self, names: Iterable[tuple[str, Place]], noun: str) -> Iterator[Problem]:
        """Yield an error for every name that was there before."""
        seen: dict[str, Place] = {}
        for name, place in names:
            first = seen.setdefault(name, place)
            if first is not place:
                source = self.workspace.sources.get(str(place[0]))
                where = f" (first in line {source.line(first[1:])})" if source else ""
                hint = "give one of them another name"
                yield self.error(place, "duplicate", f"two {noun}s {name!r}{where}", hint)

    @property
    def workflow(self) -> WorkflowSpec:
        """The workflow."""
        return self.workspace.spec.workflow

    @property
    def playbooks(self) -> tuple[PlaybookSpec, ...]:
        """The playbooks."""
        return self.workspace.spec.playbooks.playbooks

    @cached_property
    def steps(self) -> frozenset[str]:
        """The ids of the steps."""
        return frozenset(step.id for step in self.workflow.steps)

    @cached_property
    def executors(self) -> tuple[StepSpec, ...]:
        """The steps that call tools."""
        return tuple(step for step in self.workflow.steps if step.agent == "executor")
