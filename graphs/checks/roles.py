"""Roles: enough of the declared people can answer the reviews that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from concertmaster.contracts import Deadline, Notify, ReviewNeed
from concertmaster.contracts.spec import StepSpec
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem
from concertmaster.policies.bundle import read_bundle
from concertmaster.policies.obligations import parse_obligation

__all__ = ["check_roles"]

_HINT = "give the role to somebody in principals.yaml, unless the host brings its own people"
_MORE = "give the role to more people in principals.yaml, unless the host brings its own"


def check_roles(subject: Subject) -> Iterator[Problem]:
    """Look for roles that nobody has, or too few, and that reviews and their deadlines name.

    Without declared people there is nothing to say.
    """
    people = subject.workspace.spec.principals.principals
    held = Counter(role for person in people for role in set(person.roles))
    if not people:
        return
    for index, step in enumerate(subject.workflow.steps):
        for wanted in _of_step(step):
            if wanted.unmet(held):
                place = ("workflow", "steps", index, "review")
                told = f"step {step.id!r} {wanted.told(held)}"
                yield subject.warning(place, "unheld-role", told, wanted.hint)
    try:
        shapes = subject.workspace.toolbox.shapes()
    except ConfigError:
        return
    for policy in read_bundle(subject.workspace.policies, shapes).policies:
        for text in policy.obligations:
            asked = _of_policy(text)
            if asked is not None and asked.unmet(held):
                yield Problem(
                    severity="warning",
                    code="unheld-role",
                    file=policy.file,
                    line=policy.line,
                    message=f"policy {policy.id!r} {asked.told(held)}",
                    hint=asked.hint,
                )


@dataclass(frozen=True)
class _Wanted:
    """So many people with a role are needed, for what `why` says."""

    why: str
    role: str
    count: int = 1

    def unmet(self, held: Counter[str]) -> bool:
        return held[self.role] < self.count

    def told(self, held: Counter[str]) -> str:
        if not held[self.role]:
            return f"{self.why} the role {self.role!r}, which nobody has"
        return f"{self.why} {self.count} people with the role {self.role!r}, which too few have"

    @property
    def hint(self) -> str:
        return _HINT if self.count == 1 else _MORE


def _of_step(step: StepSpec) -> Iterator[_Wanted]:
    if step.review is None:
        return
    for role in step.review.roles:
        yield _Wanted("has calls reviewed by", role)
    if step.review.term is not None and step.review.term.role is not None:
        yield _Wanted("escalates at its deadline to", step.review.term.role)


def _of_policy(obligation: str) -> _Wanted | None:
    match parse_obligation(obligation):
        case ReviewNeed(role=role, count=count):
            return _Wanted("asks for", role, count)
        case Deadline(role=str(role)):
            return _Wanted("escalates at its deadline to", role)
        case Notify(role=role):
            return _Wanted("tells", role)
    return None
