"""One-time codes with which somebody signs in to the console."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sqlite3
from datetime import timedelta

from concertmaster.contracts import Principal
from concertmaster.contracts.deadline import utc
from concertmaster.errors import Unauthenticated, UnknownPrincipal
from concertmaster.serving.identity.key_format import resembles_key
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.identity.user_store import UserStore

__all__ = ["MINUTES", "Codes"]

MINUTES = 10
"""How long a code is good for."""

_log = logging.getLogger("concertmaster.identity")

_CODE = re.compile(r"once_[A-Za-z0-9_-]{43}")


class Codes:
    """Codes, each good for one sign-in."""

    def __init__(self, store: UserStore) -> None:
        self._store = store
        self._file = store.file

    async def create(self, user: str, *, by: str) -> str:
        """Make a code for a user; codes that were made before end.

        Raises:
            UnknownPrincipal: there is no such user, or it is disabled.
        """
        if self._store.get(user).disabled:
            raise UnknownPrincipal(
                f"the user {user!r} is disabled", hint=f"`concertmaster users enable {user}`"
            )
        code = f"once_{secrets.token_urlsafe(32)}"
        until = utc(self._file.now() + timedelta(minutes=MINUTES))

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM codes WHERE user = ?", (user,))
            connection.execute("INSERT INTO codes VALUES (?, ?, ?)", (_digest(code), user, until))
            self._file.note(connection, by, "code made", user, expires=until)

        await self._file.write(work)
        return code

    async def sign_in(self, text: str) -> Principal:
        """Return whose one-time code or API key a text is; a code is used up by it.

        A refusal is logged with its reason, never with the text.

        Raises:
            Unauthenticated: it is neither, or not good any more.
        """
        try:
            return await self._whose(text.strip())
        except Unauthenticated as error:
            _log.warning("refused to sign in: %s (%s)", error.reason, error.about or "-")
            raise

    async def _whose(self, text: str) -> Principal:
        if resembles_key(text):
            return await self._store.keys.check(text)
        if not _CODE.fullmatch(text):
            raise refuse(
                "unknown_credential",
                "this is no API key and no one-time code",
                hint="`concertmaster users code ID` makes a code",
            )
        sql = "DELETE FROM codes WHERE digest = ? RETURNING user, expires"
        row = await self._file.write(lambda c: c.execute(sql, (_digest(text),)).fetchone())
        if row is None or row["expires"] <= utc(self._file.now()):
            raise refuse(
                "used_code",
                "this code was used, replaced, or is too old",
                hint="`concertmaster users code ID` makes another",
            )
        found = self._store.resolve(row["user"])
        if found is None:
            raise refuse("disabled_user", "this user is disabled", about=row["user"])
        return found


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
