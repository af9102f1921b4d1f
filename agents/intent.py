"""The intent classifier: the workspace's predictor or a linear model, a chat model below those."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from concertmaster.agents.asking import ask, chosen
from concertmaster.agents.clarifying import chosen_of, margin_of, question
from concertmaster.agents.followup import AGREES, DECLINES, MEANS, QUEUED
from concertmaster.agents.predicted_intent import OUT_OF_SCOPE, told_intent
from concertmaster.agents.prompts import classification_prompt
from concertmaster.agents.several import Part, requests_in
from concertmaster.agents.task import Task
from concertmaster.contracts import Alternative, Intent, Outcome
from concertmaster.contracts.queued import Queued
from concertmaster.errors import ModelError

if TYPE_CHECKING:
    from concertmaster.models.classifier import IntentModel, Scores

__all__ = ["classify_intent"]

ASKED = "intent"
DECLINED = "All right."


@dataclass(frozen=True)
class _Read:
    """The intent, and what else of the turn follows from reading it."""

    intent: Intent
    more: dict[str, Any] = field(default_factory=dict)


async def classify_intent(task: Task) -> dict[str, Any]:
    """Read the request's intent. Out of scope is a result; a follow-up may take the thread's.

    A follow-up never takes over an intent that acts, unless it answers the desk's own question:
    what was done once is not done again because somebody asked "and when?". Of two intents that
    are close, the author is asked which is meant, once. Of several requests in one message the
    first is worked on, the others are queued.
    """
    read = await _decide(task)
    intent = read.intent
    queued = read.more.get("queued", ())
    task.record(
        "intent.classified",
        why=intent.why,
        intent=intent.name,
        in_scope=intent.in_scope,
        confidence=round(intent.confidence, 4),
        method=intent.method,
        alternatives=[a.model_dump() for a in intent.alternatives],
        offers=list(read.more.get("offers", ())),
        queued=[q.intent for q in queued],
    )
    return {"intent": intent, "usage": task.turn.usage, **read.more}


async def _decide(task: Task) -> _Read:
    request, memory = task.turn.request, task.memory
    known = {i.name for i in task.services.spec.intents.intents}
    classifier = task.services.classifier
    if request.follows in (AGREES, DECLINES):
        return await _next(task, known)
    if memory.asked and memory.intent in known and request.follows and memory.asked != QUEUED:
        why = f"the message {request.follows}"
        return _Read(_intent(task, str(memory.intent), 1.0, "thread", why), _kept(memory.queued))
    if classifier is None:
        return _Read(_out(task, 0.0, "linear", "the workspace declares no intents"))
    scores = await asyncio.to_thread(classifier.predict, request.text)
    if request.follows == MEANS:
        return await _meant(task, scores, classifier)
    parts = await asyncio.to_thread(requests_in, request.text, scores, classifier.predict)
    if len(parts) > 1:
        return _several(task, parts)
    told = await told_intent(task)
    if told is not None and told.name and (told.scope or scores.in_scope):
        likely = dict(scores.ranked).get(told.name, 0.0)
        confidence = likely if told.probability is None else told.probability
        return _Read(_intent(task, told.name, confidence, "predictor", told.why))
    if told is not None and told.name is None:
        scores = replace(scores, in_scope=False)
    if scores.in_scope:
        options = _close(task, scores, classifier) if not request.follows else ()
        if options:
            return _asking(task, scores, options)
        return _Read(_from_scores(task, scores, "the best match among the declared intents"))
    if request.follows:
        joined = await asyncio.to_thread(classifier.predict, request.resolved)
        for name, probability in joined.ranked:
            if joined.in_scope and not task.services.spec.intent(name).acts:
                why = f"the message {request.follows}; read with the thread's topic"
                return _Read(_intent(task, name, probability, "thread", why))
    return await _ask_model(task, scores)


def _kept(queued: tuple[Queued, ...]) -> dict[str, Any]:
    return {"queued": queued} if queued else {}


def _close(task: Task, scores: Scores, classifier: IntentModel) -> tuple[str, ...]:
    """Return the two intents to choose between, if they are close."""
    if len(scores.ranked) < 2:
        return ()
    (first, likely), (second, less) = scores.ranked[:2]
    margin = margin_of(task.services.spec, classifier.margin)
    return (first, second) if likely - less < margin else ()


def _asking(task: Task, scores: Scores, options: tuple[str, ...]) -> _Read:
    """Ask which of two is meant; nothing else happens in this turn."""
    read = _from_scores(task, scores, f"{' and '.join(options)} are close; their author is asked")
    undecided = {"name": None, "method": "clarify", "needs_evidence": False, "acts": False}
    intent = read.model_copy(update={**undecided, "playbook": None})
    told = question(task.services.spec, options)
    outcome = Outcome(status="answered", text=told, asks=ASKED, cause="asks which is meant")
    return _Read(intent, {"asks": ASKED, "offers": options, "outcome": outcome})


async def _meant(task: Task, scores: Scores, classifier: IntentModel) -> _Read:
    """Read the answer to the question; what answers it not is a message of its own."""
    spec, memory = task.services.spec, task.memory
    declared = {i.name for i in spec.intents.intents}
    options = tuple(o for o in memory.offered if o in declared)
    chosen = chosen_of(task.turn.request.text, options, spec, scores) if options else None
    if chosen is False:
        return _Read(_out(task, scores.ranked[0][1], "thread", "none of the intents was meant"))
    if chosen is None:
        if scores.in_scope:
            why = "the best match; the question was not answered"
            read = _from_scores(task, scores, why)
            return _Read(read.model_copy(update={"text": task.turn.request.text}))
        return await _ask_model(task, scores)
    offered: tuple[str, ...] = ()
    if _said_before(task, memory.topic):
        again = await asyncio.to_thread(classifier.predict, memory.topic)
        offered = _close(task, again, classifier)
    method = "chosen" if chosen in offered else "thread"
    why = f"the author chose it: the message {MEANS}"
    intent = _intent(task, chosen, 1.0, method, why)
    return _Read(intent.model_copy(update={"text": memory.topic}))


async def _next(task: Task, known: set[str]) -> _Read:
    """Go on with what an earlier message wanted besides, or leave it."""
    request, classifier = task.turn.request, task.services.classifier
    left = [q for q in task.memory.queued if q.intent in known]
    if request.follows == DECLINES or not left or classifier is None:
        intent = _out(task, 1.0, "thread", f"the message {request.follows}")
        outcome = Outcome(status="answered", text=DECLINED)
        return _Read(intent.model_copy(update={"in_scope": True}), {"outcome": outcome})
    following, *others = left
    again = await asyncio.to_thread(classifier.predict, following.text)
    own = again.in_scope and again.ranked[0][0] == following.intent
    method = "chosen" if own and _said_before(task, following.text) else "thread"
    intent = _intent(task, following.intent, 1.0, method, f"the message {AGREES}")
    return _Read(intent.model_copy(update={"text": following.text}), _kept(tuple(others)))


def _said_before(task: Task, text: str) -> bool:
    """Tell whether the host knows these words as the principal's own: memory is only state."""
    return bool(text) and any(text in words for words in task.session.words[1:])


def _several(task: Task, parts: Sequence[Part]) -> _Read:
    """Work on the first request, and queue the others."""
    first, *others = parts
    why = f"the first of {len(parts)} requests in the message"
    intent = _from_scores(task, first.scores, why).model_copy(update={"text": first.text})
    queued = tuple(Queued(intent=p.scores.ranked[0][0], text=p.text) for p in others)
    return _Read(intent, _kept(queued))


async def _ask_model(task: Task, scores: Scores) -> _Read:
    best = scores.ranked[0][1] if scores.ranked else 0.0
    names = [i.name for i in task.services.spec.intents.intents]
    schema = {
        "title": "intent",
        "type": "object",
        "properties": {"intent": {"enum": [*names, OUT_OF_SCOPE]}},
        "required": ["intent"],
        "additionalProperties": False,
    }
    prompt = classification_prompt(task, schema)
    choice = chosen(task, prompt)
    if choice.model is None:
        return _Read(_out(task, best, "linear", "unlike every declared intent"))
    try:
        reply, usage, _ = await ask(task, choice, prompt, why="chose an intent")
    except ModelError:
        why = "unlike every declared intent; the model failed"
        return _Read(_out(task, best, "linear", why))
    name = (reply.data or {}).get("intent")
    if name in names:
        why = "a model chose it below the linear threshold"
        return _Read(_intent(task, str(name), best, "model", why), {"usage": usage})
    why = "linear model and chat model both found no intent"
    return _Read(_out(task, best, "model", why), {"usage": usage})


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
