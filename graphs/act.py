"""Act: the only place where a tool runs. It trusts the stores, never the state.

The action comes from the stored plan, the approval from the approvals store, the principal from
the session. The call is decided again here, so that a policy, a role or a fact that changed in
between counts; then it goes through the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from concertmaster.agents.budgeting import spend
from concertmaster.agents.recorder import Recorder
from concertmaster.agents.task import Services, Session
from concertmaster.contracts import (
    Action,
    ActionResult,
    Allow,
    Edit,
    Reject,
    Respond,
    Review,
    StepFailure,
)
from concertmaster.contracts.budget import Measure
from concertmaster.errors import BudgetReached, EffectInDoubt, ToolError
from concertmaster.graphs.authorize import changed, decide, record, refused, tool_context
from concertmaster.graphs.duties import notify, withheld_fields
from concertmaster.graphs.grounds import Grounds, gather
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.review import Position
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import update_of
from concertmaster.policies.approvals import satisfies
from concertmaster.policies.deadlines import DEADLINE
from concertmaster.tools.journal import entry_of

__all__ = ["make_act"]

_CALL: Mapping[Measure, float] = {"tool_calls": 1, "seconds": 0}


@dataclass(frozen=True)
class _Cleared:
    """A call that may run now, and what must happen besides."""

    action: Action
    decision: Allow | Review


class _Turns:
    """Lets one consequential call of a thread at a time be decided and carried out.

    Of calls that were proposed together each is so judged by what the ones before it did.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def wait(self, services: Services, thread: str, tool: str) -> AsyncIterator[None]:
        toolbox = services.toolbox
        if tool in toolbox.names and not toolbox[tool].consequential:
            yield
            return
        lock = self._locks.setdefault(thread, asyncio.Lock())
        async with lock:
            yield


def make_act(services: Services, sessions: Sessions) -> Any:
    """Return the node that carries out one stored action."""
    turns = _Turns()

    async def act(
        payload: Position, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        position = payload.get("position") if isinstance(payload, dict) else None
        action = await _stored(services, session, position)
        if action is None:
            return await _no_such_plan(services, session, position)
        failed: dict[str, StepFailure] = {}
        async with turns.wait(services, session.thread, action.tool):
            try:
                result = await _settled(services, session, action, payload.get("intent"))
            except BudgetReached as error:
                result = _told(action, "denied", error.message)
                failed = _ended(action, error)
        if result is None:
            return {}
        runtime.stream_writer(changed(result))
        label = result.label if result.status == "done" else None
        return {
            **update_of({"results": {str(action.position): result}, **failed}),
            **({"label": label.model_dump(mode="json")} if label else {}),
        }

    return act


async def _settled(
    services: Services, session: Session, action: Action, hint: str | None
) -> ActionResult | None:
    """Decide a call by what is known now, and carry it out if it may run."""
    grounds = await gather(services, session, hint)
    cleared = await _clear(grounds, action)
    if isinstance(cleared, _Cleared):
        result = await _run(grounds, cleared)
        notify(grounds, cleared.action, cleared.decision, result)
        return result
    return cleared


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


async def _clear(grounds: Grounds, action: Action) -> _Cleared | ActionResult | None:
    """Return the call that may run, or the result that says why none may.

    None stands for a call that needs another review: it was edited into one that people have not
    seen, or policy asks for more now than was given. It stays unsettled and is authorized again.
    """
    services, session = grounds.services, grounds.session
    approval = await services.approvals.granted(session.run, action.position)
    answer = approval.votes[-1].answer if approval and approval.votes else None
    if approval is not None and approval.status == "rejected" and isinstance(answer, Reject):
        why = answer.reason or "the reviewer gave no reason"
        late = approval.votes[-1].by == DEADLINE
        return _turned_down(grounds, action, "denied" if late else "rejected", why)
    if approval is not None and approval.status == "responded" and isinstance(answer, Respond):
        return _turned_down(grounds, action, "answered", answer.text)
    if approval is not None and approval.status == "edited" and isinstance(answer, Edit):
        edited = _edited(services, action, answer)
        if isinstance(edited, ActionResult):
            return edited
        action = edited
        await services.plans.amend(session.run, action.position, action)
    decision = await decide(grounds, action)
    record(grounds, action, decision, actor="act", approval=approval.id if approval else None)
    if isinstance(decision, Allow):
        return _Cleared(action, decision)
    if isinstance(decision, Review) and approval is not None:
        return _Cleared(action, decision) if satisfies(approval, decision) else None
    return refused(services, action, decision)


def _turned_down(grounds: Grounds, action: Action, status: Any, message: str) -> ActionResult:
    """Return the result of a call that a reviewer did not let through; it counts as refused."""
    entry = entry_of(action, grounds.session.run, grounds.session.thread, "refused")
    grounds.services.carrier.journal.add(entry)
    return _told(action, status, message)


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


def _ended(action: Action, error: BudgetReached) -> dict[str, StepFailure]:
    """Return what ends a run at the limit of a budget."""
    return {
        "failed": StepFailure(
            step=action.step, why=error.message, fallback=error.fallback, owner=error.owner
        )
    }


async def _paid(grounds: Grounds, action: Action, decision: Allow | Review) -> ActionResult:
    """Make a call, or read what it brought about before, which costs nothing."""
    services, session = grounds.services, grounds.session

    async def carry_out() -> ActionResult:
        return await services.carrier.carry_out(
            services.toolbox[action.tool],
            action,
            tool_context(services, session, action),
            attempts=_attempts(services, action),
            withhold=withheld_fields(decision),
        )

    spending = services.spending
    if spending is None or not spending.counts(*_CALL) or await _begun(services, session, action):
        return await carry_out()
    async with spend(Recorder(services, session, "act", session.run or None), _CALL):
        return await carry_out()


async def _begun(services: Services, session: Session, action: Action) -> bool:
    effects = await services.carrier.ledger.effects(session.run)
    return any(effect.position == action.position for effect in effects)


async def _run(grounds: Grounds, cleared: _Cleared) -> ActionResult:
    services, action = grounds.services, cleared.action
    tool = services.toolbox[action.tool]
    try:
        result = await _paid(grounds, action, cleared.decision)
    except EffectInDoubt as error:
        return _told(action, "in_doubt", error.message)
    if result.status != "failed" or tool.fallback is None:
        return result
    return await _fall_back(grounds, action, result)


def _attempts(services: Services, action: Action) -> int:
    retry = services.spec.workflow.step(action.step).retry
    return retry.attempts if retry else 1


async def _fall_back(grounds: Grounds, action: Action, failed: ActionResult) -> ActionResult:
    """Try the declared fallback of a failed tool: another call, decided like any other."""
    services = grounds.services
    name = services.toolbox[action.tool].fallback or ""
    other = action.model_copy(update={"tool": name, "why": f"fallback of {action.tool}"})
    decision = await decide(grounds, other)
    record(grounds, other, decision, actor="act")
    if not isinstance(decision, Allow) or services.toolbox[name].consequential:
        return failed
    result = await _paid(grounds, other, decision)
    notify(grounds, other, decision, result)
    return result.model_copy(update={"fallback_of": action.tool})
