"""How a turn ends: finish, escalate or refuse. The outcome, and what the thread keeps of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from concertmaster.agents.clarifying import CLARIFY, called
from concertmaster.agents.clearance import answer_label, known
from concertmaster.agents.followup import QUEUED
from concertmaster.agents.recollection import note_of, remembered
from concertmaster.agents.task import Services
from concertmaster.contracts import Memory, Message, Outcome, Turn
from concertmaster.graphs.conversation import shown, sources_of, tell
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_memory, read_messages, read_turn, update_of

__all__ = ["MESSAGES", "make_terminal", "remember", "wording"]

MESSAGES: Mapping[str, str] = {
    "out_of_scope": "This is outside what this desk does. {owner} can help you further.",
    "no_source": "I found no approved source for this, so I have passed it to {owner}.",
    "escalated": "I could not finish this and have passed it to {owner}.",
    "refused": "This cannot be done here.",
    "failed": "Something went wrong on our side. Nothing was lost; please try again later.",
    "queued": "Your earlier request comes first; I will answer this one right after it.",
    "clarify": CLARIFY,
    "besides": "You also asked about something else: {what}. Shall I go on with that?",
    "waiting": "This needs a person's approval. You will hear from us.",
}
"""Wording that a workspace may replace under `messages:`; `{owner}` is the owner's name.

In `clarify`, `{options}` are the intents to choose from; in `besides`, `{what}` is what a message
wanted besides what was worked on.
"""

_TOPIC = 600
_MODELS = 32
_NAMED = ("answered", "escalated", "refused")
_CALLED = ("done", "failed", "in_doubt")

Terminal = Literal["finish", "escalate", "refuse"]


def make_terminal(kind: Terminal, services: Services, sessions: Sessions) -> Any:
    """Return the node that ends a turn in one way."""

    async def terminal(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        turn = read_turn(state)
        outcome = _besides(services, turn, turn.outcome or _OUTCOMES[kind](services, turn))
        called = sum(r.status in _CALLED for r in turn.results.values())
        usage = turn.usage.model_copy(update={"tool_calls": called})
        services.trail.emit(
            "run.ended",
            why=outcome.cause or f"ended as {outcome.status}",
            actor=kind,
            run=session.run or turn.run,
            thread=session.thread,
            on_behalf_of=session.principal.id,
            status=outcome.status,
            owner=outcome.owner,
            usage=usage.model_dump(),
        )
        # What the turn read is stored before its state is, which may hold parts of it.
        if services.carrier.journal.waiting:
            await services.trail.flush()
        window = services.spec.workflow.limits.window
        before = read_messages(state)
        messages = (*before, *_said(services, turn, outcome, before))[-window:]
        conversation = shown(messages)
        if outcome.text:
            tell(conversation[-1], config)
        return {
            **update_of({"outcome": outcome, "usage": usage}),
            **({"messages": conversation} if conversation else {}),
            "window": [m.model_dump(mode="json") for m in messages],
            "memory": remember(read_memory(state), turn, outcome).model_dump(mode="json"),
        }

    terminal.__name__ = kind
    return terminal


def remember(memory: Memory, turn: Turn, outcome: Outcome) -> Memory:
    """Return what the thread remembers after this turn: the principal's own words and values."""
    kept = {
        "notes": remembered(memory.notes, note_of(turn, outcome)),
        "summary": turn.summary or memory.summary,
        "models": dict([*{**memory.models, **turn.models}.items()][-_MODELS:]),
    }
    if turn.intent is not None and not turn.intent.in_scope:
        return memory.model_copy(update={"asked": None, "offered": (), "queued": (), **kept})
    request = turn.request
    own = turn.intent.text if turn.intent else None
    topic = own or (request.resolved if request.follows else request.text)
    asked = turn.asks if outcome.status == "answered" else None
    if outcome.asks == QUEUED:
        asked = QUEUED
    given = {k: v for k, v in turn.slots.items() if v is not None}
    return Memory(
        topic=topic[-_TOPIC:],
        intent=turn.intent.name if turn.intent else memory.intent,
        slots={**memory.slots, **given},
        asked=asked,
        offered=turn.offers if asked is not None else (),
        queued=turn.queued,
        **kept,
    )


def _besides(services: Services, turn: Turn, outcome: Outcome) -> Outcome:
    """Name what else the message wanted, unless the desk waits for another answer first."""
    known = {i.name: i for i in services.spec.intents.intents}
    others = [q for q in turn.queued if q.intent in known]
    if not others or outcome.asks or outcome.status not in _NAMED:
        return outcome
    told = wording(services, "besides").replace("{what}", called(known[others[0].intent]))
    return outcome.model_copy(update={"text": f"{outcome.text} {told}".strip(), "asks": QUEUED})


def _said(
    services: Services, turn: Turn, outcome: Outcome, before: Sequence[Message]
) -> tuple[Message, Message]:
    cited = tuple(dict.fromkeys((c.document, c.version) for c in outcome.citations))
    own = known(turn.request.label)
    # What is passed on is told in the workspace's own words.
    worded = outcome.status == "escalated"
    label = own if worded else answer_label(turn, before, services.toolbox)
    return (
        Message(role="user", text=turn.request.text, run=turn.run, label=own),
        Message(
            role="assistant",
            text=outcome.text,
            run=turn.run,
            documents=cited,
            sources=sources_of(outcome.citations),
            label=label,
        ),
    )


def _finish(services: Services, turn: Turn) -> Outcome:
    draft = turn.draft
    if draft is None:
        return _escalate(services, turn)
    stopped = [r for r in turn.unsuccessful() if r.status in ("denied", "rejected")]
    failed = [r for r in turn.unsuccessful() if r.status == "failed"]
    citations = tuple(dict.fromkeys(c for s in draft.sentences for c in s.citations))
    if stopped:
        cause = "; ".join(f"{r.tool} was {r.status}: {r.message}" for r in stopped)
        return Outcome(status="refused", text=draft.text, citations=citations, cause=cause)
    if any(r.consequential for r in failed) or (failed and not turn.outputs()):
        cause = "; ".join(f"{r.tool} failed: {r.message}" for r in failed)
        return Outcome(status="failed", text=draft.text, cause=cause)
    return Outcome(status="answered", text=draft.text, citations=citations, asks=draft.asks)


def _escalate(services: Services, turn: Turn) -> Outcome:
    hop = turn.hops[-1] if turn.hops else None
    owner = (hop.owner if hop else None) or services.spec.workflow.owner
    cause = hop.why if hop else "no route applies"
    if turn.failed is not None:
        cause = f"{cause}: {turn.failed.why}"
    elif turn.verdict is not None and turn.verdict.status == "escalate":
        cause = f"{cause}: {turn.verdict.why}"
    return Outcome(
        status="escalated", text=wording(services, _kind(turn), owner), owner=owner, cause=cause
    )


def _kind(turn: Turn) -> str:
    if turn.failed is not None:
        return "escalated"
    if turn.intent is not None and not turn.intent.in_scope:
        return "out_of_scope"
    if turn.retrieved is not None and not turn.retrieved.sufficient:
        return "no_source"
    return "escalated"


def _refuse(services: Services, turn: Turn) -> Outcome:
    hop = turn.hops[-1] if turn.hops else None
    told = "; ".join(r.message for r in turn.unsuccessful() if r.message)
    text = wording(services, "refused", None)
    return Outcome(
        status="refused",
        text=f"{text} {told}".strip(),
        cause="; ".join(filter(None, (hop.why if hop else None, told))) or "refused",
    )


def wording(services: Services, kind: str, owner: str | None = None) -> str:
    """Return the workspace's wording of this kind, or ours, with the owner's name filled in."""
    said = services.spec.workflow.messages.get(kind) or MESSAGES[kind]
    return said.replace("{owner}", (owner or "the team in charge").replace("-", " "))


_OUTCOMES = {"finish": _finish, "escalate": _escalate, "refuse": _refuse}
