"""Tools and what governs them: policies are sound, effects are reviewed, fallbacks allowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.contracts import ReviewNeed
from concertmaster.contracts.spec import StepSpec
from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.policies.bundle import Bundle, Policy, read_bundle
from concertmaster.policies.obligations import parse_obligation
from concertmaster.tools.declaration import Tool

__all__ = ["check_permits"]


def check_permits(subject: Subject) -> Iterator[Problem]:
    """Look at policies, and at every tool on a list."""
    bundle = _bundle(subject)
    for found in bundle.problems if bundle else ():
        yield Problem(code="policy", file=found.file, line=found.line, message=found.message)
    # What an unsound policy would permit is unknown, so nothing is concluded from the others.
    policies = bundle.policies if bundle and not bundle.problems else None
    for index, step in enumerate(subject.workflow.steps):
        yield from _roles(subject, step, ("workflow", "steps", index))
        if step.agent != "executor":
            continue
        for n, name in enumerate(step.tools or ()):
            tool = subject.workspace.toolbox.get(name)
            if tool is None:
                continue
            place = ("workflow", "steps", index, "tools", n)
            yield from _review(subject, step, tool, place, policies)
            yield from _fallback(subject, step, tool, place)
            if policies is not None and not _permits(policies, name):
                told = f"step {step.id!r} lists {name}, which no policy ever permits"
                hint = f'write a policy: permit (principal, action == Action::"{name}", resource)'
                yield subject.warning(place, "unpermitted-tool", told, hint)


def _bundle(subject: Subject) -> Bundle | None:
    """Read the policies; None if some tool cannot be described to them."""
    try:
        shapes = subject.workspace.toolbox.shapes()
    except ConfigError:
        return None
    return read_bundle(subject.workspace.policies, shapes)


def _reviews(obligation: str) -> bool:
    return isinstance(parse_obligation(obligation), ReviewNeed)


def _permits(policies: Sequence[Policy], tool: str) -> list[Policy]:
    return [p for p in policies if p.effect == "permit" and p.governs(tool)]


def _roles(subject: Subject, step: StepSpec, at: Place) -> Iterator[Problem]:
    if step.review is not None and step.review.mode == "always" and not step.review.roles:
        told = f"step {step.id!r} has every call reviewed, and names no role for it"
        hint = "write {mode: always, roles: […]}"
        yield subject.error((*at, "review"), "review-roles", told, hint)


def _review(
    subject: Subject, step: StepSpec, tool: Tool, place: Place, policies: Sequence[Policy] | None
) -> Iterator[Problem]:
    review = step.review
    if not tool.consequential or review is None or review.waiver or tool.waiver:
        return
    told = f"{tool.name} has effects, and step {step.id!r}"
    hint = 'or waive it: waiver="why nobody needs to look" in its declaration'
    if review.mode == "none":
        hint = f"write `review: policy` or `always`, {hint}"
        yield subject.error(place, "no-review", f"{told} never has it reviewed", hint)
    elif review.mode == "policy" and policies is not None:
        permits = _permits(policies, tool.name)
        if not permits or any(_reviews(o) for p in permits for o in p.obligations):
            return
        told = f"{told} leaves its review to policies, none of which asks for one"
        hint = f'add @obligation("review:ROLE") to a policy that permits it, {hint}'
        yield subject.error(place, "no-review", told, hint)


def _fallback(subject: Subject, step: StepSpec, tool: Tool, place: Place) -> Iterator[Problem]:
    if tool.fallback is not None and tool.fallback not in (step.tools or ()):
        told = f"step {step.id!r} lists {tool.name}, but not its fallback {tool.fallback}"
        hint = f"add {tool.fallback} to its `tools`"
        yield subject.error(place, "tool-fallback", told, hint)
