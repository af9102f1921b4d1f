"""The executor: proposes calls, from a playbook when one is declared, from a model otherwise."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from concertmaster.agents.asking import ask, chosen, composed
from concertmaster.agents.playbook import Calls, Finished, PlannedCall, advance
from concertmaster.agents.prompts import planning_prompt
from concertmaster.agents.slots import fill
from concertmaster.agents.summarizing import with_summary
from concertmaster.agents.task import Task
from concertmaster.contracts import Action, canonical
from concertmaster.contracts import digest as digest_of
from concertmaster.contracts.spec import PlaybookSpec, StepSpec
from concertmaster.errors import ModelError, ModelUnavailable, ToolError

if TYPE_CHECKING:
    from concertmaster.models.registry import ToolCall

__all__ = ["plan_actions", "playbook_of", "variables"]

_NAME_LIMIT = 64
_ARGUMENTS_LIMIT = 64 * 1024


async def plan_actions(task: Task) -> dict[str, Any]:
    """Propose the next calls of this step, or say that its plan is complete.

    A plan that was accepted before the process went away is taken up as it was: the calls of a
    run never change under its recorded effects.
    """
    if _open(task):
        return {}
    accepted = await _accepted(task)
    if accepted:
        return {"actions": (*task.turn.actions, *accepted)}
    if len(task.turn.actions) >= task.services.spec.workflow.limits.actions:
        return _complete(task, said=None, why="the limit of calls for one run is reached")
    playbook = playbook_of(task, task.step)
    if playbook is not None:
        return _from_playbook(task, playbook)
    return await _from_model(task)


def playbook_of(task: Task, step: StepSpec) -> PlaybookSpec | None:
    """Return the playbook that a step or else the intent declares."""
    name = step.playbook or (task.turn.intent.playbook if task.turn.intent else None)
    return task.services.spec.playbook(name) if name else None


def variables(task: Task, slots: dict[str, Any]) -> dict[str, Any]:
    """Return what the expressions of a playbook may refer to."""
    principal = task.session.principal
    return {
        "slots": slots,
        "principal": {
            "id": principal.id,
            "name": principal.name,
            "roles": list(principal.roles),
            "groups": list(principal.groups),
            "tenant": principal.tenant,
        },
        "request": {"text": task.turn.request.text, "thread": task.session.thread},
        "data": task.turn.data,
        "results": task.turn.outputs(),
    }


def _open(task: Task) -> bool:
    return any(a.step == task.step.id for a in task.turn.unsettled())


async def _accepted(task: Task) -> list[Action]:
    stored = await task.services.plans.load(task.session.run, task.step.id)
    known = {a.position for a in task.turn.actions}
    return [a for a in stored if a.position not in known]


def _from_playbook(task: Task, playbook: PlaybookSpec) -> dict[str, Any]:
    request, memory = task.turn.request, task.memory
    answering = bool(request.follows and memory.asked and not memory.offered)
    own = task.turn.intent.text if task.turn.intent else None
    filled = fill(playbook.slots, own or request.text, earlier=memory.slots, answering=answering)
    slots = {**task.turn.slots, **filled.values}
    if filled.missing:
        slot = filled.missing[0]
        question = slot.question or f"Which {slot.name.replace('_', ' ')} do you mean?"
        update = _complete(task, said=question, why=f"the message names no {slot.name}")
        return {**update, "slots": slots, "asks": slot.name}
    reads = {n for n in task.services.toolbox.names if not task.services.toolbox[n].consequential}
    mine = [
        task.turn.results[str(a.position)]
        for a in task.turn.actions
        if a.step == task.step.id and task.turn.settled(a)
    ]
    match advance(playbook, variables(task, slots), mine, reads):
        case Finished(said, why):
            return {**_complete(task, said=said, why=why), "slots": slots}
        case Calls(calls):
            return {"actions": _propose(task, calls), "slots": slots}


def _propose(task: Task, calls: Sequence[PlannedCall]) -> tuple[Action, ...]:
    first = len(task.turn.actions)
    actions = tuple(
        Action(
            position=first + i,
            step=task.step.id,
            tool=call.tool,
            arguments=call.arguments,
            key=call.key,
            why=call.why,
        )
        for i, call in enumerate(calls)
    )
    _record(task, actions)
    return (*task.turn.actions, *actions)


def _record(task: Task, actions: Sequence[Action]) -> None:
    for action in actions:
        task.record(
            "plan.proposed",
            why=action.why,
            position=action.position,
            tool=action.tool,
            call=action.call_digest(),
        )


def _complete(task: Task, *, said: str | None, why: str) -> dict[str, Any]:
    task.record("plan.proposed", why=f"the plan is complete: {why}", tool=None)
    update: dict[str, Any] = {"planned": tuple(dict.fromkeys((*task.turn.planned, task.step.id)))}
    if said is not None:
        update["said"] = said
    return update


async def _from_model(task: Task) -> dict[str, Any]:
    toolbox = task.services.toolbox
    offered = [_offered(toolbox[t]) for t in task.step.tools or () if t in toolbox.names]
    task = await with_summary(task)
    prompt = planning_prompt(task, offered)
    choice = chosen(task, prompt)
    if choice.model is None:
        raise ModelUnavailable(
            f"step {task.step.id!r} has no playbook for this request, and {choice.reason}",
            hint="declare a playbook for the intent, or give a model with --model",
            kind=choice.kind,
        )
    reply, usage, label = await ask(task, choice, prompt, why="proposed calls")
    spent = {"usage": usage, **composed(task, label)}
    if not reply.tool_calls:
        return {**_complete(task, said=None, why="the model proposes nothing more"), **spent}
    fresh = _fresh(task, reply.tool_calls)
    if not fresh:
        why = "the model proposes only what was proposed before"
        return {**_complete(task, said=None, why=why), **spent}
    room = task.services.spec.workflow.limits.actions - len(task.turn.actions)
    first = len(task.turn.actions)
    calls = [
        PlannedCall(f"call_{first + i}", call.name, call.arguments, "proposed by a model")
        for i, call in enumerate(fresh[:room])
    ]
    return {"actions": _propose(task, calls), **spent}


def _fresh(task: Task, calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Return the calls of bounded size, each consequential one only once in a run.

    A model that repeats itself does not act twice. A call that certainly had no effect may be
    proposed again.

    Raises:
        ModelError: a call is too large to be kept.
    """
    seen = set()
    for action in task.turn.actions:
        result = task.turn.results.get(str(action.position))
        if result is None or result.status != "failed":
            seen.add(_digest(task, action.tool, action.arguments))
    fresh = []
    for call in calls:
        if len(call.name) > _NAME_LIMIT or len(canonical(call.arguments)) > _ARGUMENTS_LIMIT:
            raise ModelError(
                f"the model proposed a call of more than {_ARGUMENTS_LIMIT // 1024} KB, or of a"
                f" name of more than {_NAME_LIMIT} characters"
            )
        digest = _digest(task, call.name, call.arguments)
        toolbox = task.services.toolbox
        repeats = call.name not in toolbox.names or toolbox[call.name].consequential
        if repeats and digest in seen:
            why = "the same call stands in this run's plan already; it is not proposed twice"
            task.record("tool.refused", why=why, tool=call.name, call=digest)
            continue
        seen.add(digest)
        fresh.append(call)
    return fresh


def _digest(task: Task, tool: str, arguments: Mapping[str, Any]) -> str:
    """Return the digest of a call in the form in which it would run, if it can."""
    toolbox = task.services.toolbox
    if tool in toolbox.names:
        with contextlib.suppress(ToolError):
            arguments = toolbox[tool].validate(arguments)
    return digest_of({"tool": tool, "arguments": arguments})


def _offered(tool: Any) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.schema(),
        },
    }
