"""Following runs: their stream events read from the trail, so that any listener can go on anywhere.

An event's id is the number of its record in the trail, with a part behind a dot where one record
stands for several events. It means the same after a disconnect, in another process and after a
restart. Nothing is told before it is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Literal

from concertmaster.audit import Trail
from concertmaster.contracts import FINAL, Approval, AuditEvent, RunRecord, StreamEvent
from concertmaster.contracts.events import (
    ActionChanged,
    ApprovalRequested,
    EventType,
    Hopped,
    RunEnded,
    RunStarted,
)
from concertmaster.errors import HomeError, RequestError, StorageError
from concertmaster.orchestrator.lifecycle import Lifecycle
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.runs import Runs
from concertmaster.orchestrator.streaming import text_parts
from concertmaster.policies.approvals import Approvals

__all__ = ["Following", "Told", "Until"]

Until = Literal["rest", "end"]
"""`rest`: until the run has ended or waits for people; `end`: until it has ended."""

_PULSE = 0.04
"""Seconds between two looks at what waits to be stored, while somebody follows."""
_LOOK = 1.0
"""Seconds after which a follower looks by itself: another process may carry the run on."""

_STATUS: dict[EventType, str] = {
    "tool.refused": "denied",
    "effect.intended": "running",
    "effect.done": "done",
    "effect.reused": "done",
    "effect.failed": "failed",
    "effect.in_doubt": "in_doubt",
    "approval.answered": "waiting",
    "approval.voided": "void",
}
_DECIDED = {"allow": "allowed", "review": "waiting", "deny": "denied"}
_ENDS: tuple[EventType, ...] = ("run.ended", "run.cancelled")
_TOLD: tuple[EventType, ...] = (
    "run.received",
    "run.queued",
    "route.hop",
    "route.ask",
    "policy.decided",
    "tool.called",
    "approval.requested",
    *_STATUS,
    *_ENDS,
)
_ID = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A stream event with the id after which a listener can go on."""

    id: str
    event: StreamEvent


class Following:
    """Everybody who follows a run of one desk, in this process."""

    def __init__(self, trail: Trail, runs: Runs, approvals: Approvals, life: Lifecycle) -> None:
        self._trail = trail
        self._runs = runs
        self._approvals = approvals
        self._life = life
        self._woken: dict[str, set[asyncio.Event]] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fresh: set[str] = set()
        trail.on(self._emitted)
        runs.on(self._changed)

    def follow(
        self, run: str, *, after: str | None = None, until: Until = "rest"
    ) -> AsyncGenerator[Told]:
        """Yield what happens in a run, from its beginning or after an id; the end comes last.

        Args:
            run: its id.
            after: the id of the last event that the listener has.
            until: where to stop.

        Raises:
            UnknownRun: there is no such run, or not any more.
            RequestError: `after` is no id of an event; raised by the call itself.
        """
        return self._follow(run, *_place(after), until)

    async def _follow(self, run: str, seq: int, part: int, until: Until) -> AsyncGenerator[Told]:
        with self._joined(run) as woken:
            while True:
                woken.clear()
                record = await self._runs.get(run)
                resting = await self._rests(record, until)
                if resting:
                    await self._stored()
                end = await self._end(record)
                for event in await self._trail.events(run=run, types=_TOLD, after=seq):
                    if end is not None and (event.seq or 0) > end:
                        break  # What became clear after the end is no part of what was told.
                    seq, part = event.seq or seq, 0
                    told = await self._event(event)
                    if told is not None:
                        yield Told(id=str(seq), event=told)
                if resting:
                    for last in await self._closing(record, seq if end is None else end, seq, part):
                        yield last
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), _LOOK)

    async def wait(self, run: str, *, until: Until = "rest") -> Run:
        """Return a run once it rests; see `follow`.

        Raises:
            UnknownRun: there is no such run.
        """
        with self._joined(run, pulse=False) as woken:
            while True:
                woken.clear()
                record = await self._runs.get(run)
                if await self._rests(record, until):
                    return await self._life.face(record, None)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), _LOOK)

    async def close(self) -> None:
        """Stop looking."""
        if self._pulse is not None:
            self._pulse.cancel()
            await asyncio.wait([self._pulse])

    async def _rests(self, record: RunRecord, until: Until) -> bool:
        if record.status in FINAL:
            return True
        if until == "end" or record.status == "running":
            return False
        # A run whose approvals are decided is about to go on, and what follows it, too.
        waiting = await self._runs.with_status("awaiting_review", thread=record.thread)
        undecided = await self._approvals.list(thread=record.thread, status="pending")
        return bool({r.id for r in waiting} & {a.run for a in undecided})

    async def _end(self, record: RunRecord) -> int | None:
        """Return the number of the trail's record of a run's end, None if there is none."""
        if record.status not in FINAL:
            return None
        ends = await self._trail.events(run=record.id, types=_ENDS)
        return ends[-1].seq if ends else None

    async def _closing(self, record: RunRecord, base: int, seq: int, part: int) -> list[Told]:
        """Return the parts of the text and the end, less those that the listener has.

        Args:
            record: the run, which rests.
            base: the record of the trail that they hang on: the run's end, or the last one told.
            seq: the last record that the listener knows.
            part: how many of the parts that hang on it the listener has.
        """
        if seq > base:
            return []  # An id from elsewhere: nothing comes after it.
        had = part if seq == base else 0
        run = await self._life.face(record, None)
        texts = (e for e in text_parts(run) if not isinstance(e, ApprovalRequested))
        end = RunEnded(run=run.id, thread=run.thread, outcome=run.outcome)
        parts = [Told(id=f"{base}.{n}", event=e) for n, e in enumerate((*texts, end), 1)]
        return parts[had:]

    async def _event(self, event: AuditEvent) -> StreamEvent | None:
        """Return what is told of a record of the trail, or None for what ends the stream."""
        ids = {"run": event.run or "", "thread": event.thread or ""}
        tool = str(event.data.get("tool", ""))
        match event.type:
            case "run.received":
                return RunStarted(**ids)
            case "route.hop" | "route.ask":
                return Hopped(**ids, to=str(event.data.get("to", "")), why=event.why)
            case "approval.requested":
                return ApprovalRequested(**ids, approval=await self._approval(event))
            case "policy.decided":
                status = _DECIDED.get(str(event.data.get("decision")), "denied")
            case "tool.called":
                status = str(event.data.get("status", "done"))
            case other if other in _STATUS:
                status = _STATUS[other]
            case _:
                return None
        return ActionChanged(**ids, tool=tool, status=status, why=event.why)

    async def _approval(self, event: AuditEvent) -> Approval:
        """Return an approval as it was asked for: an event is the same whenever it is read."""
        there = await self._approvals.get(str(event.data["approval"]))
        since = {"status": "pending", "votes": (), "claims": (), "decided": None}
        return there.model_copy(update=since)

    @contextlib.contextmanager
    def _joined(self, run: str, *, pulse: bool = True) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._woken.setdefault(run, set()).add(woken)
        if pulse and (self._pulse is None or self._pulse.done()):
            self._pulse = asyncio.create_task(self._beat())
        try:
            yield woken
        finally:
            self._woken[run].discard(woken)
            if not self._woken[run]:
                del self._woken[run]

    async def _beat(self) -> None:
        """Store what was emitted, and wake those who follow, for as long as anybody does."""
        while self._woken:
            if self._fresh:
                fresh, self._fresh = self._fresh, set()
                await self._stored()
                for run in fresh:
                    self._wake(run)
            await asyncio.sleep(_PULSE)

    async def _stored(self) -> None:
        """Store what was emitted. That it cannot be stored ends the run, not who follows it."""
        with contextlib.suppress(StorageError, HomeError):
            await self._trail.flush()

    def _emitted(self, event: AuditEvent) -> None:
        """Note that a run has something to tell."""
        if event.run in self._woken and event.run is not None:
            self._fresh.add(event.run)

    def _changed(self, run: str) -> None:
        """Note a run's new status; called in the stores' thread."""
        if run in self._woken and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The loop may have ended meanwhile.
                self._loop.call_soon_threadsafe(self._wake, run)

    def _wake(self, run: str) -> None:
        for woken in self._woken.get(run, ()):
            woken.set()


def _place(after: str | None) -> tuple[int, int]:
    if after is None or after == "":
        return 0, 0
    found = _ID.fullmatch(after) if isinstance(after, str) else None
    if found is None:
        raise RequestError(
            "there is no event of this id",
            hint="give the id of the last event that arrived, such as 1203 or 1203.2",
        )
    return int(found[1]), int(found[2] or 0)
