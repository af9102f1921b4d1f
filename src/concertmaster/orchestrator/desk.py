"""The host of one opened workspace: runs, streams, decisions, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.agents.notices import Notice
from concertmaster.agents.task import Services
from concertmaster.contracts import (
    FINAL,
    Answer,
    Approval,
    ApprovalNotice,
    AuditEvent,
    Principal,
    RunRecord,
    StreamEvent,
    plain_text,
)
from concertmaster.contracts.feedback import Feedback, Thumb
from concertmaster.contracts.html import Listed
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import (
    HomeBusy,
    HomeError,
    KnowledgeError,
    StorageError,
    UnknownRun,
)
from concertmaster.graphs.compile import Graph
from concertmaster.orchestrator.auditing import Signing
from concertmaster.orchestrator.background import Background
from concertmaster.orchestrator.deciding import Deciding
from concertmaster.orchestrator.feedback import Correction, FeedbackBook
from concertmaster.orchestrator.forgetting import Forgetting, Forgotten
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.knowledge import Library, tell_ingest
from concertmaster.orchestrator.lifecycle import Lifecycle
from concertmaster.orchestrator.listening import Listener
from concertmaster.orchestrator.notifying import Notifier, Notifying, configured, patience
from concertmaster.orchestrator.people import People
from concertmaster.orchestrator.receiving import accepted, received
from concertmaster.orchestrator.reconciling import look_again
from concertmaster.orchestrator.retention import PruneReport, Retention
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.runs import Runs, ThreadRecord
from concertmaster.orchestrator.segments import Progress, Segments, Watcher
from concertmaster.orchestrator.tracing import Traces
from concertmaster.policies.claims import DEFAULT
from concertmaster.policies.redaction import Finding
from concertmaster.storage import Database

if TYPE_CHECKING:
    from concertmaster.retrieval.ingest import IngestReport

__all__ = ["Desk"]

_LONGEST_REASON = 1000


class Desk:
    """An opened workspace. Get one from `concertmaster.open`.

    `graph` is an ordinary LangGraph `CompiledStateGraph`. `background` has the runs that go on
    whoever listens, for servers.
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
        self._life = Lifecycle(services, people, runs, segments)
        self._deciding = Deciding(
            home=home, services=services, people=people, runs=runs, life=self._life
        )
        self._signing = Signing(home.path, services.trail)
        self._notifying = Notifying(database, services.trail, configured(), patience())
        services.approvals.beside(self._notifying.keep)
        services.approvals.on(self._notifying.tell)
        self.corrections = FeedbackBook(services)
        self._forgetting = Forgetting(services, runs, segments, self._life, self._signing)
        self._retention = Retention(
            services.trail,
            services.carrier.artifacts.folder,
            services.spec.workflow.retention,
            home=home,
            sign=self._signing.sign,
        )
        self.background = Background(
            home=home,
            services=services,
            runs=runs,
            life=self._life,
            receive=self._received,
            record_answer=self._deciding.answer,
            cancel=self._cancelled,
        )

    def __repr__(self) -> str:
        return f"<Desk {self.name!r}>"

    def _repr_html_(self) -> str:
        from concertmaster.orchestrator.html import desk_html

        return desk_html(self)

    @property
    def traces(self) -> Traces:
        """What is sent to LangSmith, if its variables say so."""
        return self._segments.traces

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.services.name

    async def run(
        self,
        text: str,
        *,
        principal: Principal | str,
        thread: str | None = None,
        tell: Callable[[StreamEvent], object] | None = None,
    ) -> Run:
        """Answer one message, as far as it goes without a person.

        Args:
            text: the message, at most `limits.message` characters.
            principal: who asks: a Principal, or an id that the workspace or the host knows.
            thread: the conversation; a new one by default.
            tell: called with each event that `stream` yields, as it happens. It must not block;
                that it fails keeps no run from going on.

        Returns:
            The run: ended, awaiting review, or queued behind a run that waits on its thread.

        Raises:
            RequestError: the message is empty or too long.
            UnknownPrincipal, ThreadForbidden, HomeBusy, StorageError.
        """
        if tell is None:
            return await self._take(text, principal, thread, None)
        listener = Listener(tell)
        run = await self._take(text, principal, thread, listener.progress)
        listener.rested(run)
        return run

    async def stream(
        self, text: str, *, principal: Principal | str, thread: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Answer one message like `run`, telling what happens. The last event is `RunEnded`.

        Text is sent only after the critic passed it.
        """
        events: asyncio.Queue[StreamEvent | None] = asyncio.Queue()

        async def work() -> Run:
            try:
                return await self.run(
                    text, principal=principal, thread=thread, tell=events.put_nowait
                )
            finally:
                await events.put(None)

        task = asyncio.create_task(work())
        try:
            while (event := await events.get()) is not None:
                yield event
            await task
        finally:
            if not task.done():
                # Wait for it: what a caller who goes away leaves behind is stored first.
                task.cancel()
                await asyncio.wait([task])

    async def decide(self, approval: str, answer: Answer, *, principal: Principal | str) -> Run:
        """Give a person's answer to an approval and take the run up again.

        Messages that were queued behind the run follow, once it has ended.

        Raises:
            ApprovalUnknown, ApprovalStale, ApprovalForbidden: the answer was refused.
            ApprovalError: it is no answer, too large, or a response without words.
        """
        async with self.home.busy():
            decided = await self._deciding.answer(approval, answer, principal)
            record = await self.runs.get(decided.run)
            if decided.status == "pending":
                return await self._life.face(record, None)
            return await self._life.resume(record)

    async def claim(
        self, approval: str, *, principal: Principal | str, seconds: float = DEFAULT
    ) -> Approval:
        """Take an approval on for a while, so that nobody else answers it in this person's place.

        A claim holds for one place of one role and ends by itself. Claim again to keep it longer.

        Args:
            approval: its id.
            principal: who takes it on.
            seconds: how long, at most 8 hours.

        Raises:
            ApprovalUnknown, ApprovalStale: there is nothing to claim.
            ApprovalForbidden: this person may not decide it, or others have claimed it.
            ApprovalError: the time is too short or too long.
        """
        return await self._deciding.claim(approval, principal, seconds)

    async def release(self, approval: str, *, principal: Principal | str) -> Approval:
        """Let go of a claim.

        Raises:
            ApprovalUnknown, ApprovalStale, ApprovalForbidden: there is no claim of this person.
        """
        return await self._deciding.release(approval, principal)

    async def sweep(self) -> list[Run]:
        """Have every deadline that is over take effect; return the runs that were taken up for it.

        Calls in doubt whose tool can look them up are looked up again.

        Opening a desk does so, and so does whatever looks at an approval. A program that runs for
        long calls it now and then, so that nobody has to look first.
        """
        async with self.home.busy():
            await look_again(self.services, self.runs)
            return await self._life.lapse()

    async def ingest(
        self,
        sources: Iterable[str | Path],
        *,
        progress: Callable[[int, int], None] | None = None,
        tenant: str | None = None,
    ) -> IngestReport:
        """Take documents from outside of the workspace into the index, and follow them later.

        Args:
            sources: files or folders.
            progress: called with the passages embedded so far and in all.
            tenant: whose documents they are; shared by all if None.

        Raises:
            KnowledgeError: a source does not exist, or the workspace declares no knowledge, or no
                such tenant.
        """
        if self.library is None:
            raise KnowledgeError(
                f"workspace {self.name!r} declares no knowledge",
                hint="add `knowledge:` to its workflow.yaml",
            )
        async with self.home.busy():
            report = await self.library.add(sources, progress=progress, tenant=tenant)
            tell_ingest(self.services.trail, report)
            await self.services.trail.flush()
            return report

    async def feedback(
        self,
        run: str,
        *,
        principal: Principal | str,
        value: Thumb,
        comment: str = "",
        intent: str | None = None,
        answer: str | None = None,
        document: str | None = None,
    ) -> Feedback:
        """Store what somebody thinks of a run; nothing is learned from it until it is reviewed.

        Args:
            run: its id.
            principal: who asked, or somebody with the role of an owner of the workflow.
            value: `up` or `down`.
            comment: why; like all texts here stored without personal data.
            intent: what the message wanted, or `out_of_scope`.
            answer: what would have been right.
            document: the id of the document that answers it.

        Raises:
            UnknownRun: there is no such run, or this person has no part in it.
            RequestError: no such intent, or a text is too long.
        """
        who = self.people.admit(principal)
        given = Correction(
            value=value, comment=comment, intent=intent, answer=answer, document=document
        )
        async with self.home.busy():
            return await self.corrections.add(await self.runs.get(run), who, given)

    async def cancel(self, run: str, *, principal: Principal | str, why: str = "") -> Run:
        """End a run on request: its pending approvals are void, what was done stays done.

        Raises:
            UnknownRun: there is no such run, or it belongs to somebody else.
        """
        return await self._cancelled(run, principal, why, drain=True)

    async def _cancelled(self, run: str, principal: Principal | str, why: str, drain: bool) -> Run:
        who = self.people.admit(principal)
        async with self.home.busy():
            record = await self.runs.get(run)
            if (record.principal.id, record.principal.tenant) != (who.id, who.tenant):
                raise UnknownRun(f"{who.id} has no run {run!r}")
            if record.status in FINAL:
                return await self._life.face(record, None)
            clean = self.services.redaction.stored.redact(plain_text(why)).text
            reason = clean[:_LONGEST_REASON] or f"cancelled by {who.id}"
            return await self._life.cancel(record, reason, by=who.id, drain=drain)

    async def get(self, run: str) -> Run:
        """Return a stored run."""
        return await self._life.face(await self.runs.get(run), None)

    async def approvals(
        self, *, role: str | None = None, status: str | None = "pending"
    ) -> list[Approval]:
        """Return stored approvals, the pending ones by default.

        Deadlines that are over take effect first, unless another process holds the home; an
        approval that is overdue cannot be given in any case.
        """
        if await self.services.approvals.late():
            with contextlib.suppress(HomeBusy):
                await self.sweep()
        return Listed(await self.services.approvals.list(status=status, role=role))

    async def threads(self) -> list[ThreadRecord]:
        """Return the threads, the latest first."""
        return Listed(await self.runs.threads())

    async def history(self, thread: str) -> list[Run]:
        """Return a thread's runs, oldest first."""
        there = await self.runs.of_thread(thread)
        return Listed([await self._life.face(record, None) for record in there])

    async def events(
        self, *, run: str | None = None, thread: str | None = None
    ) -> list[AuditEvent]:
        """Return the trail of a run or of a thread."""
        return Listed(await self.services.trail.events(run=run, thread=thread))

    async def recover(self) -> list[Run]:
        """Take up every run that a vanished process left, and return them as they then stand.

        A run is given up as failed after three attempts. A run whose principal nobody here knows
        is left for its host.
        """
        async with self.home.busy():
            return await self.take_up()

    async def take_up(self) -> list[Run]:
        """Do what `recover` does; the caller holds the home."""
        late = await self._life.lapse()
        return [*late, *await self._life.recover()]

    async def forget(
        self, thread: str, *, by: Principal | str, why: str, force: bool = False
    ) -> Forgotten:
        """Erase a thread everywhere in the home; the audit trail still verifies without it.

        Messages, answers, runs, checkpoints, plans, approvals, results and the content of the
        trail's events go. A thread that was erased before is cleared away again.

        Args:
            thread: its id.
            by: who asks: its owner, or somebody with the role of the workflow's owner.
            why: the reason. It is kept, so it may name neither the person nor the thread.
            force: cancel what runs or waits on the thread first.

        Raises:
            UnknownRun: there is no such thread.
            ThreadForbidden: this person may not erase it.
            RequestError: something on it runs or waits, or the reason names the person or nothing.
            StorageError: there is no room for writing the database anew.
        """
        who = self.people.admit(by)
        async with self.home.busy():
            return await self._forgetting.forget(thread, who, why, force=force)

    async def prune(
        self, *, dry_run: bool = False, rules: RetentionSpec | None = None
    ) -> PruneReport:
        """Remove what is older or more than `retention:` allows and no promise needs any more.

        Opening a desk does so, too, and then it happens every `retention.every` while it is open.

        Args:
            dry_run: change nothing, and return what would go.
            rules: bounds that count this once, instead of those of the workspace.

        Raises:
            StorageError: there is no room on the disk; what was removed before stays removed.
        """
        source = "" if rules is None else ", given by the program"
        return await self._retention.prune(dry_run=dry_run, rules=rules, source=source)

    def keep_bounds(self) -> None:
        """Have retention begin its work beside the runs, as the workspace declares it."""
        self._retention.begin()

    async def _take(
        self,
        text: str,
        principal: Principal | str,
        thread: str | None,
        progress: Progress | None,
    ) -> Run:
        record, who, found = self._received(text, principal, thread)
        async with self.home.busy():
            if thread is not None:
                await self._life.lapse(record.thread)
            return await self._life.take(record, who, progress, found)

    def _received(
        self,
        text: str,
        principal: Principal | str,
        thread: str | None,
        key: str | None = None,
    ) -> tuple[RunRecord, Principal, tuple[Finding, ...]]:
        """Return the record of a message, whose it is, and what was taken out of it."""
        who = self.people.admit(principal)
        limit = self.services.spec.workflow.limits.message
        message = self.services.redaction.stored.redact(accepted(text, limit))
        return received(message.text, who, thread, self.name, key), who, tuple(message.found)

    def on_notice(self, callback: Callable[[Notice], object]) -> None:
        """Have `callback` called when a call takes place of which a policy has people told.

        The trail has the same as `policy.notice`. The callback must not block.
        """
        self.services.notices.on(callback)

    def on_approval(self, callback: Callable[[ApprovalNotice], object]) -> None:
        """Have `callback` called when an approval is asked for, escalated or missed.

        The callback must not block.
        """
        self.services.approvals.on(callback)

    def on_segment(self, callback: Watcher) -> None:
        """Have `callback` called when work on a run begins, and when it rests: ended or waiting.

        It is called in the task that does the work and must neither block nor raise.
        """
        self._segments.watchers.append(callback)

    def notify(self, notifier: Notifier) -> None:
        """Have approvals told to somebody outside: a `WebhookNotifier`, or one's own.

        It works beside the runs. A notice is stored with what it tells of and tried again, after a
        crash as well; what cannot be delivered is in the trail as `approval.untold`.
        """
        self._notifying.add(notifier)

    def begin_notices(self) -> None:
        """Begin to deliver notices, those that a former process left as well."""
        self._notifying.start()

    async def close(self) -> None:
        """Write what is left, and let go of the models' connections."""
        await self.background.drain(0.0)
        await self._retention.close()
        await self._notifying.close()
        with contextlib.suppress(StorageError, HomeError):
            await self.services.trail.flush()
        await self._signing.close()
        await self.services.models.aclose()
