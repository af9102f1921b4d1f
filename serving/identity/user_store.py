"""The embedded store of users: who there is, with which roles, and what changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from concertmaster.contracts import Principal
from concertmaster.contracts.base import Record, now
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ConfigError, UnknownPrincipal
from concertmaster.serving.identity.key_store import KeyStore
from concertmaster.serving.identity.removal import Removed, readmit, remove_rows, was_removed
from concertmaster.serving.identity.seen import Seen
from concertmaster.serving.identity.session_rows import end_sessions
from concertmaster.serving.identity.user import User, checked_id, checked_names
from concertmaster.serving.identity.user_file import Clock, UserFile

__all__ = ["Change", "UserStore"]


class Change(Record):
    """One line of the log: who changed what of whom, and when."""

    seq: int
    at: str
    by: str
    what: str
    subject: str
    detail: dict[str, Any]


class UserStore:
    """Users in one SQLite file.

    `resolve` is what a desk asks for the roles that somebody has now:
    `cm.open(workspace, resolve=store.resolve)`. `keys` are the users' API keys, `seen` the people
    whom tokens named.
    """

    def __init__(self, file: UserFile) -> None:
        self.file = file
        self.keys = KeyStore(file)
        self.seen = Seen(file)

    @classmethod
    def open(cls, path: Path | None = None, *, clock: Clock = now) -> Self:
        """Open the store, create its file if need be; see `UserFile.open`."""
        return cls(UserFile.open(path, clock=clock))

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def resolve(self, who: str) -> Principal | None:
        """Return the principal of an id with its roles as they are now.

        None for somebody unknown or disabled, and for somebody whose last token is too long ago.
        """
        user = self.find(who)
        if user is not None:
            return None if user.disabled else user.principal
        return self.seen.find(who)

    def find(self, id_: str) -> User | None:
        """Return the user of exactly this id, or None."""
        row = self.file.row("SELECT * FROM users WHERE id = ?", id_)
        return _user(row) if row else None

    def get(self, id_: str) -> User:
        """Return the user of exactly this id.

        Raises:
            UnknownPrincipal: there is none.
        """
        return self.find(id_) or _unknown(id_, self.file.path)

    def users(self) -> list[User]:
        """Return everybody, by id."""
        return [_user(row) for row in self.file.rows("SELECT * FROM users ORDER BY id")]

    def was_removed(self, id_: str) -> bool:
        """Tell whether somebody of this id, also in other case, was removed before."""
        return self.file.look(lambda connection: was_removed(connection, id_))

    async def add(self, principal: Principal, *, by: str, again: bool = False) -> User:
        """Add a user.

        Threads belong to an id, so one that was removed is not given to anybody in passing.

        Args:
            principal: the user.
            by: who adds it, for the log.
            again: take an id of somebody who was removed. Whoever gets it has that person's
                threads, as far as they were not erased: it has to be the same person.

        Raises:
            ConfigError: the id exists, also in other case, or was removed, or something is no name.
        """
        user = User(principal=_checked(principal), created=utc(self.file.now()))

        def work(connection: sqlite3.Connection) -> None:
            same = "SELECT id FROM users WHERE id = ? COLLATE NOCASE"
            if found := connection.execute(same, (user.id,)).fetchone():
                raise ConfigError(
                    f"there is a user {found['id']!r} already",
                    hint=f"`concertmaster users show {found['id']}` tells who it is",
                )
            told = _shown(user.principal)
            if was_removed(connection, user.id):
                if not again:
                    raise ConfigError(
                        f"a user {user.id!r} was removed, and threads of theirs may be left",
                        hint="choose another id; --again if this is the same person",
                    )
                readmit(connection, user.id)
                end_sessions(connection, user.id)
                told["again"] = True
            connection.execute(
                "INSERT INTO users (id, principal, created) VALUES (?, ?, ?)",
                (user.id, user.principal.model_dump_json(), user.created),
            )
            self.file.note(connection, by, "added", user.id, **told)

        await self.file.write(work)
        return user

    async def change(
        self,
        id_: str,
        *,
        by: str,
        roles: Iterable[str] | None = None,
        groups: Iterable[str] | None = None,
        name: str | None = None,
        tenant: str | None = None,
    ) -> User:
        """Set what is given; what is None stays. It counts from the next decision on.

        Raises:
            UnknownPrincipal: there is no such user.
            ConfigError: something is no name.
        """
        wanted: dict[str, Any] = {
            "roles": None if roles is None else tuple(roles),
            "groups": None if groups is None else tuple(groups),
            "name": name,
            "tenant": tenant,
        }
        given = {key: value for key, value in wanted.items() if value is not None}

        def work(connection: sqlite3.Connection) -> User:
            user = self._within(connection, id_)
            fresh = _checked(user.principal.model_copy(update=given))
            if fresh != user.principal:
                connection.execute(
                    "UPDATE users SET principal = ? WHERE id = ?", (fresh.model_dump_json(), id_)
                )
                before = {key: getattr(user.principal, key) for key in given}
                after = {key: getattr(fresh, key) for key in given}
                self.file.note(connection, by, "changed", id_, before=before, after=after)
            return user.model_copy(update={"principal": fresh})

        return await self.file.write(work)

    async def edit_names(
        self,
        id_: str,
        kind: str,
        *,
        by: str,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> User:
        """Add and remove roles or groups (`kind`) in one step, whoever changes others meanwhile.

        Raises:
            UnknownPrincipal: there is no such user.
            ConfigError: something is no name.
        """
        gone = set(remove)

        def work(connection: sqlite3.Connection) -> User:
            user = self._within(connection, id_)
            before: tuple[str, ...] = getattr(user.principal, kind)
            after = (*(n for n in before if n not in gone), *(n for n in add if n not in before))
            fresh = _checked(user.principal.model_copy(update={kind: after}))
            if fresh != user.principal:
                connection.execute(
                    "UPDATE users SET principal = ? WHERE id = ?", (fresh.model_dump_json(), id_)
                )
                change = {"before": {kind: before}, "after": {kind: getattr(fresh, kind)}}
                self.file.note(connection, by, "changed", id_, **change)
            return user.model_copy(update={"principal": fresh})

        return await self.file.write(work)

    async def disable(self, id_: str, *, by: str, disabled: bool = True) -> None:
        """Let somebody do nothing any more, or let them again; their sessions end at once.

        It also counts for somebody whom a token named, however long that token is valid. Enabled,
        somebody of an issuer who was removed may come back with their next token.

        Raises:
            UnknownPrincipal: there is no such user, and no token named one.
        """

        def work(connection: sqlite3.Connection) -> None:
            changed = 0
            for table in ("users", "seen"):
                sql = f"UPDATE {table} SET disabled = ? WHERE id = ?"
                changed += connection.execute(sql, (int(disabled), id_)).rowcount
            if not changed and (disabled or ":" not in id_ or not readmit(connection, id_)):
                _unknown(id_, self.file.path)
            ended = end_sessions(connection, id_) if disabled else 0
            what = "disabled" if disabled else "enabled"
            self.file.note(connection, by, what, id_, sessions_ended=ended)

        await self.file.write(work)

    async def remove(self, id_: str, *, by: str) -> Removed:
        """Remove a user, or somebody whom a token named, for good.

        Keys, sessions and one-time codes end with the next request; runs that wait are refused
        when they are resumed. What was stored of the person is deleted: name, roles, groups,
        tenant, notes on keys; the log tells of them under a tag. A salted digest of the id stays,
        so that the id, and with it the threads, is given to nobody in passing; see `add`. A token
        that names somebody who was removed is refused, until they are enabled.

        Threads, and what the trail says of their runs, stay in their homes: see `Desk.forget`.

        Raises:
            UnknownPrincipal: there is no such user, and no token named one.
        """

        def work(connection: sqlite3.Connection) -> Removed:
            done = remove_rows(connection, self.file, id_, by)
            return done or _unknown(id_, self.file.path)

        done: Removed = await self.file.write(work)
        return replace(done, purged=await self.file.purge())

    def changes(self, subject: str | None = None, *, last: int = 200) -> list[Change]:
        """Return the latest changes, of one user if named, oldest first."""
        sql = "SELECT * FROM changes WHERE ? IS NULL OR subject = ? ORDER BY seq DESC LIMIT ?"
        rows = self.file.rows(sql, subject, subject, last)
        return [Change(**{**dict(r), "detail": json.loads(r["detail"])}) for r in reversed(rows)]

    def _within(self, connection: sqlite3.Connection, id_: str) -> User:
        row = connection.execute("SELECT * FROM users WHERE id = ?", (id_,)).fetchone()
        return _user(row) if row else _unknown(id_, self.file.path)


def _user(row: sqlite3.Row) -> User:
    return User(
        principal=Principal.model_validate_json(row["principal"]),
        disabled=bool(row["disabled"]),
        created=row["created"],
    )


def _checked(principal: Principal) -> Principal:
    checked_id(principal.id)
    if principal.name is not None and len(principal.name) > 200:
        raise ConfigError("the name has more than 200 characters", hint="shorten it")
    if principal.tenant is not None:
        checked_names("tenant", [principal.tenant])
    return principal.model_copy(
        update={
            "roles": checked_names("role", principal.roles),
            "groups": checked_names("group", principal.groups),
        }
    )


def _shown(principal: Principal) -> dict[str, Any]:
    return principal.model_dump(mode="json", exclude={"id"}, exclude_defaults=True)


def _unknown(id_: str, path: Path) -> Any:
    raise UnknownPrincipal(
        f"there is no user {id_[:80]!r} in {path}",
        hint="`concertmaster users list` shows who there is; `users add` adds somebody",
    )
