"""The API keys of the embedded store: made, shown once, checked, revoked."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from concertmaster.contracts import Principal
from concertmaster.contracts.base import Record
from concertmaster.contracts.deadline import utc
from concertmaster.errors import ConfigError, UnknownPrincipal
from concertmaster.serving.identity.key_format import KeyText, new_key_text, parse_key
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.identity.session_rows import end_sessions
from concertmaster.serving.identity.user_file import UserFile

__all__ = ["ApiKey", "KeyStore"]

_COARSE = timedelta(minutes=10)
"""How exactly the last use of a key is noted: writing it each time would cost every request."""

_CHECK = """
SELECT k.digest, k.expires, k.used, k.revoked, u.principal, u.disabled
FROM api_keys k JOIN users u ON u.id = k.user WHERE k.id = ?
"""


class ApiKey(Record):
    """What is known of a key: everything but its secret. Moments are in UTC."""

    id: str
    user: str
    note: str = ""
    created: str
    expires: str | None = None
    used: str | None = None
    revoked: str | None = None


class KeyStore:
    """Keys, in the file of the users."""

    def __init__(self, file: UserFile) -> None:
        self._file = file

    async def create(
        self, user: str, *, by: str, note: str = "", seconds: float | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key; return what is known of it, and its text, which nobody can show again.

        Args:
            user: whose it is.
            by: who makes it, for the log.
            note: what it is for.
            seconds: how long it is good for; for ever by default.

        Raises:
            UnknownPrincipal: there is no such user.
            ConfigError: the note is too long.
        """
        if len(note) > 200:
            raise ConfigError("the note has more than 200 characters", hint="shorten it")
        present = self._file.now()
        until = None if seconds is None else utc(present + timedelta(seconds=seconds))
        text = new_key_text()
        key = ApiKey(id=text.id, user=user, note=note, created=utc(present), expires=until)

        def work(connection: sqlite3.Connection) -> None:
            if not connection.execute("SELECT 1 FROM users WHERE id = ?", (user,)).fetchone():
                raise UnknownPrincipal(
                    f"there is no user {user[:80]!r}, so there is nobody to make a key for",
                    hint="`concertmaster users add` adds somebody",
                )
            connection.execute(
                "INSERT INTO api_keys (id, user, digest, note, created, expires)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (key.id, user, text.digest, note, key.created, until),
            )
            self._file.note(connection, by, "key made", user, key=key.id, expires=until)

        await self._file.write(work)
        return key, text.text

    def keys(self, user: str | None = None) -> list[ApiKey]:
        """Return the keys of a user, or all, oldest first."""
        sql = "SELECT * FROM api_keys WHERE ? IS NULL OR user = ? ORDER BY created, id"
        rows = [dict(row) for row in self._file.rows(sql, user, user)]
        return [ApiKey(**{k: v for k, v in row.items() if k != "digest"}) for row in rows]

    async def revoke(self, what: str, *, by: str) -> list[ApiKey]:
        """Revoke one key (`apikey-…`, or the whole key as found somewhere), or all of a user.

        It counts from the next request on, and ends every session of the key's user: one may have
        been begun with it. Return the keys that were good until now.

        Raises:
            UnknownPrincipal: there is no such key or user.
        """
        parsed = parse_key(what)
        wanted = parsed.id if parsed else what
        present = utc(self._file.now())

        def work(connection: sqlite3.Connection) -> list[str]:
            one = connection.execute("SELECT user FROM api_keys WHERE id = ?", (wanted,)).fetchone()
            sql = "SELECT 1 FROM users WHERE id = ?"
            if one is None and not connection.execute(sql, (wanted,)).fetchone():
                raise UnknownPrincipal(
                    f"there is no key or user {_public(wanted)}",
                    hint="`concertmaster users show ID` lists the keys of a user",
                )
            user = one["user"] if one else wanted
            column = "id" if one else "user"
            ids = [
                row["id"]
                for row in connection.execute(
                    f"UPDATE api_keys SET revoked = ? WHERE {column} = ? AND revoked IS NULL"
                    " RETURNING id",
                    (present, wanted),
                ).fetchall()
            ]
            ended = end_sessions(connection, user)
            self._file.note(connection, by, "revoked", user, keys=ids, sessions_ended=ended)
            return ids

        ids = await self._file.write(work)
        return [key for key in self.keys() if key.id in ids]

    async def check(self, text: str) -> Principal:
        """Return whose key a text is.

        Raises:
            Unauthenticated: it is no key, is not known, expired or revoked, or its user disabled.
        """
        key = parse_key(text)
        if key is None:
            raise refuse(
                "malformed_key",
                "the API key is not complete or has a typing error",
                hint="copy it again; a key has 65 characters and begins with cm_",
            )
        row = self._file.row(_CHECK, key.id)
        known = row["digest"] if row else bytes(32)
        # What is known of a key is told only to those who have its secret.
        if not key.fits(known) or row is None:
            raise refuse("unknown_key", "the API key is not known here", about=key.id)
        _still_good(row, key, self._file.now())
        if row["used"] is None or row["used"] < utc(self._file.now() - _COARSE):
            await self._used(key.id)
        return Principal.model_validate_json(row["principal"])

    async def _used(self, id_: str) -> None:
        values = (utc(self._file.now()), id_)
        sql = "UPDATE api_keys SET used = ? WHERE id = ?"
        await self._file.write(lambda connection: connection.execute(sql, values))


def _still_good(row: sqlite3.Row, key: KeyText, present: datetime) -> None:
    if row["revoked"] is not None:
        raise refuse("revoked_key", "the API key was revoked", about=key.id)
    if row["expires"] is not None and row["expires"] <= utc(present):
        raise refuse("expired_key", "the API key has expired", about=key.id)
    if row["disabled"]:
        raise refuse("disabled_user", "the user of this API key is disabled", about=key.id)


def _public(text: str) -> str:
    """Return what may be repeated of something that may hold a secret."""
    return repr(text[:80]) if not text.startswith("cm_") else "with the text that was given"
