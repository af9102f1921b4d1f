"""The people whom tokens named: with which roles, when, and how long that is believed.

A run that waits is resumed without a token. What its requester may do then is what the newest token
said, for as long as was declared; after that nobody vouches for them, and the run is refused.
"""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from concertmaster.contracts import Principal
from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import utc
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.identity.removal import was_removed
from concertmaster.serving.identity.user_file import UserFile

__all__ = ["Named", "Seen"]

_PART = 24
"""Unless something changed, it is written again once a 24th of its time has gone by."""

_FORGOTTEN = timedelta(days=30)
"""After this time beyond the end of belief somebody is forgotten, unless disabled."""


class Named(Record):
    """Somebody whom a token named: when last, and until when that is believed."""

    principal: Principal
    at: str
    until: str
    disabled: bool


class Seen:
    """Principals of tokens, by id."""

    def __init__(self, file: UserFile) -> None:
        self._file = file

    def find(self, id_: str) -> Principal | None:
        """Return somebody as the newest token named them; None if that is too long ago."""
        row = self._file.row(
            "SELECT principal FROM seen WHERE id = ? AND until > ? AND disabled = 0",
            id_,
            utc(self._file.now()),
        )
        return Principal.model_validate_json(row["principal"]) if row else None

    def known(self, id_: str) -> bool:
        """Tell whether a token named somebody, however long ago, who is not forgotten yet."""
        return self._file.row("SELECT 1 FROM seen WHERE id = ?", id_) is not None

    def named(self) -> list[Named]:
        """Return everybody whom a token named and who is not forgotten yet, by id."""
        sql = "SELECT principal, at, until, disabled FROM seen ORDER BY id"
        return [
            Named(
                principal=Principal.model_validate_json(row["principal"]),
                at=row["at"],
                until=row["until"],
                disabled=bool(row["disabled"]),
            )
            for row in self._file.rows(sql)
        ]

    async def keep(self, principal: Principal, *, issued: float, seconds: float) -> Principal:
        """Keep whom a valid token named; return them as the newest token did.

        An older token that comes later does not bring back roles that a newer one leaves out.

        Args:
            principal: as the token says.
            issued: when the token was issued, in seconds since 1970.
            seconds: how long it is believed from now on.

        Raises:
            Unauthenticated: the principal was disabled or removed here.
        """
        present = self._file.now()
        row = self._file.row("SELECT * FROM seen WHERE id = ?", principal.id)
        if row is not None and row["disabled"]:
            raise refuse("disabled_user", "this principal is disabled here", about=principal.id)
        if row is not None and issued < row["issued"] and row["until"] > utc(present):
            return Principal.model_validate_json(row["principal"])
        text = principal.model_dump_json()
        fresh = row is not None and (row["principal"], row["issued"]) == (text, issued)
        soon = utc(present + timedelta(seconds=seconds * (1 - 1 / _PART)))
        if fresh and row is not None and row["until"] > soon:
            return principal
        values = (principal.id, text, issued, utc(present))
        until = utc(present + timedelta(seconds=seconds))

        def work(connection: sqlite3.Connection) -> None:
            old = utc(present - _FORGOTTEN)
            connection.execute("DELETE FROM seen WHERE until < ? AND disabled = 0", (old,))
            if row is None and was_removed(connection, principal.id):
                raise refuse("removed_user", "this principal was removed here", about=principal.id)
            connection.execute(
                "INSERT INTO seen (id, principal, issued, at, until) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET principal = excluded.principal,"
                " issued = excluded.issued, at = excluded.at, until = excluded.until"
                " WHERE excluded.issued >= issued OR until <= excluded.at",
                (*values, until),
            )

        await self._file.write(work)
        return principal
