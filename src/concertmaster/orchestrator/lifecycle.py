"""How a run gets on: from its stored message to its end, through waits and lost processes.

Everything here happens while the home is held. A run is attended to by one task at a time; what
nobody attends to is taken up with the next message on its thread, or when the home is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from concertmaster.agents.task import Services
from concertmaster.contracts import FINAL, Outcome, Principal, RunRecord, Turn
from concertmaster.errors import HomeError, HomeFenced, StorageError, UnknownPrincipal, UnknownRun
from concertmaster.graphs.terminals import wording
from concertmaster.orchestrator.people import People
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.runs import Runs
from concertmaster.orchestrator.segments import Progress, Segments, Settled
from concertmaster.policies.redaction import Finding, in_words

__all__ = ["Lifecycle"]

_UNFINISHED = frozenset({"queued", "running"})
_ATTEMPTS = 3


class Lifecycle:
    """The course of all runs of one workspace."""

    def __init__(self, services: Services, people: People, runs: Runs, segments: Segments) -> None:
        self._services = services
        self._people = people
        self._runs = runs
        self._segments = segments
        # The runs that a caller in this process waits for: nobody else takes them up.
        self._attended: set[str] = set()
        # True while the process goes away: what is cut off then is kept for the next one.
        self.leaving = False

    async def take(
        self,
        record: RunRecord,
        who: Principal,
        progress: Progress | None,
        found: Sequence[Finding] = (),
        *,
        stored: Callable[[], object] = lambda: None,
        alone: bool = False,
    ) -> Run:
        """Store a message and answer it, unless its thread waits; it then stays queued.

        Args:
            record: the message.
            who: whose it is.
            progress: told what happens.
            found: what was taken out of the message before it became this record.
            stored: called once the message is stored.
            alone: refuse it if another run on its thread has not ended.
        """
        self.emit(record, "run.received", f"a message of {len(record.text)} characters")
        if found:
            why = f"taken out of the message: {in_words(found)}"
            self.emit(record, "value.redacted", why, kinds={f.kind: f.count for f in found})
        try:
            self._attended.add(record.id)
            record = await self._runs.add(record, alone=alone)
            stored()
            if progress is not None:
                ids = {"run": record.id, "thread": record.thread}
                await progress({"kind": "run_started", **ids})
            async with self._attending(record):
                return await self._when_free(record, who, progress)
        except asyncio.CancelledError:
            await asyncio.shield(self._interrupted(record))
            raise
        finally:
            self._attended.discard(record.id)

    async def resume(self, record: RunRecord) -> Run:
        """Take a decided run up again, then what was queued behind it."""
        async with self._attending(record):
            run = await self._proceed(record)
        await self.drain(record.thread)
        return run

    async def cancel(self, record: RunRecord, reason: str, *, by: str, drain: bool = True) -> Run:
        """End a run on request and void its approvals; with `drain`, go on with its thread."""
        outcome = Outcome(status="cancelled", text="Cancelled.", cause=reason)
        record = await self._runs.update(
            record.id, status="cancelled", outcome=outcome, unless=tuple(FINAL)
        )
        await self._services.approvals.void(record.id, reason)
        self.emit(record, "run.cancelled", reason, actor=by)
        await self._services.trail.flush()
        active = self._segments.active.get(record.id)
        if active is not None and active is not asyncio.current_task():
            active.cancel()
        if drain:
            await self.drain(record.thread)
        return await self.face(record, None)

    async def lapse(self, thread: str | None = None) -> list[Run]:
        """Have deadlines that are over take effect, and take up the runs that waited for them.

        Args:
            thread: only those on it.
        """
        approvals = self._services.approvals
        closed = await approvals.sweep(**({"thread": thread} if thread else {}))
        late = {approval.run for approval in closed}
        waiting = await self._runs.with_status("awaiting_review", thread=thread)
        undecided = await approvals.waiting_runs() if waiting else frozenset()
        taken_up = []
        for record in waiting:
            over = record.id in late or record.id not in undecided
            if over and record.id not in self._attended and self._known(record):
                taken_up.append(await self.resume(record))
        return taken_up

    async def recover(self) -> list[Run]:
        """Take up every run that nobody attends to; see `Desk.recover`."""
        recovered = []
        for record in await self._runs.unfinished():
            if record.id in self._attended or not self._known(record):
                continue
            if record.status == "running" or await self._decided_meanwhile(record):
                async with self._attending(record):
                    recovered.append(await self._recover(record))
        queued = await self._runs.with_status("queued")
        for thread in dict.fromkeys(r.thread for r in queued if self._known(r)):
            recovered += await self.drain(thread)
        return recovered

    def _known(self, record: RunRecord) -> bool:
        try:
            return self._people.find(record.principal.id) is not None
        except UnknownPrincipal:
            return False

    async def _decided_meanwhile(self, record: RunRecord) -> bool:
        if record.status != "awaiting_review":
            return False
        found = await self._services.approvals.list(run=record.id)
        return not any(a.status == "pending" for a in found)

    async def _recover(self, record: RunRecord) -> Run:
        """Take up a run that nobody attends to; the caller holds its thread."""
        record = await self._runs.get(record.id)
        if record.status in FINAL:
            return await self.face(record, None)
        self.emit(record, "run.recovered", "its process went away", attempt=record.attempts + 1)
        if record.attempts >= _ATTEMPTS:
            outcome = await self._segments.given_up(record, "given up after three attempts")
            self._tell_end(record, outcome)
            record = await self._runs.update(record.id, status=outcome.status, outcome=outcome)
            return await self.face(record, None)
        record = await self._runs.update(
            record.id, status=record.status, attempts=record.attempts + 1, unless=tuple(FINAL)
        )
        return await self._proceed(record)

    @contextlib.asynccontextmanager
    async def _attending(self, record: RunRecord) -> AsyncIterator[None]:
        """Hold the run's thread; nobody else in this process takes the run up meanwhile."""
        there = record.id in self._attended
        self._attended.add(record.id)
        try:
            async with self._segments.alone(record.thread):
                yield
        finally:
            if not there:
                self._attended.discard(record.id)

    async def _when_free(self, record: RunRecord, who: Principal, progress: Progress | None) -> Run:
        """Run a message unless its thread waits for a person; it then stays queued."""
        if not await self._waits(record.thread):
            await self._catch_up(record)
        if await self._waits(record.thread):
            why = "the thread waits for a person; the message follows after that"
            self.emit(record, "run.queued", why)
            await self._services.trail.flush()
            return await self.face(await self._runs.get(record.id), None)
        return await self._start(record, who, progress)

    async def _waits(self, thread: str) -> bool:
        return bool(await self._runs.with_status("awaiting_review", thread=thread))

    async def _catch_up(self, record: RunRecord) -> None:
        """Finish what came before on the thread and was left behind by who attended to it."""
        for earlier in await self._runs.with_status("queued", "running", thread=record.thread):
            if earlier.id == record.id:
                return
            if earlier.id in self._attended:
                continue
            if earlier.status == "queued":
                await self._start_stored(earlier)
            else:
                await self._recover(earlier)
            if await self._waits(record.thread):
                return

    async def _start_stored(self, record: RunRecord) -> Run:
        who = self._people.again(record.principal)
        if who is None:
            return await self._turned_away(record)
        return await self._start(record, who, None)

    async def _start(self, record: RunRecord, who: Principal, progress: Progress | None) -> Run:
        record = await self._runs.get(record.id)
        if record.status in FINAL:
            return await self.face(record, None)
        self.emit(record, "run.started", "the thread is free")
        if record.status == "queued":
            record = await self._runs.update(record.id, status="running", unless=tuple(FINAL))
        if record.status in FINAL:
            return await self.face(record, None)
        return await self._settle(record, self._segments.begin(record, who, progress))

    async def _proceed(self, record: RunRecord) -> Run:
        record = await self._runs.get(record.id)
        if record.status in FINAL:
            return await self.face(record, None)
        who = self._people.again(record.principal)
        if who is None:
            return await self._turned_away(record)
        waited = record.status == "awaiting_review"
        record = await self._runs.update(record.id, status="running", unless=tuple(FINAL))
        if record.status in FINAL:
            return await self.face(record, None)
        segment = self._segments.proceed(record, who, None, waited=waited)
        return await self._settle(record, segment)

    async def _turned_away(self, record: RunRecord) -> Run:
        """End a run whose principal is not known any more: nobody's authority is left for it."""
        cause = f"nobody here knows {record.principal.id} any more"
        outcome = Outcome(status="refused", text=wording(self._services, "refused"), cause=cause)
        await self._services.approvals.void(record.id, cause)
        self.emit(record, "run.ended", cause, status="refused")
        record = await self._runs.update(
            record.id, status="refused", outcome=outcome, unless=tuple(FINAL)
        )
        return await self.face(record, None)

    async def _settle(self, record: RunRecord, segment: Coroutine[Any, Any, Settled]) -> Run:
        """Wait for a segment and store where it came to rest, even if the caller gives up."""
        work = asyncio.ensure_future(segment)
        try:
            settled = await work
        except asyncio.CancelledError:
            await asyncio.shield(self._interrupted(record))
            if _given_up():
                raise
            # The run was cancelled, not who waits for it.
            return await self.face(await self._runs.get(record.id), None)
        outcome = settled.outcome
        try:
            if record.attempts and outcome.status in FINAL:
                await self._see_to_the_end(record, outcome)
            record = await self._runs.update(
                record.id, status=outcome.status, outcome=outcome, unless=("cancelled",)
            )
        except HomeFenced:
            raise
        except (StorageError, HomeError) as error:
            raise StorageError(
                error.message,
                hint=f"free some space, or make the file writable; {record.id} is kept, and goes on"
                " with the next message on its thread or when the workspace is opened again",
            ) from error
        return await self.face(record, settled.turn)

    async def _see_to_the_end(self, record: RunRecord, outcome: Outcome) -> None:
        """Tell how a run ended whose process went away between its last state and the telling."""
        trail = self._services.trail
        await trail.flush()
        if not await trail.events(run=record.id, types=["run.ended"]):
            self._tell_end(record, outcome)

    def _tell_end(self, record: RunRecord, outcome: Outcome) -> None:
        why = outcome.cause or f"ended as {outcome.status}"
        self.emit(record, "run.ended", why, status=outcome.status, owner=outcome.owner)

    async def _interrupted(self, record: RunRecord) -> None:
        """Cancel what did nothing yet when its caller went away; keep the rest for recovery."""
        if self.leaving:
            return
        with contextlib.suppress(HomeFenced, UnknownRun):
            await self._cancelled(record)

    async def _cancelled(self, record: RunRecord) -> None:
        # Who is cancelled while something is being written does not keep it from being written.
        stored = await self._runs.settled(record.id)
        if stored.status not in _UNFINISHED or await self._acted(record.id):
            return
        outcome = Outcome(status="cancelled", text="Cancelled.", cause="the caller went away")
        await self._runs.update(record.id, status="cancelled", outcome=outcome, unless=tuple(FINAL))
        await self._services.approvals.void(record.id, "the caller went away")
        self.emit(record, "run.cancelled", "the caller went away")
        await self._services.trail.flush()

    async def _acted(self, run: str) -> bool:
        return bool(await self._services.carrier.ledger.effects(run))

    async def drain(self, thread: str) -> list[Run]:
        """Run what was queued on a thread, in order, until it waits again."""
        done = []
        for record in await self._runs.with_status("queued", thread=thread):
            # A run is attended to only once the thread is held: a message that came in between
            # then finds it unattended, and lets it go first.
            async with self._segments.alone(thread):
                if record.id in self._attended:
                    continue
                if await self._waits(thread):
                    break
                fresh = await self._runs.get(record.id)
                if fresh.status == "queued":
                    done.append(await self._attended_start(fresh))
        return done

    async def _attended_start(self, record: RunRecord) -> Run:
        self._attended.add(record.id)
        try:
            return await self._start_stored(record)
        finally:
            self._attended.discard(record.id)

    async def face(self, record: RunRecord, turn: Turn | None) -> Run:
        """Return what callers hold of a run."""
        pending = await self._services.approvals.list(run=record.id, status="pending")
        outcome = record.outcome or Outcome(
            status=record.status,
            text=wording(self._services, "queued") if record.status == "queued" else "",
        )
        return Run(
            id=record.id,
            thread=record.thread,
            principal=record.principal.id,
            text=record.text,
            status=record.status,
            outcome=outcome,
            pending=tuple(pending),
            events=tuple(await self._services.trail.events(run=record.id)),
            turn=turn,
        )

    def emit(
        self, record: RunRecord, type_: Any, why: str, *, actor: str = "orchestrator", **data: Any
    ) -> None:
        """Put an event of a run into the trail."""
        self._services.trail.emit(
            type_,
            why=why,
            actor=actor,
            run=record.id,
            thread=record.thread,
            on_behalf_of=record.principal.id,
            **data,
        )


def _given_up() -> bool:
    """Tell whether the present task itself was cancelled."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
