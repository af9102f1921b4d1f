"""Act: the only place where a tool runs. It trusts the stores, never the state.

The action comes from the stored plan, the approval from the approvals store, the principal from
the session. The call is decided again here, so that a policy, a role or a fact that changed in
between counts; then it goes through the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import (
    Action,
    ActionResult,
    Allow,
    Approval,
    Decision,
    Deny,
    Edit,
    Reject,
    Respond,
    Review,
)
from concertmaster.errors import EffectInDoubt, ToolError
from concertmaster.graphs.authorize import changed, decide, refused, tool_context
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.review import Position
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import update_of
from concertmaster.policies.approvals import satisfies

__all__ = ["make_act"]


@dataclass(frozen=True)
class _Cleared:
    """A call that may run now."""

    action: Action
    approval: Approval | None


def make_act(services: Services, sessions: Sessions) -> Any:
    """Return the node that carries out one stored action."""

    async def act(
        payload: Position, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        position = payload.get("position") if isinstance(payload, dict) else None
        action = await _stored(services, session, position)
        if action is None:
            return await _no_such_plan(services, session, position)
        cleared = await _clear(services, session, action, payload.get("intent"))
        if cleared is None:
            return {}
        if isinstance(cleared, ActionResult):
            result = cleared
        else:
            result = await _run(services, session, cleared.action, payload.get("intent"))
        runtime.stream_writer(changed(result))
        return update_of({"results": {str(action.position): result}})

    return act


async def _stored(services: Services, session: Session, position: Any) -> Action | None:
    if not session.run or not isinstance(position, int) or isinstance(position, bool):
        return None
    return await services.plans.get(session.run, position)


async def _no_such_plan(services: Services, session: Session, position: Any) -> dict[str, Any]:
    services.trail.emit(
        "tool.refused",
        why="no accepted plan of this run holds such a call",
        actor="act",
        run=session.run or None,
        thread=session.thread,
        on_behalf_of=session.principal.id,
        position=position if isinstance(position, int) else None,
    )
    await services.trail.flush()
    return {}


async def _clear(
    services: Services, session: Session, action: Action, intent: str | None
) -> _Cleared | ActionResult | None:
    """Return the call that may run, or the result that says why none may.

    None stands for a call that needs another review: it was edited into one that people have not
    seen, or policy asks for more now than was given. It stays unsettled and is authorized again.
    """
    approval = await services.approvals.granted(session.run, action.position)
    answer = approval.votes[-1].answer if approval and approval.votes else None
    if approval is not None and approval.status == "rejected" and isinstance(answer, Reject):
        return _told(action, "rejected", answer.reason or "the reviewer gave no reason")
    if approval is not None and approval.status == "responded" and isinstance(answer, Respond):
        return _told(action, "answered", answer.text)
    if approval is not None and approval.status == "edited" and isinstance(answer, Edit):
        edited = _edited(services, action, answer)
        if isinstance(edited, ActionResult):
            return edited
        action = edited
        await services.plans.amend(session.run, action.position, action)
    decision = await decide(services, session, action, intent)
    _record(services, session, action, decision, approval)
    if isinstance(decision, Allow):
        return _Cleared(action, approval)
    if isinstance(decision, Review) and approval is not None and satisfies(approval, decision):
        return _Cleared(action, approval)
    if isinstance(decision, Review) and approval is not None:
        return None
    return refused(services, action, decision)


def _edited(services: Services, action: Action, answer: Edit) -> Action | ActionResult:
    """Return the edited call in the form in which it would run."""
    try:
        arguments = services.toolbox[action.tool].validate(answer.arguments)
    except ToolError as error:
        return _told(action, "denied", error.message)
    return action.model_copy(update={"arguments": arguments})


def _told(action: Action, status: Any, message: str) -> ActionResult:
    return ActionResult(
        position=action.position,
        key=action.key,
        tool=action.tool,
        status=status,
        message=message,
        consequential=True,
    )


async def _run(
    services: Services, session: Session, action: Action, intent: str | None
) -> ActionResult:
    tool = services.toolbox[action.tool]
    try:
        result = await services.carrier.carry_out(
            tool,
            action,
            tool_context(services, session, action),
            attempts=_attempts(services, action),
        )
    except EffectInDoubt as error:
        return _told(action, "in_doubt", error.message)
    if result.status != "failed" or tool.fallback is None:
        return result
    return await _fall_back(services, session, action, result, intent)


def _attempts(services: Services, action: Action) -> int:
    retry = services.spec.workflow.step(action.step).retry
    return retry.attempts if retry else 1


async def _fall_back(
    services: Services, session: Session, action: Action, failed: ActionResult, intent: str | None
) -> ActionResult:
    """Try the declared fallback of a failed tool: another call, decided like any other."""
    name = services.toolbox[action.tool].fallback or ""
    other = action.model_copy(update={"tool": name, "why": f"fallback of {action.tool}"})
    decision = await decide(services, session, other, intent)
    _record(services, session, other, decision, None)
    if not isinstance(decision, Allow) or services.toolbox[name].consequential:
        return failed
    result = await services.carrier.carry_out(
        services.toolbox[name],
        other,
        tool_context(services, session, other),
        attempts=_attempts(services, action),
    )
    return result.model_copy(update={"fallback_of": action.tool})


def _record(
    services: Services,
    session: Session,
    action: Action,
    decision: Decision,
    approval: Approval | None,
) -> None:
    services.trail.emit(
        "tool.refused" if isinstance(decision, Deny) else "policy.decided",
        why="; ".join(decision.reasons) or f"decided: {decision.kind}",
        actor="act",
        run=session.run,
        thread=session.thread,
        on_behalf_of=session.principal.id,
        decision=decision.kind,
        tool=action.tool,
        position=action.position,
        step=action.step,
        call=decision.call,
        policies=list(decision.policies),
        bundle=decision.bundle,
        approval=approval.id if approval else None,
    )
