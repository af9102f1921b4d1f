"""Everything worth knowing about a folder of policies: errors, and what is quietly ineffective."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from concertmaster.contracts import ReviewNeed, ToolShape
from concertmaster.policies.bundle import Policy, read_bundle
from concertmaster.policies.obligations import parse_obligation
from concertmaster.policies.statements import Statement
from concertmaster.policies.trials.conditions import Condition, conditions, parsed, paths
from concertmaster.policies.trials.domains import Domains, misses
from concertmaster.policies.trials.opposites import contradiction
from concertmaster.policies.trials.setting import near

__all__ = ["Finding", "Surroundings", "findings"]

_Place = tuple[str, int, int | None]
_GUARDS = (("context", "provenance"), ("context", "label"))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about policies, where it stands, and how to put it right. `code` is stable."""

    severity: Literal["error", "warning"]
    code: str
    file: str
    line: int
    message: str
    column: int | None = None
    hint: str | None = None

    @property
    def place(self) -> str:
        """`file:line:column`, without a column that is not known."""
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is known beside the tools; None where anything may be.

    Args:
        steps: the ids of the steps that call tools.
        intents: the names of the intents.
        workspace: the workspace's name.
        roles: the roles that declared people have.
        places: the file and line at which each tool is declared.
        waived: tools that say why nobody needs to look at their calls.
    """

    steps: frozenset[str] | None = None
    intents: frozenset[str] | None = None
    workspace: str | None = None
    roles: frozenset[str] | None = None
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    waived: frozenset[str] = frozenset()


def findings(
    folder: Path | None, shapes: Mapping[str, ToolShape], around: Surroundings | None = None
) -> list[Finding]:
    """Return every error of the policies in a folder and what looks wrong about them, in order.

    A warning is only given for what is certain: a test that is never true, a tool that is always
    denied, a rule that changes nothing.
    """
    around = around or Surroundings()
    bundle = read_bundle(folder, shapes)
    found = [
        Finding(
            severity="error",
            code="policy",
            file=problem.file,
            line=problem.line,
            column=problem.column,
            message=problem.message,
            hint=_meant(problem.message, shapes),
        )
        for problem in bundle.problems
    ]
    domains = Domains(
        shapes=shapes,
        steps=around.steps,
        intents=around.intents,
        workspace=around.workspace,
        roles=around.roles,
    )
    read = [(policy, conditions(policy)) for policy in bundle.policies]
    for policy, split in read:
        found += _of_policy(policy, split, domains)
    found += _twins(read)
    if not bundle.problems:
        # What an unsound policy would permit is unknown, so nothing is concluded about tools.
        found += _of_tools(folder, read, shapes, around)
    return sorted(found, key=lambda f: (f.file, f.line, f.column or 0, f.message))


def _meant(message: str, shapes: Mapping[str, ToolShape]) -> str | None:
    """Return what was meant by a name that Cedar's validator does not know."""
    if action := re.search(r'unrecognized action `Action::"([^"]*)"`', message):
        return near(action[1], shapes)
    missing = re.search(r"attribute `(args|facts)\.(\w+)` not found", message)
    if missing is None:
        return None
    told = re.findall(r"\w+", message.rpartition("(")[2])
    known: set[str] = set()
    for shape in [shapes[name] for name in told if name in shapes] or shapes.values():
        schema = shape.arguments if missing[1] == "args" else shape.facts
        known.update((schema or {}).get("properties") or ())
    return near(missing[2], known)


def _of_policy(policy: Policy, split: Sequence[Condition], domains: Domains) -> Iterator[Finding]:
    tools = frozenset(name for name in domains.shapes if policy.governs(name))
    statement = _statement(policy)
    for miss in misses(parsed(policy.text)[0], tools, domains):
        at = statement.text.find(f'"{miss.value}"')
        line, column = statement.place(max(at, 0))
        yield _warning("never-true", (policy.file, line, column), miss.message, miss.hint)
    told = contradiction(split)
    if told:
        message = f"the policy {policy.id!r} can never match: {told}"
        yield _warning("never-matches", _at(policy), message, "correct one of these conditions")


def _twins(read: Sequence[tuple[Policy, Sequence[Condition]]]) -> Iterator[Finding]:
    seen: dict[object, Policy] = {}
    for policy, split in read:
        says = tuple(sorted((c.kind, c.text) for c in split))
        first = seen.setdefault((policy.effect, policy.actions, says), policy)
        if first is not policy:
            where = f"{Path(first.file).name}:{first.line}"
            message = f"the policy {policy.id!r} has the conditions of {first.id!r} ({where})"
            hint = "keep one of them; the obligations of both add up"
            yield _warning("twin", _at(policy), message, hint)


def _of_tools(
    folder: Path | None,
    read: Sequence[tuple[Policy, Sequence[Condition]]],
    shapes: Mapping[str, ToolShape],
    around: Surroundings,
) -> Iterator[Finding]:
    always = [p for p, split in read if p.effect == "forbid" and not split]
    for policy, _ in read:
        over = {t: next((f for f in always if f.governs(t)), None) for t in shapes}
        mine = [over[t] for t in shapes if policy.governs(t)]
        if policy.effect == "permit" and mine and all(mine):
            told = ", ".join(sorted({repr(f.id) for f in mine if f}))
            message = f"the permit {policy.id!r} changes nothing: {told} forbids every such call"
            yield _warning("shadowed", _at(policy), message, "take one of them away")
    for name, shape in shapes.items():
        governing = [(p, split) for p, split in read if p.governs(name)]
        permits = [p for p, _ in governing if p.effect == "permit"]
        file, line = around.places.get(name, (str(folder or "policies"), 1))
        if not permits:
            message = f"no policy permits {name}, so it is always denied"
            hint = f'write permit (principal, action == Action::"{name}", resource) when {{ … }};'
            yield _warning("unpermitted-tool", (file, line, None), message, hint)
        elif shape.consequential and name not in around.waived and not _guarded(governing):
            message = (
                f"{name} has effects, but no policy of it asks for a review or looks at"
                " where the values come from"
            )
            hint = (
                'add @obligation("review:ROLE") to a permit, or'
                " look at context.provenance.targets_trusted and context.provenance.asked"
            )
            yield _warning("unguarded", _at(permits[0]), message, hint)


def _guarded(governing: Sequence[tuple[Policy, Sequence[Condition]]]) -> bool:
    for policy, split in governing:
        if any(isinstance(parse_obligation(o), ReviewNeed) for o in policy.obligations):
            return True
        if any(path[:2] in _GUARDS for c in split for path in paths(c.tree)):
            return True
    return False


def _statement(policy: Policy) -> Statement:
    return Statement(file=policy.file, line=policy.line, column=policy.column, text=policy.text)


def _at(policy: Policy) -> _Place:
    return policy.file, policy.line, policy.column


def _warning(code: str, place: _Place, message: str, hint: str) -> Finding:
    file, line, column = place
    return Finding(
        severity="warning",
        code=code,
        file=file,
        line=line,
        column=column,
        message=message,
        hint=hint,
    )
