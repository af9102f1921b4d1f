"""The host of one opened workspace: runs, streams, decisions, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.agents.task import Services
from concertmaster.contracts import (
    FINAL,
    Answer,
    Approval,
    AuditEvent,
    Outcome,
    Principal,
    RunRecord,
    StreamEvent,
    Turn,
)
from concertmaster.contracts.events import RunEnded
from concertmaster.errors import (
    ApprovalUnknown,
    HomeError,
    KnowledgeError,
    StorageError,
    UnknownPrincipal,
    UnknownRun,
)
from concertmaster.graphs.compile import Graph
from concertmaster.graphs.terminals import wording
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.knowledge import Library, tell_ingest
from concertmaster.orchestrator.people import People
from concertmaster.orchestrator.receiving import accepted, received
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.runs import Runs, ThreadRecord
from concertmaster.orchestrator.segments import Progress, Segments, Settled
from concertmaster.orchestrator.streaming import as_event, text_parts
from concertmaster.storage import Database

if TYPE_CHECKING:
    from concertmaster.retrieval.ingest import IngestReport

__all__ = ["Desk"]

_UNFINISHED = frozenset({"queued", "running"})


class Desk:
    """An opened workspace. Get one from `concertmaster.open`.

    `graph` is an ordinary LangGraph `CompiledStateGraph`.
    """

    def __init__(
        self,
        *,
        home: Home,
        database: Database,
        services: Services,
        graph: Graph,
        people: People,
        runs: Runs,
        segments: Segments,
        workspace: Path | None,
        library: Library | None = None,
    ) -> None:
        self.home = home
        self.database = database
        self.services = services
        self.graph = graph
        self.people = people
        self.runs = runs
        self.workspace = workspace
        self.library = library
        self._segments = segments
        # The runs that a caller in this process waits for: nobody else takes them up.
        self._attended: set[str] = set()

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.services.name

    async def run(self, text: str, *, principal: Principal | str, thread: str | None = None) -> Run:
        """Answer one message, as far as it goes without a person.

        Args:
            text: the message, at most `limits.message` characters.
            principal: who asks: a Principal, or an id that the workspace or the host knows.
            thread: the conversation; a new one by default.

        Returns:
            The run: ended, awaiting review, or queued behind a run that waits on its thread.

        Raises:
            RequestError: the message is empty or too long.
            UnknownPrincipal, ThreadForbidden, HomeBusy, StorageError.
        """
        return await self._take(text, principal, thread, None)

    async def stream(
        self, text: str, *, principal: Principal | str, thread: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Answer one message like `run`, telling what happens. The last event is `RunEnded`.

        Text is sent only after the critic passed it.
        """
        events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()
        ids: dict[str, str] = {}

        async def progress(told: Mapping[str, Any]) -> None:
            if told.get("kind") == "run_started":
                ids.update(run=told["run"], thread=told["thread"])
            event = as_event(told, ids)
            if event is not None:
                await events.put(event)

        async def work() -> Run:
            try:
                return await self._take(text, principal, thread, progress)
            finally:
                await events.put(None)

        task = asyncio.create_task(work())
        try:
            while (event := await events.get()) is not None:
                yield event
            run = await task
        finally:
            if not task.done():
                # Wait for it: what a caller who goes away leaves behind is stored first.
                task.cancel()
                await asyncio.wait([task])
        for event in text_parts(run):
            yield event
        yield RunEnded(run=run.id, thread=run.thread, outcome=run.outcome)

    async def decide(self, approval: str, answer: Answer, *, principal: Principal | str) -> Run:
        """Give a person's answer to an approval and take the run up again.

        Messages that were queued behind the run follow, once it has ended.

        Raises:
            ApprovalUnknown, ApprovalStale, ApprovalForbidden: the answer was refused.
        """
        reviewer = self.people.admit(principal)
        if not isinstance(approval, str) or not approval.isprintable():
            raise ApprovalUnknown("there is no such approval here", hint="give the id of one")
        async with self.home.busy():
            decided = await self.services.approvals.decide(approval, answer, reviewer)
            record = await self.runs.get(decided.run)
            if decided.status == "pending":
                return await self._face(record, None)
            async with self._attending(record):
                run = await self._proceed(record, None)
            await self._drain(record.thread)
            return run

    async def ingest(
        self, sources: Iterable[str | Path], *, progress: Callable[[int, int], None] | None = None
    ) -> IngestReport:
        """Take documents from outside of the workspace into the index, and follow them later.

        Args:
            sources: files or folders.
            progress: called with the passages embedded so far and in all.

        Raises:
            KnowledgeError: a source does not exist, or the workspace declares no knowledge.
        """
        if self.library is None:
            raise KnowledgeError(
                f"workspace {self.name!r} declares no knowledge",
                hint="add `knowledge:` to its workflow.yaml",
            )
        async with self.home.busy():
            report = await self.library.add(sources, progress=progress)
            tell_ingest(self.services.trail, report)
            await self.services.trail.flush()
            return report

    async def cancel(self, run: str, *, principal: Principal | str, why: str = "") -> Run:
        """End a run on request: its pending approvals are void, what was done stays done.

        Raises:
            UnknownRun: there is no such run, or it belongs to somebody else.
        """
        who = self.people.admit(principal)
        async with self.home.busy():
            record = await self.runs.get(run)
            if record.principal.id != who.id:
                raise UnknownRun(f"{who.id} has no run {run!r}")
            if record.status in FINAL:
                return await self._face(record, None)
            reason = why or f"cancelled by {who.id}"
            outcome = Outcome(status="cancelled", text="Cancelled.", cause=reason)
            record = await self.runs.update(run, status="cancelled", outcome=outcome, unless=FINAL)  # type: ignore[arg-type]
            await self.services.approvals.void(run, reason)
            self._emit(record, "run.cancelled", reason, actor=who.id)
            await self.services.trail.flush()
            active = self._segments.active.get(run)
            if active is not None and active is not asyncio.current_task():
                active.cancel()
            await self._drain(record.thread)
            return await self._face(record, None)

    async def get(self, run: str) -> Run:
        """Return a stored run."""
        return await self._face(await self.runs.get(run), None)

    async def approvals(
        self, *, role: str | None = None, status: str | None = "pending"
    ) -> list[Approval]:
        """Return stored approvals, the pending ones by default."""
        return await self.services.approvals.list(status=status, role=role)

    async def threads(self) -> list[ThreadRecord]:
        """Return the threads, the latest first."""
        return await self.runs.threads()

    async def history(self, thread: str) -> list[Run]:
        """Return a thread's runs, oldest first."""
        return [await self._face(r, None) for r in await self.runs.of_thread(thread)]

    async def events(
        self, *, run: str | None = None, thread: str | None = None
    ) -> list[AuditEvent]:
        """Return the trail of a run or of a thread."""
        return await self.services.trail.events(run=run, thread=thread)

    async def recover(self) -> list[Run]:
        """Take up every run that a vanished process left, and return them as they then stand.

        A run is given up as failed after three attempts. A run whose principal nobody here knows
        is left for its host.
        """
        recovered = []
        async with self.home.busy():
            for record in await self.runs.unfinished():
                if record.id in self._attended or not self._known(record):
                    continue
                if record.status == "running" or await self._decided_meanwhile(record):
                    async with self._attending(record):
                        recovered.append(await self._recover(record))
            queued = await self.runs.with_status("queued")
            for thread in dict.fromkeys(r.thread for r in queued if self._known(r)):
                recovered += await self._drain(thread)
        return recovered

    def _known(self, record: RunRecord) -> bool:
        try:
            return self.people.find(record.principal.id) is not None
        except UnknownPrincipal:
            return False

    async def _decided_meanwhile(self, record: RunRecord) -> bool:
        if record.status != "awaiting_review":
            return False
        found = await self.services.approvals.list(run=record.id)
        return not any(a.status == "pending" for a in found)

    async def _recover(self, record: RunRecord) -> Run:
        """Take up a run that nobody attends to; the caller holds its thread."""
        record = await self.runs.get(record.id)
        if record.status in FINAL:
            return await self._face(record, None)
        self._emit(record, "run.recovered", "its process went away", attempt=record.attempts + 1)
        if record.attempts >= 3:
            cause = "given up after three attempts"
            outcome = Outcome(status="failed", text=wording(self.services, "failed"), cause=cause)
            record = await self.runs.update(record.id, status="failed", outcome=outcome)
            await self.services.trail.flush()
            return await self._face(record, None)
        record = await self.runs.update(
            record.id, status="running", attempts=record.attempts + 1, unless=tuple(FINAL)
        )
        return await self._proceed(record, None)

    async def _take(
        self,
        text: str,
        principal: Principal | str,
        thread: str | None,
        progress: Progress | None,
    ) -> Run:
        who = self.people.admit(principal)
        limit = self.services.spec.workflow.limits.message
        record = received(accepted(text, limit), who, thread, self.name)
        async with self.home.busy():
            self._emit(record, "run.received", f"a message of {len(record.text)} characters")
            try:
                self._attended.add(record.id)
                record = await self.runs.add(record)
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
            self._emit(record, "run.queued", why)
            await self.services.trail.flush()
            return await self._face(await self.runs.get(record.id), None)
        return await self._start(record, who, progress)

    async def _waits(self, thread: str) -> bool:
        return bool(await self.runs.with_status("awaiting_review", thread=thread))

    async def _catch_up(self, record: RunRecord) -> None:
        """Finish what came before on the thread and was left behind by who attended to it."""
        for earlier in await self.runs.with_status("queued", "running", thread=record.thread):
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
        who = self.people.again(record.principal)
        if who is None:
            return await self._turned_away(record)
        return await self._start(record, who, None)

    async def _start(self, record: RunRecord, who: Principal, progress: Progress | None) -> Run:
        record = await self.runs.get(record.id)
        if record.status in FINAL:
            return await self._face(record, None)
        self._emit(record, "run.started", "the thread is free")
        if record.status == "queued":
            record = await self.runs.update(record.id, status="running", unless=tuple(FINAL))
        if record.status in FINAL:
            return await self._face(record, None)
        return await self._settle(record, self._segments.begin(record, who, progress))

    async def _proceed(self, record: RunRecord, progress: Progress | None) -> Run:
        record = await self.runs.get(record.id)
        if record.status in FINAL:
            return await self._face(record, None)
        who = self.people.again(record.principal)
        if who is None:
            return await self._turned_away(record)
        record = await self.runs.update(record.id, status="running", unless=tuple(FINAL))
        return await self._settle(record, self._segments.proceed(record, who, progress))

    async def _turned_away(self, record: RunRecord) -> Run:
        """End a run whose principal is not known any more: nobody's authority is left for it."""
        cause = f"nobody here knows {record.principal.id} any more"
        outcome = Outcome(status="refused", text=wording(self.services, "refused"), cause=cause)
        await self.services.approvals.void(record.id, cause)
        self._emit(record, "run.ended", cause, status="refused")
        record = await self.runs.update(
            record.id, status="refused", outcome=outcome, unless=tuple(FINAL)
        )
        return await self._face(record, None)

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
            return await self._face(await self.runs.get(record.id), None)
        outcome = settled.outcome
        try:
            record = await self.runs.update(
                record.id, status=outcome.status, outcome=outcome, unless=("cancelled",)
            )
        except (StorageError, HomeError) as error:
            raise StorageError(
                error.message,
                hint=f"put it right; {record.id} is kept, and goes on with the next message on"
                " its thread or when the workspace is opened again",
            ) from error
        return await self._face(record, settled.turn)

    async def _interrupted(self, record: RunRecord) -> None:
        """Cancel what did nothing yet when its caller went away; keep the rest for recovery."""
        try:
            stored = await self.runs.get(record.id)
        except UnknownRun:
            return
        if stored.status not in _UNFINISHED or await self._acted(record.id):
            return
        outcome = Outcome(status="cancelled", text="Cancelled.", cause="the caller went away")
        await self.runs.update(record.id, status="cancelled", outcome=outcome, unless=tuple(FINAL))
        await self.services.approvals.void(record.id, "the caller went away")
        self._emit(record, "run.cancelled", "the caller went away")
        await self.services.trail.flush()

    async def _acted(self, run: str) -> bool:
        return bool(await self.services.carrier.ledger.effects(run))

    async def _drain(self, thread: str) -> list[Run]:
        """Run what was queued on a thread, in order, until it waits again."""
        done = []
        for record in await self.runs.with_status("queued", thread=thread):
            if record.id in self._attended:
                continue
            async with self._attending(record):
                if await self._waits(thread):
                    break
                fresh = await self.runs.get(record.id)
                if fresh.status == "queued":
                    done.append(await self._start_stored(fresh))
        return done

    async def _face(self, record: RunRecord, turn: Turn | None) -> Run:
        pending = await self.services.approvals.list(run=record.id, status="pending")
        outcome = record.outcome or Outcome(
            status=record.status,
            text=wording(self.services, "queued") if record.status == "queued" else "",
        )
        return Run(
            id=record.id,
            thread=record.thread,
            principal=record.principal.id,
            text=record.text,
            status=record.status,
            outcome=outcome,
            pending=tuple(pending),
            events=tuple(await self.services.trail.events(run=record.id)),
            turn=turn,
        )

    def _emit(
        self, record: RunRecord, type_: Any, why: str, *, actor: str = "orchestrator", **data: Any
    ) -> None:
        self.services.trail.emit(
            type_,
            why=why,
            actor=actor,
            run=record.id,
            thread=record.thread,
            on_behalf_of=record.principal.id,
            **data,
        )

    async def close(self) -> None:
        """Write what is left, and let go of the models' connections."""
        with contextlib.suppress(StorageError, HomeError):
            await self.services.trail.flush()
        await self.services.models.aclose()


def _given_up() -> bool:
    """Tell whether the present task itself was cancelled."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
