"""The queue of calls that wait for people: stored, so that it survives the process.

Nothing here runs a call. An approval is one of the things that `act` looks at when it decides
the call again; the stored row, not a resume value, is what counts.
"""

from __future__ import annotations

import sqlite3
from builtins import list as list_
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import TypeAdapter

from concertmaster.audit import Trail
from concertmaster.contracts import (
    Action,
    Answer,
    Approval,
    AuditEvent,
    Edit,
    Principal,
    Provenance,
    Respond,
    ReviewNeed,
    canonical,
    digest,
    now,
    plain_text,
)
from concertmaster.errors import (
    ApprovalError,
    ApprovalForbidden,
    ApprovalUnknown,
    ConcertmasterError,
    ConfigError,
)
from concertmaster.policies import approval_rows as rows
from concertmaster.policies.approval_rows import MIGRATIONS
from concertmaster.policies.ballot import approval_digest, cast, covers, satisfies, wrote
from concertmaster.policies.endorsement import endorsers, endorses, unproven_values
from concertmaster.policies.obligations import merge_needs
from concertmaster.storage import Database

__all__ = ["MIGRATIONS", "Approvals", "satisfies"]

T = TypeVar("T")

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)
_HOST = "concertmaster"


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
            created=now().isoformat(),
            provenance=provenance,
        )
        return await self._write(lambda connection: self._request(connection, wanted))

    def _request(
        self, connection: sqlite3.Connection, wanted: Approval
    ) -> tuple[Approval, list_[AuditEvent]]:
        there = [
            approval
            for approval in self._find(connection, run=wanted.run, position=wanted.position)
            if approval.status != "void"
        ]
        for approval in reversed(there):
            if approval.digest == wanted.digest and not _asks_more(wanted, approval):
                return approval, []
        events = [
            self._void(connection, approval, "another call, or another review, took its place")
            for approval in there
            if approval.status == "pending"
        ]
        asked = wanted.model_copy(update={"id": rows.fresh_id(connection)})
        rows.insert(connection, self._workspace, asked)
        return asked, [*events, self._requested(asked)]

    async def get(self, id: str) -> Approval:
        """Return an approval.

        Raises:
            ApprovalUnknown: there is none of this id in this workspace.
            StorageError: its row is damaged.
        """
        return await self._database.read(lambda connection: self._one(connection, id))

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
        found = await self._database.read(lambda connection: self._find(connection, **wanted))
        return [a for a in found if role is None or any(n.role == role for n in a.needs)]

    async def granted(self, run: str, position: int) -> Approval | None:
        """Return the latest approval at this position of the run that is not void, if any.

        What was answered is in its status and votes; see `satisfies`.

        Raises:
            StorageError: a row is damaged.
        """
        found = await self._database.read(lambda c: self._find(c, run=run, position=position))
        return next((a for a in reversed(found) if a.status != "void"), None)

    async def decide(self, id: str, answer: Answer, by: Principal) -> Approval:
        """Give a person's answer; return the approval as it then stands.

        An approval counts for the first need that is not met yet and whose role this person has;
        it is approved once all needs are met by different people. Any other answer decides at
        once. An edit keeps the tool; whether the edited call may run is decided by the gate.

        Raises:
            ApprovalUnknown: there is none of this id in this workspace.
            ApprovalStale: it was decided or voided before, or its row was changed from outside.
            ApprovalForbidden: this person may not answer it.
            ApprovalError: this is no answer.
        """
        try:
            clean = _clean(answer)
            return await self._write(lambda connection: self._decide(connection, id, clean, by))
        except ApprovalError as refusal:
            await self._refused(id, getattr(answer, "kind", None), by, refusal)
            raise

    def _decide(
        self, connection: sqlite3.Connection, id: str, answer: Answer, by: Principal
    ) -> tuple[Approval, list_[AuditEvent]]:
        approval = self._one(connection, id)
        decided = cast(approval, answer, by, at=now().isoformat())
        for earlier in self._find(connection, run=approval.run, position=approval.position):
            if wrote(earlier, by, approval.action):
                raise ApprovalForbidden(
                    f"{by.id} wrote the call that approval {id} is about",
                    hint="an edited call is looked at by somebody else than who edited it",
                )
        rows.replace(connection, self._workspace, decided)
        return decided, [self._answered(decided), *self._endorsed(decided)]

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
            raise ApprovalUnknown(
                f"there is no approval {str(id)[:40]!r} here",
                hint="`concertmaster approvals list` shows the pending ones",
            )
        return found[0]

    def _void(self, connection: sqlite3.Connection, approval: Approval, why: str) -> AuditEvent:
        voided = approval.model_copy(update={"status": "void", "decided": now().isoformat()})
        rows.replace(connection, self._workspace, voided)
        return self._event("approval.voided", approval, why=why, actor=_HOST)

    def _requested(self, approval: Approval) -> AuditEvent:
        return self._event(
            "approval.requested",
            approval,
            why="; ".join(approval.reasons) or f"{approval.action.tool} needs a review",
            actor=_HOST,
            step=approval.action.step,
            needs=[need.model_dump() for need in approval.needs],
            evidence=list(approval.evidence),
            bundle=approval.bundle,
        )

    def _answered(self, approval: Approval) -> AuditEvent:
        vote = approval.votes[-1]
        answer = vote.answer
        edited = {"tool": approval.action.tool, "arguments": getattr(answer, "arguments", None)}
        return self._event(
            "approval.answered",
            approval,
            why=getattr(answer, "reason", "") or f"{vote.by} answered: {answer.kind}",
            actor=vote.by,
            answer=answer.kind,
            role=vote.role,
            status=approval.status,
            **({"edited_call": digest(edited)} if isinstance(answer, Edit) else {}),
        )

    def _endorsed(self, approval: Approval) -> list_[AuditEvent]:
        """Tell whose word now stands for values that nothing else proved; never the values."""
        unproven = unproven_values(approval) if endorses(approval) else ()
        if not unproven:
            return []
        reviewers = endorsers(approval)
        return [
            self._event(
                "value.endorsed",
                approval,
                why=f"{' and '.join(reviewers)} let values through that nothing else proves",
                actor=reviewers[-1],
                reviewers=list(reviewers),
                values=[{"path": v.path, "origin": v.origin} for v in unproven],
                edited=approval.status == "edited",
            )
        ]

    def _event(self, type_: Any, approval: Approval, **fields: Any) -> AuditEvent:
        """Return an event about an approval, which names the call by its digest alone."""
        return self._trail.event(
            type_,
            run=approval.run,
            thread=approval.thread,
            on_behalf_of=approval.requester,
            approval=approval.id,
            tool=approval.action.tool,
            position=approval.position,
            call=approval.action.call_digest(),
            digest=approval.digest,
            **fields,
        )

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
        return not covers(there.votes, wanted.needs, besides=there.requester)
    if there.status == "pending":
        asked = {need.role: need.count for need in there.needs}
        return any(need.count > asked.get(need.role, 0) for need in wanted.needs)
    return False


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
