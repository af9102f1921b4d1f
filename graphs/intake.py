"""Intake: a fresh turn under a new run id, cleaned, labelled, read against the thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from concertmaster.agents.followup import resolve
from concertmaster.agents.task import Services, Session
from concertmaster.contracts import (
    Confidentiality,
    Label,
    Memory,
    Message,
    Outcome,
    Principal,
    Request,
    Trust,
    Turn,
    new_id,
    now,
    plain_text,
)
from concertmaster.graphs.conversation import Given, given_of, shown_asked
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_memory, read_messages
from concertmaster.policies.redaction import Finding, in_words

__all__ = ["make_intake"]


def make_intake(services: Services, sessions: Sessions) -> Any:
    """Return the node that starts every turn."""

    async def intake(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        limits = services.spec.workflow.limits
        given = given_of(state, hosted=bool(session.run))
        message = plain_text(given.text)[: limits.message]
        redacted = services.redaction.stored.redact(message)
        text = redacted.text
        memory = _recalled(services, read_memory(state), session.principal)
        resolution = resolve(text, memory)
        label = Label(
            trust=Trust.trusted if session.principal.authenticated else Trust.untrusted,
            confidentiality=Confidentiality.public,
            sources=("request",),
        )
        request = Request(
            text=text,
            resolved=resolution.text,
            principal=session.principal.id,
            received=now().isoformat(),
            label=label,
            follows=resolution.follows,
        )
        run = session.run or new_id("run")
        # Before the first turn `messages` is what somebody sent; with a host nobody sends it.
        before = read_messages(state) if session.run or "window" in state else ()
        kept = _readable(services, before, session.principal)[-limits.window :]
        if redacted.found:
            _tell_redacted(services, session, run, redacted.found)
        services.trail.emit(
            "intake.labelled",
            why=resolution.follows or "a message of its own",
            actor="intake",
            run=run,
            thread=session.thread,
            on_behalf_of=session.principal.id,
            label=label.model_dump(mode="json"),
            characters=len(text),
            kept_messages=len(kept),
        )
        turn = Turn(run=run, request=request, label=label)
        if given.told or not text.strip():
            turn = turn.model_copy(update={"outcome": _unanswerable(given)})
        conversation = shown_asked(kept, turn)
        return {
            **({"messages": conversation} if conversation else {}),
            "window": [m.model_dump(mode="json") for m in kept],
            "memory": memory.model_dump(mode="json"),
            "label": label.model_dump(mode="json"),
            "turn": turn.model_dump(mode="json"),
        }

    return intake


def _tell_redacted(
    services: Services, session: Session, run: str, found: Sequence[Finding]
) -> None:
    """Record what was taken out of a message that came without a host."""
    services.trail.emit(
        "value.redacted",
        why=f"taken out of the message: {in_words(found)}",
        actor="intake",
        run=run,
        thread=session.thread,
        on_behalf_of=session.principal.id,
        kinds={finding.kind: finding.count for finding in found},
    )


def thread_of(config: RunnableConfig) -> str:
    """Return the thread id of a run's configuration."""
    return str(config.get("configurable", {}).get("thread_id", ""))


def _unanswerable(given: Given) -> Outcome:
    return Outcome(
        status="refused",
        text=given.told or "There is no message to answer.",
        cause=given.cause or "empty message",
    )


def _readable(
    services: Services, messages: Sequence[Message], principal: Principal
) -> list[Message]:
    """Drop answers that quote a document which the principal may no longer read."""
    return [m for m in messages if _may_read(services, m.documents, principal)]


def _recalled(services: Services, memory: Memory, principal: Principal) -> Memory:
    """Drop a summary of messages that quoted a document which may no longer be read."""
    summary = memory.summary
    if summary is None or _may_read(services, summary.documents, principal):
        return memory
    return memory.model_copy(update={"summary": None})


def _may_read(
    services: Services, documents: Sequence[tuple[str, str]], principal: Principal
) -> bool:
    knowledge = services.knowledge
    if not documents:
        return True
    if knowledge is None:
        return False
    return all(knowledge.may_read(doc, version, principal) for doc, version in documents)
