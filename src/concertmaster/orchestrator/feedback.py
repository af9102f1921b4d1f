"""The feedback of a home: who may give it, where it is kept, who may accept it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.task import Services
from concertmaster.contracts import Principal, RunRecord, new_id, now, plain_text
from concertmaster.contracts.feedback import Feedback, FeedbackStatus, Thumb
from concertmaster.errors import RequestError, ThreadForbidden, UnknownRun
from concertmaster.storage import Database, Migration

__all__ = ["MIGRATIONS", "Correction", "FeedbackBook", "stored_feedback"]

MIGRATIONS = (
    Migration(
        "feedback",
        1,
        """
        CREATE TABLE feedback (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
            run TEXT NOT NULL, thread TEXT NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL
        ) STRICT;
        CREATE INDEX feedback_by_run ON feedback (run)
        """,
    ),
)
_LONGEST = 2000
_MOST = 50
"""Pieces of feedback that one person may give to one run."""


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What a person says of a run; the three corrections are what would have been right."""

    value: Thumb
    comment: str = ""
    intent: str | None = None
    answer: str | None = None
    document: str | None = None


class FeedbackBook:
    """Feedback of one desk, with the events that tell of it in the same transactions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._trail = services.trail

    async def add(self, run: RunRecord, who: Principal, given: Correction) -> Feedback:
        """Store what a person says of a run.

        Raises:
            UnknownRun: the run is of somebody else, and this person is no reviewer.
            RequestError: a text is too long, the intent is not declared, or it is too much.
        """
        role = self._role(run, who)
        if given.value not in ("up", "down"):
            raise RequestError(f"{given.value!r} is no thumb", hint="say up or down")
        names = {i.name for i in self._services.spec.intents.intents} | {"out_of_scope"}
        if given.intent is not None and given.intent not in names:
            raise RequestError(
                "the corrected intent is not one of this desk", hint=f"one of {sorted(names)}"
            )
        texts = {n: self._clean(n, getattr(given, n)) for n in ("comment", "answer", "document")}
        corrected = given.intent or texts["answer"] or texts["document"]
        feedback = Feedback(
            id=new_id("fb"),
            run=run.id,
            thread=run.thread,
            principal=who.id,
            role=role,
            kind="correction" if corrected else "thumb",
            value=given.value,
            question=self._told(run.text),
            comment=texts["comment"] or "",
            intent=given.intent,
            answer=texts["answer"] or None,
            document=texts["document"] or None,
            created=now().isoformat(),
        )
        await self._trail.database.write(lambda c: self._insert(c, feedback))
        return feedback

    async def list(self, status: FeedbackStatus | None = None) -> list[Feedback]:
        """Return the feedback, oldest first."""
        return await stored_feedback(self._trail.database, status)

    def may_review(self, who: Principal) -> bool:
        """Tell whether somebody has the role of one who answers for a part of the workflow."""
        owners = self._services.spec.workflow.owners.values()
        return bool({owner.role for owner in owners} & set(who.roles))

    def check_reviewer(self, feedback: Feedback, who: Principal) -> None:
        """Check that a person may decide what becomes of a piece of feedback.

        Raises:
            ThreadForbidden: they have no owner's role, or gave it themselves.
            RequestError: it was decided before.
        """
        if not self.may_review(who):
            raise ThreadForbidden(
                f"{who.id} may not review feedback",
                hint="somebody with the role of an owner in workflow.yaml may",
            )
        if feedback.principal == who.id:
            raise ThreadForbidden(
                f"{who.id} gave {feedback.id} and may not accept it",
                hint="somebody else with an owner's role may",
            )
        if feedback.status != "open":
            raise RequestError(f"{feedback.id} was {feedback.status} before")

    async def edited(self, feedback: Feedback, who: Principal) -> Feedback:
        """Return the stored feedback with a reviewer's edits, which are cleaned like all texts.

        Raises:
            ThreadForbidden: this person may not review it.
            RequestError: it was decided before, or is not there.
        """
        stored = next((f for f in await self.list() if f.id == feedback.id), None)
        if stored is None:
            raise RequestError(f"there is no feedback {feedback.id!r} here any more")
        self.check_reviewer(stored, who)
        changes = {
            "question": self._told(feedback.question),
            "intent": feedback.intent,
            "answer": self._clean("answer", feedback.answer),
            "document": self._clean("document", feedback.document),
        }
        return stored.model_copy(update=changes)

    async def decided(
        self, feedback: Feedback, who: Principal, status: FeedbackStatus, added: tuple[str, ...]
    ) -> Feedback:
        """Note what became of it, and who decided that."""
        self.check_reviewer(feedback, who)
        changed = feedback.model_copy(update={"status": status, "reviewer": who.id, "added": added})

        def work(connection: sqlite3.Connection) -> None:
            done = connection.execute(
                "UPDATE feedback SET status = ?, record = ? WHERE id = ? AND status = 'open'",
                (status, changed.model_dump_json(), changed.id),
            )
            if done.rowcount != 1:
                raise RequestError(f"{changed.id} was decided or erased meanwhile")
            self._tell(connection, "feedback.reviewed", changed, who.id, added=list(added))

        await self._trail.database.write(work)
        return changed

    def _role(self, run: RunRecord, who: Principal) -> Any:
        if (run.principal.id, run.principal.tenant) == (who.id, who.tenant):
            return "participant"
        if self.may_review(who) and run.principal.tenant == who.tenant:
            return "reviewer"
        # Not told apart from a run that there is not.
        raise UnknownRun(f"{who.id} has no run {run.id!r}")

    def _clean(self, name: str, text: str | None) -> str | None:
        if text is None:
            return None
        if len(text) > _LONGEST:
            raise RequestError(f"the {name} has more than {_LONGEST} characters")
        return self._told(text)

    def _told(self, text: str) -> str:
        clean = self._services.redaction.told.redact(plain_text(text)).text
        return " ".join(clean.split())[:_LONGEST]

    def _insert(self, connection: sqlite3.Connection, feedback: Feedback) -> None:
        known = connection.execute(
            "SELECT count(*) FROM feedback WHERE run = ?"
            " AND json_extract(record, '$.principal') = ?",
            (feedback.run, feedback.principal),
        ).fetchone()
        if known[0] >= _MOST:
            raise RequestError(f"{feedback.principal} said enough of {feedback.run}")
        if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (feedback.run,)).fetchone():
            raise UnknownRun(f"there is no run {feedback.run!r} any more")
        connection.execute(
            "INSERT INTO feedback (id, run, thread, status, record) VALUES (?, ?, ?, ?, ?)",
            (
                feedback.id,
                feedback.run,
                feedback.thread,
                feedback.status,
                feedback.model_dump_json(),
            ),
        )
        self._tell(connection, "feedback.given", feedback, feedback.principal)

    def _tell(
        self,
        connection: sqlite3.Connection,
        type_: Any,
        feedback: Feedback,
        actor: str,
        **more: Any,
    ) -> None:
        said = f"a thumb {feedback.value}"
        why = f"{said} was {feedback.status}" if feedback.status != "open" else said
        given = feedback.model_dump(
            include={"kind", "value", "comment", "intent", "answer", "document", "role"}
        )
        event = self._trail.event(
            type_,
            why=why,
            actor=actor,
            run=feedback.run,
            thread=feedback.thread,
            feedback=feedback.id,
            status=feedback.status,
            **given,
            **more,
        )
        self._trail.store(connection, event)


async def stored_feedback(
    database: Database, status: FeedbackStatus | None = None
) -> list[Feedback]:
    """Return the feedback that a home holds, oldest first; none in a home of an older release."""

    def work(connection: sqlite3.Connection) -> list[Feedback]:
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'feedback'"
        if connection.execute(known).fetchone() is None:
            return []
        rows = connection.execute(
            "SELECT record FROM feedback WHERE ?1 IS NULL OR status = ?1 ORDER BY seq", (status,)
        )
        return [Feedback.model_validate_json(row["record"]) for row in rows.fetchall()]

    return await database.read(work)
