"""A step as a node: time limit, attempts, fallback and the trail around one agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import stamina
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime

from concertmaster.agents.budgeting import spend
from concertmaster.agents.critic import judge
from concertmaster.agents.custom import run_custom
from concertmaster.agents.executor import plan_actions
from concertmaster.agents.intent import classify_intent
from concertmaster.agents.responder import compose
from concertmaster.agents.retriever import retrieve
from concertmaster.agents.task import Agent, Services, Task
from concertmaster.contracts import (
    Confidentiality,
    Intent,
    Retrieved,
    StepFailure,
    Verdict,
    now,
)
from concertmaster.contracts.budget import Measure
from concertmaster.contracts.spec import StepSpec
from concertmaster.errors import (
    BudgetReached,
    ConcertmasterError,
    ConfigError,
    HomeFenced,
    ModelError,
)
from concertmaster.graphs.intake import thread_of
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.state import State, read_memory, read_messages, read_turn, update_of
from concertmaster.tools.journal import DOCUMENTS, Entry

__all__ = ["AGENTS", "make_step", "told"]

_VISIT: Mapping[Measure, float] = {"steps": 1}

AGENTS: Mapping[str, Agent] = {
    "intent_classifier": classify_intent,
    "retriever": retrieve,
    "executor": plan_actions,
    "responder": compose,
    "critic": judge,
}


def make_step(step: StepSpec, services: Services, sessions: Sessions) -> Any:
    """Return the node of a step. A step that fails leaves its declared fallback in the turn."""
    agent = AGENTS.get(step.agent, run_custom)

    async def node(
        state: State, config: RunnableConfig, runtime: Runtime[Context]
    ) -> dict[str, Any]:
        session = sessions.of(runtime, thread_of(config))
        runtime.stream_writer({"kind": "step_started", "step": step.id})
        task = Task(
            turn=read_turn(state),
            memory=read_memory(state),
            messages=read_messages(state),
            step=step,
            session=session,
            services=services,
        )
        try:
            update = await _attempt(agent, task)
        except _Failed as failed:
            update = _failure(task, failed.error)
        return {**update_of(_finished(task, update)), **_raised(task, update)}

    node.__name__ = step.id
    return node


# A retry is no news on a terminal of which nobody set up the log; who sets one up gets it.
logging.getLogger("stamina").addHandler(logging.NullHandler())


async def _attempt(agent: Agent, task: Task) -> dict[str, Any]:
    retry = task.step.retry
    limit = task.step.timeout
    async for attempt in stamina.retry_context(
        on=_retryable,
        attempts=retry.attempts if retry else 1,
        timeout=None,
        wait_initial=retry.pause if retry else 0.1,
        wait_jitter=0.05,
    ):
        with attempt:
            try:
                async with asyncio.timeout(limit), spend(task, _VISIT):
                    return await agent(task)
            except (GraphBubbleUp, HomeFenced):
                raise
            except Exception as error:
                raise _Failed(error) from None
    raise AssertionError("stamina returns or raises")


class _Failed(Exception):
    """An attempt that failed. Retries are logged with what was raised, so it names a type alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.error = error


def _retryable(error: Exception) -> bool:
    return isinstance(error, _Failed) and not _settled(error.error)


def _settled(error: Exception) -> bool:
    """Tell whether trying again cannot end in another way: no model will fit in a moment either."""
    unfit = isinstance(error, ModelError) and error.kind == "unfit"
    return unfit or isinstance(error, ConfigError | BudgetReached)


def _finished(task: Task, update: dict[str, Any]) -> dict[str, Any]:
    if task.answered:
        update = {**update, "models": task.answered}
    if task.step.agent == "executor" and task.step.id not in update.get("planned", ()):
        return update
    return {**update, "done": tuple(dict.fromkeys((*task.turn.done, task.step.id)))}


def _raised(task: Task, update: Mapping[str, Any]) -> dict[str, Any]:
    """Return the thread's label with the documents that were read, and journal what raises it."""
    found = update.get("retrieved")
    if not isinstance(found, Retrieved) or not found.evidence:
        return {}
    label = found.evidence[0].label
    for passage in found.evidence[1:]:
        label = label.join(passage.label)
    session = task.session
    if session.run and (label.confidentiality > Confidentiality.public or not label.trust):
        task.services.carrier.journal.add(
            Entry(
                run=session.run,
                thread=session.thread,
                position=-1,
                tool=DOCUMENTS,
                call="",
                status="read",
                label=label,
                at=now().isoformat(timespec="milliseconds"),
            )
        )
    return {"label": label.model_dump(mode="json")}


def _failure(task: Task, error: Exception) -> dict[str, Any]:
    """Record the failure and leave what a step that did nothing would, so that no route loops."""
    step = task.step
    why = told(error, step.timeout)
    task.record(
        "step.failed",
        why=f"{step.id} failed: {why}{_once(step, error)}",
        error=type(error).__name__,
        code=getattr(error, "code", None),
        fallback=step.fallback,
    )
    fallback, owner = step.fallback or "escalate", step.owner
    if isinstance(error, BudgetReached):
        fallback, owner = error.fallback, error.owner
    failure = StepFailure(step=step.id, why=why, fallback=fallback, owner=owner)
    return {"failed": failure, **_neutral(task, why)}


def _once(step: StepSpec, error: Exception) -> str:
    several = step.retry is not None and step.retry.attempts > 1
    told = several and _settled(error) and not isinstance(error, BudgetReached)
    return "; not tried again, which could not help" if told else ""


def told(error: BaseException, limit: float | None = None) -> str:
    """Return what may be said of an error: our own words, or the type of anything else."""
    if isinstance(error, ConcertmasterError):
        return error.message
    if isinstance(error, TimeoutError):
        return f"it took longer than {limit:g} s" if limit else "it took too long"
    return f"an unexpected {type(error).__name__}"


def _neutral(task: Task, why: str) -> dict[str, Any]:
    match task.step.agent:
        case "intent_classifier":
            owner = task.step.owner or ""
            return {
                "intent": Intent(
                    name=None, in_scope=False, confidence=0.0, method="linear", why=why, owner=owner
                )
            }
        case "retriever":
            return {"retrieved": Retrieved(query=task.turn.request.resolved, why=why)}
        case "executor":
            return {"planned": tuple(dict.fromkeys((*task.turn.planned, task.step.id)))}
        case "critic":
            return {"verdict": Verdict(status="escalate", supported=0.0, why=why)}
        case _:
            return {}
