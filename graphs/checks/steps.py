"""Steps: nothing left open, and every name that they use is declared."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from concertmaster.contracts.spec import AGENT_KINDS, StepSpec
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.compile import RESERVED
from concertmaster.graphs.problems import Problem, closest
from concertmaster.graphs.terminals import MESSAGES

__all__ = ["check_steps", "check_workflow"]

INPUTS = (
    "request",
    "intent",
    "evidence",
    "actions",
    "results",
    "slots",
    "data",
    "draft",
    "verdict",
)
"""What a step can name as its input: the parts of a turn."""

_ASKED = {
    "owner": "name one of the workflow's `owners`",
    "input": f"list what it works on, of {', '.join(INPUTS)}",
    "model": "write what it needs, such as {need: chat, tier: small}, or `none`",
    "tools": "list the tools that it may call, or `[]`",
    "permission": "name the policy file for its tools, such as policies/desk.cedar, or `none`",
    "review": "write `none`, `policy`, or {mode: always, roles: […]}",
    "success_metric": "write what success means, such as {name: answers_accepted, target: 0.9}",
    "timeout": "write how long it may take, such as 20s",
    "retry": "write how often it is tried in all, such as {attempts: 2}",
    "fallback": "name another step, `escalate` or `refuse`",
}


def check_workflow(subject: Subject) -> Iterator[Problem]:
    """Look at the workflow's own words: owner, metric, messages, people."""
    workflow = subject.workflow
    for asked in ("owner", "success_metric"):
        if getattr(workflow, asked) is None:
            yield _missing(subject, ("workflow",), "the workflow", asked)
    if workflow.owner is not None and workflow.owner not in workflow.owners:
        yield subject.unknown(
            ("workflow", "owner"), "owner", workflow.owner, workflow.owners, "the workflow"
        )
    for key in workflow.messages:
        if key not in MESSAGES:
            yield subject.unknown(
                ("workflow", "messages", key), "message", key, MESSAGES, "messages"
            )
    people = subject.workspace.spec.principals.principals
    ids = [(p.id, ("principals", "principals", i, "id")) for i, p in enumerate(people)]
    yield from subject.twice(ids, "principal")


def check_steps(subject: Subject) -> Iterator[Problem]:
    """Look at every step by itself."""
    steps = subject.workflow.steps
    ids: list[tuple[str, Place]] = [
        (s.id, ("workflow", "steps", i, "id")) for i, s in enumerate(steps)
    ]
    yield from subject.twice(ids, "step")
    for index, step in enumerate(steps):
        at = ("workflow", "steps", index)
        for asked in _ASKED:
            if getattr(step, asked) is None:
                yield _missing(subject, at, f"step {step.id!r}", asked)
        if step.id in RESERVED:
            told = f"the id {step.id!r} is the name of a node of the graph itself"
            yield subject.error((*at, "id"), "reserved-id", told, "give it another name")
        yield from _names(subject, step, at)
        yield from _agent(subject, step, at)
        yield from _permission(subject, step, at)


def _missing(subject: Subject, at: Place, whose: str, asked: str) -> Problem:
    code = f"missing-{asked.replace('_', '-')}"
    return subject.error(at, code, f"{whose} has no {asked}", _ASKED[asked])


def _names(subject: Subject, step: StepSpec, at: Place) -> Iterator[Problem]:
    whose = f"step {step.id!r}"
    owners = subject.workflow.owners
    if step.owner is not None and step.owner not in owners:
        yield subject.unknown((*at, "owner"), "owner", step.owner, owners, whose)
    for n, name in enumerate(step.input or ()):
        if name not in INPUTS:
            yield subject.unknown((*at, "input", n), "input", name, INPUTS, whose)
    toolbox = subject.workspace.toolbox
    for n, name in enumerate(step.tools or ()):
        if name not in toolbox:
            yield subject.unknown((*at, "tools", n), "tool", name, toolbox, whose)
    if step.tools and step.agent != "executor":
        told = f"{whose} lists tools, but only steps of the agent 'executor' call any"
        yield subject.warning((*at, "tools"), "idle-tools", told, "write `tools: []`")
    playbooks = {p.name for p in subject.playbooks}
    if step.playbook is not None and step.playbook not in playbooks:
        place = (*at, "playbook")
        yield subject.unknown(place, "playbook", step.playbook, playbooks, whose)


def _agent(subject: Subject, step: StepSpec, at: Place) -> Iterator[Problem]:
    if step.agent in AGENT_KINDS:
        return
    place, whose = (*at, "agent"), f"step {step.id!r}"
    function = subject.workspace.customs.get(step.agent)
    if function is None:
        told = f"{whose}: there is no agent {step.agent!r}"
        hint = closest(step.agent, AGENT_KINDS) or "give its function in `customs`"
        yield subject.error(place, "agent", told, hint)
        return
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        told = f"{whose}: {step.agent} does not take the two arguments (state, runtime)"
        hint = "define it as: async def step(state, runtime) -> dict"
        yield subject.error(place, "agent", told, hint)


def _permission(subject: Subject, step: StepSpec, at: Place) -> Iterator[Problem]:
    if step.permission is None:
        return
    place, whose = (*at, "permission"), f"step {step.id!r}"
    if step.permission == "none":
        if step.tools and step.agent == "executor":
            told = f"{whose} lists tools, and no policy file that governs them"
            hint = "name the file, such as policies/desk.cedar"
            yield subject.warning(place, "no-permission", told, hint)
        return
    policies = subject.workspace.policies
    files = sorted(policies.glob("*.cedar")) if policies else []
    root = subject.workspace.path or (policies.parent if policies else Path())
    if (root / step.permission).resolve() in {f.resolve() for f in files}:
        return
    known = [f"{f.parent.name}/{f.name}" for f in files]
    yield subject.unknown(place, "permission", step.permission, known, whose)
