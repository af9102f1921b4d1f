"""The accepted plan of a run, committed before anything of it acts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from pydantic import ValidationError

from concertmaster.audit import Trail
from concertmaster.contracts import Action, now
from concertmaster.errors import StorageError
from concertmaster.storage import Database, Migration

__all__ = ["MIGRATIONS", "Plans"]

MIGRATIONS = (
    Migration(
        "tools.plans",
        1,
        """
        CREATE TABLE plans (
            run TEXT NOT NULL,
            position INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            step TEXT NOT NULL,
            action TEXT NOT NULL,
            written TEXT NOT NULL,
            PRIMARY KEY (run, position, revision)
        ) STRICT, WITHOUT ROWID
        """,
    ),
)

_NEWEST = (
    "SELECT p.* FROM plans p WHERE p.run = ? AND p.revision ="
    " (SELECT max(revision) FROM plans q WHERE q.run = p.run AND q.position = p.position)"
)


class Plans:
    """The actions of each run by position. What was accepted once is never overwritten.

    Given a trail, what waits there is stored with every plan: the reads from which its arguments
    were taken are so never forgotten before the plan.
    """

    def __init__(self, database: Database, trail: Trail | None = None) -> None:
        self._database = database
        self._trail = trail

    async def save(self, run: str, step: str, actions: Sequence[Action]) -> None:
        """Add the accepted actions of a step, all or none; saving the same again does nothing.

        Raises:
            StorageError: a different action stands at the position, or it is another step's.
        """
        for action in actions:
            if action.step != step:
                raise StorageError(
                    f"run {run}: the call at {action.position} belongs to {action.step!r},"
                    f" not to {step!r}"
                )

        def work(connection: sqlite3.Connection) -> None:
            for action in actions:
                stored = _revisions(connection, run, action.position)
                if not stored:
                    _insert(connection, run, 0, action)
                elif not any(_same(action, known) for known in stored):
                    raise StorageError(
                        f"run {run}: another call was accepted at position {action.position}",
                        hint="a plan only grows; a reviewer's edit goes through amend",
                    )
            if self._trail is not None:
                self._trail.store(connection)

        if actions:
            await self._database.write(work)

    async def load(self, run: str, step: str | None = None) -> list[Action]:
        """Return the plan in order of position, as amended; of one step if it is named.

        Raises:
            StorageError: a stored action cannot be read.
        """
        rows = await self._database.read(
            lambda c: c.execute(f"{_NEWEST} ORDER BY p.position", (run,)).fetchall()
        )
        return [_action(row) for row in rows if step is None or row["step"] == step]

    async def get(self, run: str, position: int) -> Action | None:
        """Return the action at a position, as amended, or None if the plan has none there.

        Raises:
            StorageError: it cannot be read.
        """
        row = await self._database.read(
            lambda c: c.execute(f"{_NEWEST} AND p.position = ?", (run, position)).fetchone()
        )
        return _action(row) if row else None

    async def amend(self, run: str, position: int, action: Action) -> None:
        """Put a reviewer's edit in the place of an action; the earlier ones are kept.

        The same edit again does nothing.

        Raises:
            StorageError: nothing was accepted there, or the edit changes the tool or the place.
        """

        def work(connection: sqlite3.Connection) -> None:
            stored = _revisions(connection, run, position)
            if not stored:
                raise StorageError(f"run {run}: no call was accepted at position {position}")
            latest = stored[-1]
            kept = ("tool", "position", "step", "key")
            if any(getattr(action, n) != getattr(latest, n) for n in kept):
                raise StorageError(
                    f"run {run}: an edit of the call at {position} may change its arguments only"
                )
            if not _same(action, latest):
                _insert(connection, run, len(stored), action)

        await self._database.write(work)

    async def history(self, run: str, position: int) -> list[Action]:
        """Return every revision of the action at a position, the accepted one first."""
        return await self._database.read(lambda c: _revisions(c, run, position))


def _same(one: Action, other: Action) -> bool:
    """Tell whether both would run the same call for the same use; wording does not matter."""
    return (
        one.call_digest() == other.call_digest() and one.key == other.key and one.step == other.step
    )


def _revisions(connection: sqlite3.Connection, run: str, position: int) -> list[Action]:
    rows = connection.execute(
        "SELECT * FROM plans WHERE run = ? AND position = ? ORDER BY revision", (run, position)
    )
    return [_action(row) for row in rows]


def _insert(connection: sqlite3.Connection, run: str, revision: int, action: Action) -> None:
    connection.execute(
        "INSERT INTO plans (run, position, revision, step, action, written)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            run,
            action.position,
            revision,
            action.step,
            action.model_dump_json(),
            now().isoformat(timespec="milliseconds"),
        ),
    )


def _action(row: sqlite3.Row) -> Action:
    try:
        return Action.model_validate_json(row["action"])
    except ValidationError:
        raise StorageError(
            f"run {row['run']}: the stored call at position {row['position']} cannot be read",
            hint="restore a backup of the home directory",
        ) from None
