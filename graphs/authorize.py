"""Authorize: the gate's decision for every proposed call. It has no effect on the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import (
    Action,
    ActionResult,
    Allow,
    Decision,
    Deny,
    Origin,
    Provenance,
    Review,
    Turn,
    digest,
)
from concertmaster.contracts.spec import ReviewSpec, StepSpec
from concertmaster.errors import ToolError
from concertmaster.graphs.conversation import shown_waiting, tell
from concertmaster.graphs.grounds import Grounds, gather, take_note
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_messages, read_turn, update_of
from concertmaster.graphs.terminals import wording
from concertmaster.policies.gate import Call
from concertmaster.tools.declaration import ToolContext
from concertmaster.tools.facts import resolve_facts
from concertmaster.tools.journal import entry_of

__all__ = ["changed", "decide", "make_authorize", "record", "refused", "tool_context"]

Next = Literal["act", "human_review", "supervisor"]

_NO_HOST = Deny(call="", reasons=("tools are not called here: this graph runs without its host",))


def make_authorize(services: Services, sessions: Sessions) -> Any:
    """Return the node that every proposed call passes before anything else looks at it."""

    async def authorize(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> Command[Next]:
        session = sessions.of(runtime, thread_of(config))
        turn = read_turn(state)
        unsettled = turn.unsettled()
        if not unsettled:
            if turn.asks is not None:
                await take_note(services, session, turn)
            return Command(goto="supervisor")
        hint = turn.intent.name if turn.intent else None
        grounds = await gather(services, session, hint, turn)
        fitted, results = _fitted(services, unsettled)
        proposed = await _accepted(services, session, fitted)
        now: list[Send] = []
        later: list[Send] = []
        for action in proposed:
            decision = await decide(grounds, action)
            record(grounds, action, decision, actor="gate")
            payload = {"position": action.position, "intent": hint}
            if isinstance(decision, Allow) and not session.run:
                # Nothing would be carried out, and the supervisor would send it here again.
                results[str(action.position)] = refused(services, action, _NO_HOST)
            elif isinstance(decision, Allow):
                now.append(Send("act", payload))
            elif isinstance(decision, Review) and session.run:
                await _request(services, session, action, decision, turn)
                later.append(Send("human_review", payload))
            else:
                results[str(action.position)] = refused(services, action, decision)
        for result in results.values():
            runtime.stream_writer(changed(result))
        update = update_of({"results": results})
        if later and not now:
            told = wording(services, "waiting")
            update["messages"] = shown_waiting(read_messages(state), turn, told)
            tell(update["messages"][-1], config)
        return Command(update=update, goto=now or later or "supervisor")

    return authorize


def changed(result: ActionResult) -> dict[str, Any]:
    """Return what is told while a run goes on: a call has got its result."""
    instead = f"in place of {result.fallback_of}, which failed" if result.fallback_of else ""
    return {
        "kind": "action_changed",
        "tool": result.tool,
        "status": result.status,
        "why": result.message or instead,
    }


def _fitted(
    services: Services, actions: Sequence[Action]
) -> tuple[list[Action], dict[str, ActionResult]]:
    """Bring arguments into the form in which they would run; what does not fit is refused.

    Policies, approvals and the ledger so speak of exactly the values that the tool will get.
    """
    fitted, misfits = [], {}
    for action in actions:
        if action.tool not in services.toolbox.names:
            fitted.append(action)
            continue
        try:
            arguments = services.toolbox[action.tool].validate(action.arguments)
        except ToolError as error:
            denial = Deny(call="", reasons=(error.message,))
            misfits[str(action.position)] = refused(services, action, denial)
        else:
            fitted.append(action.model_copy(update={"arguments": arguments}))
    return fitted, misfits


async def _accepted(
    services: Services, session: Session, actions: Sequence[Action]
) -> list[Action]:
    """Commit the plan before anything of it runs, and return it as it stands.

    A call that was accepted before stays as it was then, or as a reviewer edited it.
    """
    if not session.run:
        return list(actions)
    stored = {a.position: a for a in await services.plans.load(session.run)}
    fresh = [a for a in actions if a.position not in stored]
    for step in dict.fromkeys(a.step for a in fresh):
        await services.plans.save(session.run, step, [a for a in fresh if a.step == step])
    return [stored.get(a.position, a) for a in actions]


async def decide(grounds: Grounds, action: Action) -> Decision:
    """Return the gate's decision for an action, with facts resolved now."""
    services, session = grounds.services, grounds.session
    step = _step(services, action.step)
    tool = services.toolbox[action.tool] if action.tool in services.toolbox.names else None
    facts: Mapping[str, Any] | None = None
    facts_error = None
    allowed = (step.tools or ()) if step else ()
    if tool is not None and tool.facts is not None and action.tool in allowed:
        try:
            facts = await resolve_facts(
                tool, action.arguments, tool_context(services, session, action)
            )
        except ToolError as error:
            facts_error = error.message
    call = Call(
        tool=action.tool,
        arguments=action.arguments,
        principal=session.principal,
        step=action.step,
        allowed=allowed,
        review=(step.review if step else None) or ReviewSpec(),
        facts=facts,
        facts_error=facts_error,
        intent=grounds.intent,
        label=grounds.label(action),
        sources=grounds.sources(action),
        history=grounds.history(action),
        offered=grounds.offered,
    )
    decision = services.gate.decide(call)
    if services.bases is None or not session.run:
        return decision
    basis = services.bases.keep(session.run, call, decision.provenance)
    return decision.model_copy(update={"basis": basis})


def tool_context(services: Services, session: Session, action: Action) -> ToolContext:
    """Return what a tool may know of this call."""
    return ToolContext(
        principal=session.principal,
        run=session.run,
        thread=session.thread,
        idempotency_key=digest({"run": session.run, "position": action.position}),
        data_dir=services.data_dir,
    )


def refused(services: Services, action: Action, decision: Decision) -> ActionResult:
    """Return the result of a call that the gate did not let through."""
    why = "; ".join(decision.reasons) or "no rule permits it"
    if isinstance(decision, Review):
        why = "it needs a reviewer, and this graph runs without its host"
    return ActionResult(
        position=action.position,
        key=action.key,
        tool=action.tool,
        status="denied",
        message=why,
        consequential=_consequential(services, action.tool),
    )


def _consequential(services: Services, name: str) -> bool:
    return name not in services.toolbox.names or services.toolbox[name].consequential


def _step(services: Services, step_id: str) -> StepSpec | None:
    try:
        step = services.spec.workflow.step(step_id)
    except KeyError:
        return None
    return step if step.agent == "executor" else None


async def _request(
    services: Services, session: Session, action: Action, decision: Review, turn: Turn
) -> None:
    evidence = turn.retrieved.evidence if turn.retrieved else ()
    await services.approvals.request(
        action,
        run=session.run,
        thread=session.thread,
        requester=session.principal,
        needs=decision.needs,
        reasons=decision.reasons,
        bundle=decision.bundle,
        evidence=tuple(digest(e.model_dump(mode="json")) for e in evidence),
        provenance=decision.provenance,
        deadline=decision.deadline,
    )


def record(
    grounds: Grounds, action: Action, decision: Decision, *, actor: str, approval: str | None = None
) -> None:
    """Put a decision into the trail, with where the values came from but none of the values.

    What is denied counts in the history of the calls that follow.
    """
    services, session = grounds.services, grounds.session
    label = grounds.label(action)
    services.trail.emit(
        "tool.refused" if isinstance(decision, Deny) else "policy.decided",
        why="; ".join(decision.reasons) or f"decided: {decision.kind}",
        actor=actor,
        run=session.run or None,
        thread=session.thread,
        on_behalf_of=session.principal.id,
        decision=decision.kind,
        tool=action.tool,
        position=action.position,
        step=action.step,
        call=decision.call,
        policies=list(decision.policies),
        bundle=decision.bundle,
        basis=decision.basis,
        needs=[n.model_dump() for n in decision.needs] if isinstance(decision, Review) else [],
        duties=[] if isinstance(decision, Deny) else [d.model_dump() for d in decision.duties],
        approval=approval,
        provenance=_origins(decision.provenance),
        label={"trusted": bool(label.trust), "confidentiality": label.confidentiality.name},
    )
    if isinstance(decision, Deny) and session.run:
        entry = entry_of(action, session.run, session.thread, "refused")
        services.carrier.journal.add(entry)


def _origins(provenance: Provenance | None) -> dict[str, Any] | None:
    """Return the arguments by the origins of their values."""
    if provenance is None:
        return None
    origins: tuple[Origin, ...] = ("principal", "trusted", "untrusted", "composed")
    by_origin: dict[str, Any] = {origin: sorted(provenance.arguments(origin)) for origin in origins}
    return {**by_origin, "asked": provenance.asked}
