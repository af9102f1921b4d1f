"""The queue of calls that wait for people: stored, so that it survives the process.

Nothing here runs a call. An approval is one of the things that `act` looks at when it decides
the call again; the stored row, not a resume value, is what counts.
"""

from __future__ import annotations

import logging
import sqlite3
from builtins import list as list_
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from concertmaster.audit import Trail
from concertmaster.audit.retired import retired
from concertmaster.contracts import (
    Action,
    Answer,
    Approval,
    ApprovalNotice,
    AuditEvent,
    Deadline,
    Edit,
    Principal,
    Provenance,
    Respond,
    ReviewNeed,
    canonical,
    now,
    plain_text,
)
from concertmaster.contracts.deadline import utc
from concertmaster.errors import (
    ApprovalError,
    ApprovalForbidden,
    ApprovalUnknown,
    ConcertmasterError,
    ConfigError,
)
from concertmaster.policies import approval_rows as rows
from concertmaster.policies.approval_events import ApprovalEvents
from concertmaster.policies.approval_rows import MIGRATIONS
from concertmaster.policies.ballot import approval_digest, asks_for, cast, meets, satisfies, wrote
from concertmaster.policies.claims import DEFAULT, claimed, released
from concertmaster.policies.deadlines import lapsed
from concertmaster.policies.obligations import merge_needs
from concertmaster.storage import Database

__all__ = ["MIGRATIONS", "Approvals", "satisfies", "unknown_approval"]

T = TypeVar("T")

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_LOG = logging.getLogger("concertmaster.approvals")


class Approvals:
    """The approvals of one workspace.

    Each change and its event of the trail are written in one transaction, so that neither is
    ever stored without the other. Of two answers at the same time, one wins and the other is
    told that it came too late.
    """

    def __init__(self, database: Database, trail: Trail) -> None:
        if trail.database is not database:
            raise ConfigError(
                "approvals and their trail are in different databases",
                hint="open one Database with the migrations of both, and give it to both",
            )
        self._database = database
        self._trail = trail
        self._workspace = trail.workspace
        self._events = ApprovalEvents(trail)
        self._listeners: list_[Callable[[ApprovalNotice], object]] = []
        self._beside: list_[Callable[[sqlite3.Connection, ApprovalNotice, str], object]] = []
        self.clock: Callable[[], datetime] = now
        """Tells the time, of which deadlines and claims depend."""

    def on(self, callback: Callable[[ApprovalNotice], object]) -> None:
        """Have `callback` called when an approval is asked for, escalated, or was not given in
        time. It must not block; that it fails keeps nobody from deciding."""
        self._listeners.append(callback)

    def beside(self, write: Callable[[sqlite3.Connection, ApprovalNotice, str], object]) -> None:
        """Have `write` store a notice in the transaction of what it tells of, with its thread."""
        self._beside.append(write)

    async def request(
        self,
        action: Action,
        *,
        run: str,
        thread: str,
        requester: Principal,
        needs: Sequence[ReviewNeed],
        reasons: Sequence[str],
        bundle: str,
        evidence: tuple[str, ...] = (),
        provenance: Provenance | None = None,
        deadline: Deadline | None = None,
    ) -> Approval:
        """Return the approval for this call at this position of the run; ask for it if need be.

        Asking again for the same call returns what there is, whatever its status, unless more is
        needed now than was asked for then. Another call at the same position voids what is
        pending there.

        Args:
            action: the call that waits.
            run: its run.
            thread: the run's thread.
            requester: on whose behalf; this person may not decide it.
            needs: the roles and counts that are due.
            reasons: why, in sentences for the reviewer.
            bundle: the digest of the policies that asked for it.
            evidence: digests of the evidence that the reviewer is shown.
            provenance: where the call's values came from, for the reviewer.
            deadline: how long people have, and what follows; as long as they like without it.

        Raises:
            ApprovalError: nobody is named who could approve, or the call is not plain JSON.
        """
        if not needs:
            raise ApprovalError(
                f"{action.tool}: an approval that needs nobody cannot be given",
                hint="name at least one role",
            )
        try:
            bound = approval_digest(action, requester.id, evidence)
        except ValueError:
            raise ApprovalError(f"{action.tool}: the arguments are not plain JSON") from None
        asked_at = self.clock()
        wanted = Approval(
            id="",
            run=run,
            thread=thread,
            position=action.position,
            action=action,
            requester=requester.id,
            evidence=evidence,
            digest=bound,
            needs=merge_needs(needs),
            reasons=tuple(reasons),
            bundle=bundle,
            created=utc(asked_at),
            provenance=provenance,
            deadline=deadline,
            due=deadline.due(asked_at) if deadline else None,
        )
        await self.sweep(run=run)
        asked, fresh = await self._write(lambda connection: self._request(connection, wanted))
        if fresh:
            self._announce("requested", asked)
        return asked

    def _request(
        self, connection: sqlite3.Connection, wanted: Approval
    ) -> tuple[tuple[Approval, bool], list_[AuditEvent]]:
        there = [
            approval
            for approval in self._find(connection, run=wanted.run, position=wanted.position)
            if approval.status != "void"
        ]
        for approval in reversed(there):
            if approval.digest == wanted.digest and not _asks_more(wanted, approval):
                return (approval, False), []
        events = [
            self._void(connection, approval, "another call, or another review, took its place")
            for approval in there
            if approval.status == "pending"
        ]
        asked = wanted.model_copy(update={"id": rows.fresh_id(connection)})
        rows.insert(connection, self._workspace, asked)
        self._keep(connection, "requested", asked)
        return (asked, True), [*events, self._events.requested(asked)]

    async def get(self, id: str) -> Approval:
        """Return an approval.

        Raises:
            ApprovalUnknown: there is none of this id in this workspace.
            StorageError: its row is damaged.
        """
        return await self._database.look(lambda connection: self._one(connection, id))

    async def list(
        self,
        *,
        status: str | None = None,
        run: str | None = None,
        thread: str | None = None,
        role: str | None = None,
        requester: str | None = None,
    ) -> list_[Approval]:
        """Return the approvals with these properties, oldest first; `role` is one that is needed.

        Raises:
            StorageError: a row is damaged.
        """
        asked = {"status": status, "run": run, "thread": thread, "requester": requester}
        wanted = {name: value for name, value in asked.items() if value is not None}
        found = await self._database.look(lambda connection: self._find(connection, **wanted))
        return [a for a in found if role is None or any(n.role == role for n in a.needs)]

    async def granted(self, run: str, position: int) -> Approval | None:
        """Return the latest approval at this position of the run that is not void, if any.

        What was answered is in its status and votes; see `satisfies`. A deadline that is over
        takes effect first.

        Raises:
            StorageError: a row is damaged.
        """
        await self.sweep(run=run)
        found = await self._database.look(lambda c: self._find(c, run=run, position=position))
        return next((a for a in reversed(found) if a.status != "void"), None)

    async def decide(self, id: str, answer: Answer, by: Principal) -> Approval:
        """Give a person's answer; return the approval as it then stands.

        An approval counts for the first need that is not met yet and whose role this person has;
        it is approved once all needs are met by different people. Any other answer decides at
        once. An edit keeps the tool; whether the edited call may run is decided by the gate.

        Raises:
            ApprovalUnknown: there is none of this id in this workspace.
            ApprovalStale: it was decided or voided before, is overdue, or its row was changed from
                outside.
            ApprovalForbidden: this person may not answer it, or others have claimed it.
            ApprovalError: this is no answer.
        """
        try:
            clean = _clean(answer)
            # What is overdue once stays so: a clock that is set back afterwards changes nothing.
            await self.sweep(id=str(id))
            return await self._write(lambda connection: self._decide(connection, id, clean, by))
        except ApprovalError as refusal:
            await self._refused(id, getattr(answer, "kind", None), by, refusal)
            raise

    def _decide(
        self, connection: sqlite3.Connection, id: str, answer: Answer, by: Principal
    ) -> tuple[Approval, list_[AuditEvent]]:
        approval = self._one(connection, id)
        decided = cast(approval, answer, by, at=self._now())
        self._check_unbiased(connection, approval, by)
        rows.replace(connection, self._workspace, decided)
        return decided, [self._events.answered(decided), *self._events.endorsed(decided)]

    def _check_unbiased(
        self, connection: sqlite3.Connection, approval: Approval, by: Principal
    ) -> None:
        """Raise ApprovalForbidden if this person has had a say in what the approval is about."""
        for earlier in self._find(connection, run=approval.run, position=approval.position):
            if wrote(earlier, by, approval.action):
                raise ApprovalForbidden(
                    f"{by.id} wrote the call that approval {approval.id} is about",
                    hint="an edited call is looked at by somebody else than who edited it",
                )
            if earlier.id == approval.replaces and any(v.by == by.id for v in earlier.votes):
                raise ApprovalForbidden(
                    f"{by.id} answered {earlier.id}, which approval {approval.id} replaces",
                    hint="after the deadline somebody else decides",
                )

    async def claim(self, id: str, by: Principal, *, seconds: float = DEFAULT) -> Approval:
        """Take an approval on for a while; others cannot answer in this person's place meanwhile.

        It holds for one place of one role: where two of a role have to approve, a second person
        still can. Claiming again makes it last from now on. It ends by itself, with an answer, or
        with `release`.

        Raises:
            ApprovalUnknown, ApprovalStale, ApprovalForbidden: as for `decide`.
            ApprovalError: the time is too short or too long.
        """
        await self.sweep(id=str(id))

        def work(connection: sqlite3.Connection) -> tuple[Approval, list_[AuditEvent]]:
            there = self._one(connection, id)
            taken = claimed(there, by, seconds, at=self._now())
            self._check_unbiased(connection, there, by)
            rows.replace(connection, self._workspace, taken)
            return taken, [self._events.claimed(taken, taken.claims[-1])]

        return await self._write(work)

    async def release(self, id: str, by: Principal) -> Approval:
        """Let go of a claim.

        Raises:
            ApprovalUnknown, ApprovalStale: as for `decide`.
            ApprovalForbidden: this person has no claim on it.
        """
        await self.sweep(id=str(id))

        def work(connection: sqlite3.Connection) -> tuple[Approval, list_[AuditEvent]]:
            left = released(self._one(connection, id), by, at=self._now())
            rows.replace(connection, self._workspace, left)
            return left, [self._events.released(left, by.id)]

        return await self._write(work)

    async def sweep(self, **wanted: str) -> list_[Approval]:
        """Have every deadline that is over take effect; return what was closed by it.

        That happens once: what was rejected or escalated stays so, whatever the clock tells later.

        Args:
            wanted: only those with this `id`, `run` or `thread`.

        Raises:
            StorageError: the database cannot be read or written.
        """
        at = self._now()

        def due(connection: sqlite3.Connection) -> list_[Approval]:
            return rows.overdue(connection, self._workspace, at, **wanted)

        if not await self._database.look(due):
            return []
        lapses = await self._write(lambda connection: self._lapse(connection, due(connection), at))
        for closed, successor in lapses:
            self._announce("escalated" if successor else "overdue", successor or closed)
        return [closed for closed, _ in lapses]

    def _lapse(
        self, connection: sqlite3.Connection, due: list_[Approval], at: str
    ) -> tuple[list_[tuple[Approval, Approval | None]], list_[AuditEvent]]:
        lapses, events = [], []
        for approval in due:
            closed, successor = lapsed(approval, at, rows.fresh_id(connection))
            rows.replace(connection, self._workspace, closed)
            events.append(self._events.overdue(closed, successor))
            if successor is not None:
                rows.insert(connection, self._workspace, successor)
                events.append(self._events.requested(successor))
            self._keep(connection, "escalated" if successor else "overdue", successor or closed)
            lapses.append((closed, successor))
        return lapses, events

    async def waiting_runs(self) -> frozenset[str]:
        """Return the runs for which somebody still has to decide."""
        return await self._database.look(rows.waiting_runs)

    async def late(self) -> bool:
        """Tell whether some deadline is over that has not taken effect yet."""
        at = self._now()
        return bool(await self._database.look(lambda c: rows.overdue(c, self._workspace, at)))

    def _keep(self, connection: sqlite3.Connection, event: Any, approval: Approval) -> None:
        notice = ApprovalNotice.of(approval, event, self._workspace)
        for write in self._beside:
            write(connection, notice, approval.thread)

    def _announce(self, event: Any, approval: Approval) -> None:
        notice = ApprovalNotice.of(approval, event, self._workspace)
        for listener in self._listeners:
            try:
                listener(notice)
            except Exception as error:
                _LOG.warning("a receiver of approvals failed: %s", type(error).__name__)

    async def void(self, run: str, why: str) -> int:
        """Void what is pending in a run; return how many there were.

        Raises:
            StorageError: a row is damaged.
        """

        def work(connection: sqlite3.Connection) -> tuple[int, list_[AuditEvent]]:
            pending = self._find(connection, run=run, status="pending")
            return len(pending), [self._void(connection, a, why) for a in pending]

        return await self._write(work)

    async def _write(self, work: Callable[[sqlite3.Connection], tuple[T, list_[AuditEvent]]]) -> T:
        """Run `work` and store its events in the same transaction, after those that waited."""

        def both(connection: sqlite3.Connection) -> T:
            result, events = work(connection)
            if events:
                self._trail.store(connection, *events)
            return result

        return await self._database.write(both)

    def _find(self, connection: sqlite3.Connection, **wanted: str | int) -> list_[Approval]:
        return rows.find(connection, self._workspace, **wanted)

    def _one(self, connection: sqlite3.Connection, id: str) -> Approval:
        found = self._find(connection, id=id)
        if not found:
            raise unknown_approval(id, retired(connection, "approval", id))
        return found[0]

    def _void(self, connection: sqlite3.Connection, approval: Approval, why: str) -> AuditEvent:
        closed = {"status": "void", "decided": self._now(), "claims": ()}
        voided = approval.model_copy(update=closed)
        rows.replace(connection, self._workspace, voided)
        return self._events.voided(approval, why)

    def _now(self) -> str:
        return utc(self.clock())

    async def _refused(
        self, id: str, kind: str | None, by: Principal, refusal: ApprovalError
    ) -> None:
        """Record a refused answer. The refusal reaches the caller even if the disk is full."""
        about: dict[str, Any] = {}
        with suppress(ConcertmasterError):
            approval = await self.get(id)
            about = {"run": approval.run, "thread": approval.thread, "tool": approval.action.tool}
        self._trail.emit(
            "approval.refused",
            why=refusal.message,
            actor=by.id,
            approval=str(id)[:40],
            answer=kind,
            code=refusal.code,
            **about,
        )
        with suppress(ConcertmasterError):
            await self._trail.flush()


def _asks_more(wanted: Approval, there: Approval) -> bool:
    """Tell whether an approval for the same call asks for less than is needed now."""
    if there.status == "approved":
        return not meets(there, wanted.needs)
    return there.status == "pending" and not asks_for(there, wanted.needs)


def _clean(answer: Answer) -> Answer:
    """Return an answer that can be stored.

    Raises:
        ApprovalError: it is none of the four answers, or edits to something that is not JSON.
    """
    try:
        checked = _ANSWER.validate_python(answer)
        if isinstance(checked, Edit):
            canonical(checked.arguments)
    except (ValueError, RecursionError):
        raise ApprovalError(
            "this is no answer to an approval",
            hint="answer with Approve, Edit (with plain JSON as arguments), Reject or Respond",
        ) from None
    if isinstance(checked, Respond):
        return checked.model_copy(update={"text": plain_text(checked.text)})
    return checked.model_copy(update={"reason": plain_text(checked.reason)})


def unknown_approval(id: object, gone: object = None) -> ApprovalUnknown:
    """Return the error for an id of which there is no approval, or none for whoever asks.

    Args:
        id: what was asked for.
        gone: what became of it, if that is known.
    """
    what = f"{str(id)[:40]!r}"
    return ApprovalUnknown(
        f"approval {what} was settled, and {gone}" if gone else f"there is no approval {what} here",
        hint="`concertmaster approvals list` shows the pending ones",
    )
