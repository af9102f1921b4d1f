"""One segment of a run: from an input, or from a wake-up, to an end or to a wait.

Between the two nothing is checkpointed (`durability="exit"`): a segment that is cut off is
repeated from its beginning, and the accepted plan and the ledger make that safe.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StreamMode
from pydantic import ValidationError

from concertmaster.agents.task import Services, Session
from concertmaster.contracts import Outcome, Principal, RunRecord, Turn
from concertmaster.errors import ConcertmasterError, HomeFenced
from concertmaster.graphs.compile import Graph
from concertmaster.graphs.session import Context, Sessions
from concertmaster.graphs.steps import told
from concertmaster.graphs.terminals import MESSAGES, wording
from concertmaster.orchestrator.checkpoints import mend, prune
from concertmaster.orchestrator.runs import Runs
from concertmaster.orchestrator.tracing import Traces
from concertmaster.storage import storage_error

__all__ = ["Progress", "Segments", "Settled", "Watcher"]

_INTERRUPT = "__interrupt__"
"""Under this key the graph tells that it waits; see `langgraph.types.Interrupt`."""

Progress = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Receives what the nodes tell while they run."""

Watcher = Callable[[RunRecord, "Settled | None", bool], None]
"""Told of each segment: when it begins (False), and where it came to rest (True), if anywhere."""


@dataclass(frozen=True)
class Settled:
    """Where a segment came to rest."""

    outcome: Outcome
    turn: Turn | None


@dataclass
class _Turnstile:
    """The lock of a thread, and how many hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Segments:
    """Runs segments, one at a time on each thread."""

    def __init__(
        self, graph: Graph, services: Services, sessions: Sessions, runs: Runs, database: Path
    ) -> None:
        self._graph = graph
        self._services = services
        self._sessions = sessions
        self._runs = runs
        self._database = database
        self.traces = Traces(services)
        self._threads: dict[str, _Turnstile] = {}
        self.active: dict[str, asyncio.Task[Any]] = {}
        self.watchers: list[Watcher] = []

    @asynccontextmanager
    async def alone(self, thread: str) -> AsyncIterator[None]:
        """Keep two messages on one thread from interleaving."""
        turnstile = self._threads.setdefault(thread, _Turnstile())
        turnstile.users += 1
        try:
            async with turnstile.lock:
                yield
        finally:
            turnstile.users -= 1
            if turnstile.users == 0:
                del self._threads[thread]

    async def begin(self, record: RunRecord, who: Principal, progress: Progress | None) -> Settled:
        """Run a stored message from its beginning."""
        return await self._run(record, who, {"message": record.text}, progress)

    async def proceed(
        self, record: RunRecord, who: Principal, progress: Progress | None, *, waited: bool
    ) -> Settled:
        """Take a run up where its checkpoint stands: wake what was decided, or go on.

        A run that waited for a person and whose graph waits no more was taken on by somebody who
        holds the graph. It begins again: what counts stands in the stores, not in its state.
        """
        try:
            await self._mend(record)
            state = await self._graph.aget_state(self._config(record))
            decided = await self._decided(record)
        except Exception as error:
            return await self._broken(record, error)
        turn = _turn(state.values)
        foreign = waited and not state.interrupts
        if turn is None or turn.run != record.id or foreign:
            return await self.begin(record, who, progress)
        if not state.next and turn.outcome is not None:
            return Settled(turn.outcome, turn)
        if not state.interrupts:
            # Cut off in the middle: whatever was checkpointed on the way out, begin again.
            return await self.begin(record, who, progress)
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
        """Run a segment; whoever watches is told when it begins and, in any case, when it ends."""
        for watch in self.watchers:
            watch(record, None, False)
        settled: Settled | None = None
        try:
            settled = await self._segment(record, who, given, progress)
            return settled
        finally:
            for watch in self.watchers:
                watch(record, settled, True)

    async def _segment(
        self, record: RunRecord, who: Principal, given: Any, progress: Progress | None
    ) -> Settled:
        config = self._config(record)
        task = asyncio.current_task()
        if task is not None:
            self.active[record.id] = task
        try:
            await self._mend(record)
            session = Session(
                principal=who,
                run=record.id,
                thread=record.thread,
                words=await self._runs.words(record, who),
            )
            resumed = isinstance(given, Command)
            with (
                self._sessions.ticket(session) as context,
                self.traces.segment(record, resumed=resumed) as traced,
            ):
                values, waits = await self._stream(given, config, context, progress)
                await traced.rest(_turn(values), waits=waits)
        except Exception as error:
            return await self._broken(record, error)
        finally:
            self.active.pop(record.id, None)
        keep = self._services.spec.workflow.kept_checkpoints
        # The run is over; that old states could not be dropped does not change how it ended.
        with contextlib.suppress(sqlite3.Error):
            await prune(self._graph.checkpointer, record.thread, keep)
        turn = _turn(values)
        if waits:
            return Settled(self._waiting(), turn)
        outcome = turn.outcome if turn else None
        return Settled(outcome or _failed("the run ended without an outcome"), turn)

    async def _stream(
        self, given: Any, config: RunnableConfig, context: Context, progress: Progress | None
    ) -> tuple[Mapping[str, Any], bool]:
        """Run the graph; return the state at its rest, and whether it waits for somebody.

        What nodes tell is only listened to if somebody wants to know: it costs each of them a
        wake-up of its own.
        """
        modes: list[StreamMode] = ["values"] if progress is None else ["values", "custom"]
        values: Mapping[str, Any] = {}
        waits = False
        mode: str
        told_by_graph: Any
        async for mode, told_by_graph in self._graph.astream(
            given, config, context=context, stream_mode=modes, durability="exit"
        ):
            if mode == "custom":
                if progress is not None:
                    await progress(told_by_graph)
            elif _INTERRUPT in told_by_graph:
                waits = True
            else:
                values = told_by_graph
        return values, waits

    async def _mend(self, record: RunRecord) -> None:
        """Set aside what cannot be read of the thread's state, and say so in the trail."""
        aside = await mend(self._graph.checkpointer, record.thread)
        if aside:
            self._services.trail.emit(
                "run.recovered",
                why="the thread's last state was damaged; it goes on from the one before",
                actor="orchestrator",
                run=record.id,
                thread=record.thread,
                on_behalf_of=record.principal.id,
                set_aside=aside,
            )

    async def _broken(self, record: RunRecord, error: Exception) -> Settled:
        """Return how a run ends that nothing could carry to its end."""
        if isinstance(error, sqlite3.Error):
            error = storage_error(error, self._database)
        if isinstance(error, HomeFenced):
            raise error  # Whoever has the home now carries the run to its end.
        cause = told(error)
        outcome = await self.given_up(record, cause)
        self._services.trail.emit(
            "run.ended",
            why=f"{outcome.status}: {outcome.cause}",
            actor="orchestrator",
            run=record.id,
            thread=record.thread,
            on_behalf_of=record.principal.id,
            status=outcome.status,
            owner=outcome.owner,
            error=type(error).__name__,
        )
        return Settled(outcome, None)

    async def given_up(self, record: RunRecord, cause: str) -> Outcome:
        """Return how a run ends that is not taken up again; what it left open is in doubt then."""
        with contextlib.suppress(ConcertmasterError, sqlite3.Error):
            ledger = self._services.carrier.ledger
            for effect in await ledger.effects(record.id):
                if effect.status == "intended":
                    await ledger.doubt(record.id, effect.position, cause)
            await self._services.approvals.void(record.id, cause)
        effects = await self._effects(record)
        return self._left_off(cause, effects) if effects else self._failed_by(cause)

    async def _effects(self, record: RunRecord) -> list[str]:
        """Say of each effect of the run whether it took place, or may have."""
        try:
            found = await self._services.carrier.ledger.effects(record.id)
        except (ConcertmasterError, sqlite3.Error):
            return []
        sure = [f"{e.tool} took effect" for e in found if e.status == "done"]
        unsure = [e.tool for e in found if e.status in ("intended", "in_doubt")]
        return sure + [f"whether {tool} took effect is unknown" for tool in unsure]

    def _left_off(self, cause: str, effects: list[str]) -> Outcome:
        """Return the outcome of a run that broke after it acted: not one to be tried again."""
        owner = self._services.spec.workflow.owner
        return Outcome(
            status="escalated",
            text=wording(self._services, "escalated", owner),
            owner=owner,
            cause=f"{cause}; before that: {', '.join(effects)}",
        )

    def _failed_by(self, cause: str) -> Outcome:
        return Outcome(status="failed", text=wording(self._services, "failed"), cause=cause)

    def _waiting(self) -> Outcome:
        return Outcome(status="awaiting_review", text=wording(self._services, "waiting"))

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
    """Return the checkpointed turn, or None if there is none that can be read."""
    try:
        return Turn.model_validate(values["turn"]) if values and "turn" in values else None
    except ValidationError:
        return None


def _approval(value: Any) -> str | None:
    return value.get("approval") if isinstance(value, Mapping) else None


def _failed(cause: str) -> Outcome:
    return Outcome(status="failed", text=MESSAGES["failed"], cause=cause)
