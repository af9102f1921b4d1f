"""The accepted plan of a run, committed no later than the intent of its first effect."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial

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

    Given a trail, a plan waits in memory, where it counts at once, and is stored in the next
    transaction in which the trail is: the one that writes down the intent of its first effect,
    the request for an approval, or the end of the run, whichever comes first. So it is on disk
    before anything of it takes effect or is shown to people, together with the reads from which
    its arguments were taken. A process that dies before that has done nothing but read.
    """

    def __init__(self, database: Database, trail: Trail | None = None) -> None:
        self._database = database
        self._waiting: dict[tuple[str, int], Action] = {}
        self._later = trail is not None
        if trail is not None:
            trail.beside(self._store)

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

        if not actions:
            return
        fresh = await self._database.look(lambda c: self._fresh(c, run, actions))
        self._waiting.update({(run, action.position): action for action in fresh})
        if fresh and not self._later:
            await self._database.write(self._store)

    def _fresh(
        self, connection: sqlite3.Connection, run: str, actions: Sequence[Action]
    ) -> list[Action]:
        """Return those of the actions that were not accepted before."""
        fresh = []
        for action in actions:
            stored = self._revisions(connection, run, action.position)
            if not stored:
                fresh.append(action)
            elif not any(_same(action, known) for known in stored):
                raise StorageError(
                    f"run {run}: another call was accepted at position {action.position}",
                    hint="a plan only grows; a reviewer's edit goes through amend",
                )
        return fresh

    def _store(self, connection: sqlite3.Connection) -> None:
        """Write what waits, within the caller's transaction; it is forgotten when committed.

        Where something else stands already, another process had the home meanwhile and took the
        run up by a plan of its own. That one holds, and what waits here of the run is dropped.
        """
        once = self._database.once
        waiting = {at: a for at, a in self._waiting.copy().items() if once((id(self), at))}
        overtaken = {run for run, position in waiting if _revisions(connection, run, position)}
        for (run, _), action in waiting.items():
            if run not in overtaken:
                _insert(connection, run, 0, action)
        self._database.after_commit(partial(self._forget, tuple(waiting)))

    def _forget(self, places: Iterable[tuple[str, int]]) -> None:
        for place in places:
            self._waiting.pop(place, None)

    def _revisions(self, connection: sqlite3.Connection, run: str, position: int) -> list[Action]:
        waiting = self._waiting.get((run, position))
        return _revisions(connection, run, position) or ([waiting] if waiting else [])

    async def load(self, run: str, step: str | None = None) -> list[Action]:
        """Return the plan in order of position, as amended; of one step if it is named.

        Raises:
            StorageError: a stored action cannot be read.
        """
        # What waits is looked at first: it may be stored meanwhile, but not vanish.
        found = {
            place[1]: action for place, action in self._waiting.copy().items() if place[0] == run
        }
        rows = await self._database.look(
            lambda c: c.execute(f"{_NEWEST} ORDER BY p.position", (run,)).fetchall()
        )
        found |= {row["position"]: _action(row) for row in rows}
        return [a for _, a in sorted(found.items()) if step is None or a.step == step]

    async def get(self, run: str, position: int) -> Action | None:
        """Return the action at a position, as amended, or None if the plan has none there.

        Raises:
            StorageError: it cannot be read.
        """
        waiting = self._waiting.get((run, position))
        row = await self._database.look(
            lambda c: c.execute(f"{_NEWEST} AND p.position = ?", (run, position)).fetchone()
        )
        return _action(row) if row else waiting

    async def amend(self, run: str, position: int, action: Action) -> None:
        """Put a reviewer's edit in the place of an action; the earlier ones are kept.

        The same edit again does nothing.

        Raises:
            StorageError: nothing was accepted there, or the edit changes the tool or the place.
        """

        def work(connection: sqlite3.Connection) -> None:
            self._store(connection)
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
        return await self._database.look(lambda c: self._revisions(c, run, position))


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
