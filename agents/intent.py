"""The intent classifier: a linear model first, a chat model only below its threshold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from concertmaster.agents.asking import ask, chosen
from concertmaster.agents.prompts import classification_prompt
from concertmaster.agents.task import Task
from concertmaster.contracts import Alternative, Intent, Usage
from concertmaster.errors import ModelError

if TYPE_CHECKING:
    from concertmaster.models.classifier import Scores

__all__ = ["classify_intent"]

OUT_OF_SCOPE = "out_of_scope"


async def classify_intent(task: Task) -> dict[str, Any]:
    """Read the request's intent. Out of scope is a result; a follow-up may take the thread's.

    A follow-up never takes over an intent that acts, unless it answers the desk's own question:
    what was done once is not done again because somebody asked "and when?".
    """
    intent, usage = await _decide(task)
    task.record(
        "intent.classified",
        why=intent.why,
        intent=intent.name,
        in_scope=intent.in_scope,
        confidence=round(intent.confidence, 4),
        method=intent.method,
        alternatives=[a.model_dump() for a in intent.alternatives],
    )
    return {"intent": intent, "usage": usage}


async def _decide(task: Task) -> tuple[Intent, Usage]:
    request, memory, usage = task.turn.request, task.memory, task.turn.usage
    known = {i.name for i in task.services.spec.intents.intents}
    classifier = task.services.classifier
    if memory.asked and memory.intent in known and request.follows:
        why = f"the message {request.follows}"
        return _intent(task, str(memory.intent), 1.0, "thread", why), usage
    if classifier is None:
        return _out(task, 0.0, "linear", "the workspace declares no intents"), usage
    scores = await asyncio.to_thread(classifier.predict, request.text)
    if scores.in_scope:
        return _from_scores(task, scores, "the best match among the declared intents"), usage
    if request.follows:
        joined = await asyncio.to_thread(classifier.predict, request.resolved)
        for name, probability in joined.ranked:
            if joined.in_scope and not task.services.spec.intent(name).acts:
                why = f"the message {request.follows}; read with the thread's topic"
                return _intent(task, name, probability, "thread", why), usage
    return await _ask_model(task, scores)


async def _ask_model(task: Task, scores: Scores) -> tuple[Intent, Usage]:
    choice = chosen(task)
    best = scores.ranked[0][1] if scores.ranked else 0.0
    if choice.model is None:
        return _out(task, best, "linear", "unlike every declared intent"), task.turn.usage
    names = [i.name for i in task.services.spec.intents.intents]
    schema = {
        "title": "intent",
        "type": "object",
        "properties": {"intent": {"enum": [*names, OUT_OF_SCOPE]}},
        "required": ["intent"],
        "additionalProperties": False,
    }
    prompt = classification_prompt(task.services.spec, task.turn.request.resolved)
    try:
        reply, usage = await ask(task, choice, prompt, why="chose an intent", schema=schema)
    except ModelError:
        why = "unlike every declared intent; the model failed"
        return _out(task, best, "linear", why), task.turn.usage
    name = (reply.data or {}).get("intent")
    if name in names:
        why = "a model chose it below the linear threshold"
        return _intent(task, str(name), best, "model", why), usage
    return _out(task, best, "model", "linear model and chat model both found no intent"), usage


def _from_scores(task: Task, scores: Scores, why: str) -> Intent:
    name, probability = scores.ranked[0]
    intent = _intent(task, name, probability, "linear", why)
    others = tuple(Alternative(name=n, confidence=round(p, 4)) for n, p in scores.ranked[1:4])
    return intent.model_copy(update={"alternatives": others})


def _intent(task: Task, name: str, confidence: float, method: str, why: str) -> Intent:
    spec = task.services.spec.intent(name)
    return Intent(
        name=name,
        in_scope=True,
        confidence=confidence,
        method=method,
        why=why,
        owner=spec.owner,
        needs_evidence=spec.needs_evidence,
        acts=spec.acts,
        playbook=spec.playbook,
    )


def _out(task: Task, confidence: float, method: str, why: str) -> Intent:
    return Intent(
        name=None,
        in_scope=False,
        confidence=confidence,
        method=method,
        why=why,
        owner=task.step.owner or task.services.spec.workflow.owner or "",
    )
