"""Roles: somebody among the declared people can answer the reviews that are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.contracts import Notify, ReviewNeed
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.subject import Subject
from concertmaster.graphs.problems import Problem
from concertmaster.policies.bundle import read_bundle
from concertmaster.policies.obligations import parse_obligation

__all__ = ["check_roles"]

_HINT = "give the role to somebody in principals.yaml, unless the host brings its own people"


def check_roles(subject: Subject) -> Iterator[Problem]:
    """Look for reviewing roles that nobody has; without declared people there is nothing to say."""
    people = subject.workspace.spec.principals.principals
    held = {role for person in people for role in person.roles}
    if not people:
        return
    for index, step in enumerate(subject.workflow.steps):
        for role in step.review.roles if step.review else ():
            if role not in held:
                told = f"step {step.id!r} has calls reviewed by the role {role!r}, which nobody has"
                place = ("workflow", "steps", index, "review")
                yield subject.warning(place, "unheld-role", told, _HINT)
    try:
        shapes = subject.workspace.toolbox.shapes()
    except ConfigError:
        return
    for policy in read_bundle(subject.workspace.policies, shapes).policies:
        for text in policy.obligations:
            stated = parse_obligation(text)
            if isinstance(stated, ReviewNeed | Notify) and stated.role not in held:
                told = f"policy {policy.id!r} asks for the role {stated.role!r}, which nobody has"
                yield Problem(
                    severity="warning",
                    code="unheld-role",
                    file=policy.file,
                    line=policy.line,
                    message=told,
                    hint=_HINT,
                )
