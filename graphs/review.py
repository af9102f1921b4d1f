"""Human review: a node that does nothing but interrupt.

A resume wakes the run; it does not approve. What was decided stands in the approvals store. An
inbox that speaks LangChain's HITL protocol may answer through the resume value when the server
authenticated its user; any other value wakes the node and leaves the approval as it is.
"""

from __future__ import annotations

import contextlib
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import Approval
from concertmaster.errors import ApprovalError
from concertmaster.graphs.inbox import read_answer
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.policies.approvals import Approvals

__all__ = ["Position", "hitl_request", "make_review"]


class Position(TypedDict):
    """What a fanned-out node is told: where the call stands in the stored plan."""

    position: int
    intent: str | None


def hitl_request(approval: Approval) -> dict[str, Any]:
    """Return the interrupt's value: LangChain's HITLRequest for one action, with our id."""
    return {
        "action_requests": [
            {
                "name": approval.action.tool,
                "args": approval.action.arguments,
                "description": _description(approval),
            }
        ],
        "review_configs": [
            {
                "action_name": approval.action.tool,
                "allowed_decisions": ["approve", "edit", "reject", "respond"],
            }
        ],
        "approval": approval.id,
    }


def _description(approval: Approval) -> str:
    why = "; ".join(approval.reasons) or approval.action.why
    return "\n".join((why, *approval.concerns()))


def make_review(services: Services, sessions: Sessions) -> Any:
    """Return the node that waits for a stored approval to be decided."""

    async def human_review(
        payload: Position, config: RunnableConfig, runtime: Runtime[Context]
    ) -> Command[Literal["act", "human_review"]]:
        session = sessions.of(runtime, thread_of(config))
        position = payload.get("position", -1)
        approval = await _pending(services.approvals, session, position)
        if approval is not None:
            answer = interrupt(hitl_request(approval))
            await _from_inbox(services, sessions, runtime, approval, answer)
            if await _pending(services.approvals, session, position) is not None:
                # A task that interrupts twice is handed its first resume value again, now on
                # behalf of whoever resumes next. So each task asks once.
                return Command(goto=Send("human_review", payload))
        return Command(goto=Send("act", payload))

    return human_review


async def _pending(approvals: Approvals, session: Session, position: int) -> Approval | None:
    await approvals.sweep(run=session.run)
    for approval in await approvals.list(run=session.run, status="pending"):
        if approval.position == position:
            return approval
    return None


async def _from_inbox(
    services: Services,
    sessions: Sessions,
    runtime: Runtime[Context],
    approval: Approval,
    value: Any,
) -> None:
    """Decide by a resume value, if an authenticated person sent one in a known form."""
    reviewer = sessions.user_of(runtime)
    answer = read_answer(value, approval)
    if not reviewer.authenticated or answer is None:
        return
    with contextlib.suppress(ApprovalError):
        await services.approvals.decide(approval.id, answer, reviewer)
