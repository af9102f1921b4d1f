"""Runs that go on by themselves: started, followed and decided by callers who come and go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from concertmaster.agents.task import Services
from concertmaster.contracts import Answer, Approval, Principal, RunRecord
from concertmaster.errors import ConcertmasterError, ServerBusy
from concertmaster.orchestrator.following import Following, Told, Until
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.lifecycle import Lifecycle
from concertmaster.orchestrator.receiving import repeated
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.runs import Runs

__all__ = ["Background", "Conflict", "Started"]

Conflict = Literal["queue", "reject", "cancel"]
"""What becomes of a message to a thread on which a run has not ended yet: it follows after that,
is refused, or takes its place."""

_log = logging.getLogger("concertmaster")


@dataclass(frozen=True, kw_only=True)
class Started:
    """A message that is stored. `fresh` is False if its key had brought it here before."""

    run: str
    thread: str
    fresh: bool = True


class Background:
    """The runs of a desk that go on whoever listens. `desk.background` is one.

    >>> async def example(desk):
    ...     started = await desk.background.start("Where is order 1042?", principal="ana")
    ...     async for told in desk.background.follow(started.run):
    ...         print(told.id, told.event.kind)
    """

    def __init__(
        self,
        *,
        home: Home,
        services: Services,
        runs: Runs,
        life: Lifecycle,
        receive: Callable[..., tuple[RunRecord, Principal, Any]],
        record_answer: Callable[..., Coroutine[Any, Any, Approval]],
        cancel: Callable[..., Coroutine[Any, Any, Run]],
    ) -> None:
        self._home = home
        self._runs = runs
        self._life = life
        self._receive = receive
        self._record_answer = record_answer
        self._cancel = cancel
        self._tasks: dict[asyncio.Task[Any], tuple[str, str | None] | None] = {}
        self._following = Following(services.trail, runs, services.approvals, life)

    @property
    def count(self) -> int:
        """How many runs are under way here."""
        return len(self._tasks)

    def count_of(self, principal: Principal) -> int:
        """How many runs of one principal are under way here."""
        return sum(1 for owner in self._tasks.values() if owner == _owner(principal))

    async def start(
        self,
        text: str,
        *,
        principal: Principal | str,
        thread: str | None = None,
        key: str | None = None,
        conflict: Conflict = "queue",
    ) -> Started:
        """Store a message and return; it is answered whether or not the caller stays.

        Args:
            text: the message.
            principal: who asks.
            thread: the conversation; a new one by default.
            key: an idempotency key, 1 to 255 characters: the same principal's same key brings
                about one run, and returns it again. It is not stored, only what follows from it.
            conflict: what becomes of it while another run on the thread has not ended.

        Raises:
            ThreadBusy: with `reject`, something on the thread has not ended.
            KeyReused: the key stands for another message or thread.
            ServerBusy: the desk is being closed, and the message was not taken.
            RequestError, UnknownPrincipal, ThreadForbidden, HomeBusy, StorageError: see `Desk.run`.
        """
        record, who, found = self._receive(text, principal, thread, key)
        if key is not None and await self._there(record):
            return Started(run=record.id, thread=record.thread, fresh=False)
        if conflict == "cancel":
            await self._make_way(record, who)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def work() -> Run:
            async with self._home.busy():
                if thread is not None:
                    await self._life.lapse(record.thread)
                return await self._life.take(
                    record,
                    who,
                    None,
                    found,
                    stored=partial(_come, stored),
                    alone=conflict == "reject",
                )

        task = self._begin(work(), owner=who, told=lambda: not stored.done())
        try:
            await asyncio.wait({task, stored}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # Who asked is gone, and does not know whether the message was taken.
            if not stored.done():
                task.cancel()
            raise
        if not stored.done():
            # Another request with the same key came first, or the message is refused.
            if key is not None and await self._there(record):
                return Started(run=record.id, thread=record.thread, fresh=False)
            if task.cancelled():
                raise ServerBusy("this desk is about to be closed", hint="send it again", rest=5)
            await task
        return Started(run=record.id, thread=record.thread)

    def follow(
        self, run: str, *, after: str | None = None, until: Until = "rest"
    ) -> AsyncGenerator[Told]:
        """Yield what happens in a run, each with an id after which to go on; see `Following`."""
        return self._following.follow(run, after=after, until=until)

    async def wait(self, run: str, *, until: Until = "rest", seconds: float | None = None) -> Run:
        """Return a run once it has ended or waits for people.

        Args:
            run: its id.
            until: `end` to wait through reviews as well.
            seconds: how long to wait; by default as long as it takes.

        Raises:
            UnknownRun: there is no such run.
            TimeoutError: it goes on, but not in this time.
        """
        async with asyncio.timeout(seconds):
            return await self._following.wait(run, until=until)

    async def answer(
        self, approval: str, answer: Answer, *, principal: Principal | str
    ) -> Approval:
        """Record a person's answer and return; the run goes on in the background.

        Raises:
            ApprovalUnknown, ApprovalStale, ApprovalForbidden, ApprovalError: see `Desk.decide`.
        """
        decided = await self._record_answer(approval, answer, principal)
        if decided.status != "pending":
            self._begin(self._resumed(decided.run))
        return decided

    async def cancel(self, run: str, *, principal: Principal | str, why: str = "") -> Run:
        """End a run and return; what was queued behind it follows in the background.

        Raises:
            UnknownRun: there is no such run, or it belongs to somebody else.
        """
        cancelled = await self._cancel(run, principal, why, drain=False)
        self._begin(self._drained(cancelled.thread))
        return cancelled

    async def _drained(self, thread: str) -> None:
        async with self._home.busy():
            await self._life.drain(thread)

    async def _resumed(self, run: str) -> Run:
        async with self._home.busy():
            return await self._life.resume(await self._runs.get(run))

    def recover(self, take_up: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Take up in the background what a vanished process left."""
        self._begin(take_up())

    async def drain(self, seconds: float) -> int:
        """Wait for what is under way; return how many runs were left for the next start.

        What is not finished in time stays stored as it is and is taken up again by whoever opens
        the home next.
        """
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=max(seconds, 0.0))
        left = [task for task in self._tasks if not task.done()]
        self._life.leaving = bool(left)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await self._following.close()
        return len(left)

    def _begin(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        owner: Principal | None = None,
        told: Callable[[], bool] = lambda: False,
    ) -> asyncio.Task[Any]:
        """Begin a task; `told` tells whether somebody else is told of its error."""
        task = asyncio.create_task(work)
        self._tasks[task] = _owner(owner) if owner else None
        task.add_done_callback(partial(self._ended, told))
        return task

    def _ended(self, told: Callable[[], bool], task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled() or (error := task.exception()) is None or told():
            return
        # The run's record says how it stands; who started it may be gone.
        code = error.code if isinstance(error, ConcertmasterError) else ""
        _log.warning("a run could not be carried on: %s %s", type(error).__name__, code)

    async def _there(self, record: RunRecord) -> bool:
        there = await self._runs.there(record.id)
        if there is None:
            return False
        repeated(there, record)
        return True

    async def _make_way(self, record: RunRecord, who: Principal) -> None:
        """Cancel this principal's runs on a thread that have not ended."""
        async with self._home.busy():
            for earlier in await self._runs.with_status(
                "queued", "running", "awaiting_review", thread=record.thread
            ):
                if (earlier.principal.id, earlier.principal.tenant) == (who.id, who.tenant):
                    why = "a later message took its place"
                    await self._life.cancel(earlier, why, by=who.id, drain=False)


def _owner(principal: Principal) -> tuple[str, str | None]:
    return principal.id, principal.tenant


def _come(stored: asyncio.Future[None]) -> None:
    if not stored.done():
        stored.set_result(None)
