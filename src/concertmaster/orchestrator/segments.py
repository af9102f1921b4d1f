"""One segment of a run: from an input, or from a wake-up, to an end or to a wait.

Between the two nothing is checkpointed (`durability="exit"`): a segment that is cut off is
repeated from its beginning, and the accepted plan and the ledger make that safe.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import Outcome, Principal, RunRecord, Turn
from concertmaster.graphs.compile import Graph
from concertmaster.graphs.session import Sessions
from concertmaster.graphs.steps import told
from concertmaster.graphs.terminals import MESSAGES
from concertmaster.orchestrator.checkpoints import prune

__all__ = ["Progress", "Segments", "Settled"]

Progress = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Receives what the nodes tell while they run."""


@dataclass(frozen=True)
class Settled:
    """Where a segment came to rest."""

    outcome: Outcome
    turn: Turn | None


class Segments:
    """Runs segments, one at a time on each thread."""

    def __init__(self, graph: Graph, services: Services, sessions: Sessions) -> None:
        self._graph = graph
        self._services = services
        self._sessions = sessions
        self._threads: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.active: dict[str, asyncio.Task[Any]] = {}

    def lock(self, thread: str) -> asyncio.Lock:
        """Return the lock that keeps two messages on one thread from interleaving."""
        return self._threads[thread]

    def release(self, thread: str) -> None:
        """Forget the lock of a thread on which nobody waits."""
        lock = self._threads.get(thread)
        if lock is not None and not lock.locked():
            del self._threads[thread]

    async def begin(self, record: RunRecord, who: Principal, progress: Progress | None) -> Settled:
        """Run a stored message from its beginning."""
        return await self._run(record, who, {"message": record.text}, progress)

    async def proceed(
        self, record: RunRecord, who: Principal, progress: Progress | None
    ) -> Settled:
        """Take a run up where its checkpoint stands: wake what was decided, or go on."""
        state = await self._graph.aget_state(self._config(record))
        turn = _turn(state.values)
        if turn is None or turn.run != record.id:
            return await self.begin(record, who, progress)
        if not state.next:
            return Settled(turn.outcome or _failed("the run ended without an outcome"), turn)
        if not state.interrupts:
            return await self._run(record, who, None, progress)
        decided = await self._decided(record)
        wake = {i.id: "wake" for i in state.interrupts if _approval(i.value) in decided}
        if not wake:
            return Settled(self._waiting(), turn)
        return await self._run(record, who, Command(resume=wake), progress)

    async def _decided(self, record: RunRecord) -> set[str]:
        approvals = await self._services.approvals.list(run=record.id)
        return {a.id for a in approvals if a.status != "pending"}

    async def _run(
        self, record: RunRecord, who: Principal, given: Any, progress: Progress | None
    ) -> Settled:
        config = self._config(record)
        session = Session(principal=who, run=record.id, thread=record.thread)
        task = asyncio.current_task()
        if task is not None:
            self.active[record.id] = task
        try:
            with self._sessions.ticket(session) as context:
                async for told_by_node in self._graph.astream(
                    given, config, context=context, stream_mode="custom", durability="exit"
                ):
                    if progress is not None:
                        await progress(told_by_node)
        except Exception as error:
            return await self._broken(record, error)
        finally:
            self.active.pop(record.id, None)
        state = await self._graph.aget_state(config)
        turn = _turn(state.values)
        keep = self._services.spec.workflow.limits.checkpoints
        await prune(self._graph.checkpointer, record.thread, keep)
        if state.next:
            return Settled(self._waiting(), turn)
        outcome = turn.outcome if turn else None
        return Settled(outcome or _failed("the run ended without an outcome"), turn)

    async def _broken(self, record: RunRecord, error: Exception) -> Settled:
        cause = told(error)
        self._services.trail.emit(
            "run.ended",
            why=f"failed: {cause}",
            actor="orchestrator",
            run=record.id,
            thread=record.thread,
            on_behalf_of=record.principal.id,
            status="failed",
            error=type(error).__name__,
        )
        wording = self._services.spec.workflow.messages.get("failed") or MESSAGES["failed"]
        return Settled(Outcome(status="failed", text=wording, cause=cause), None)

    def _waiting(self) -> Outcome:
        wording = self._services.spec.workflow.messages.get("waiting") or MESSAGES["waiting"]
        return Outcome(status="awaiting_review", text=wording)

    def _config(self, record: RunRecord) -> RunnableConfig:
        hops = self._services.spec.workflow.limits.hops
        return {
            "configurable": {"thread_id": record.thread},
            "recursion_limit": hops * 5 + 20,
            "run_name": self._services.spec.workflow.workflow,
            "tags": ["concertmaster"],
            "metadata": {"thread_id": record.thread, "concertmaster_run": record.id},
        }


def _turn(values: Mapping[str, Any]) -> Turn | None:
    raw = values.get("turn") if values else None
    return Turn.model_validate(raw) if raw else None


def _approval(value: Any) -> str | None:
    return value.get("approval") if isinstance(value, Mapping) else None


def _failed(cause: str) -> Outcome:
    return Outcome(status="failed", text=MESSAGES["failed"], cause=cause)
