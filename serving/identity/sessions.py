"""Sessions of people in a browser, begun with an API key or a one-time code.

A session is an opaque random text in a cookie. Of it only the SHA-256 is stored (it has 256 random
bits, see `key_format`), so whoever reads users.db can take over no session. Roles are not in it:
they are resolved with each request, so they are those of now, and a disabled user has no session.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from concertmaster.contracts import Principal
from concertmaster.contracts.base import new_id
from concertmaster.contracts.deadline import utc
from concertmaster.errors import UnknownPrincipal
from concertmaster.serving.identity.refusal import refuse
from concertmaster.serving.identity.settings import SessionSettings
from concertmaster.serving.identity.user_file import UserFile

__all__ = ["Session", "Sessions", "check_csrf", "csrf_token"]

_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_COARSE = 20
"""Use is noted again after a 20th of the time that a session may be idle."""


@dataclass(frozen=True)
class Session:
    """One sign-in. `principal` has the roles of now."""

    id: str
    principal: Principal
    began: datetime
    ends: datetime
    """When it is over at the latest."""
    csrf: str = field(repr=False)
    """See `csrf_token`."""


def csrf_token(session: Session) -> str:
    """Return what forms and `X-CSRF-Token` of this session have to carry.

    It is derived from the cookie's value, so another session's does not fit and nothing is stored.
    """
    return session.csrf


def check_csrf(session: Session, token: str | None) -> None:
    """Make sure that a request which changes something comes from a page of this session.

    Raises:
        Unauthenticated: the token is missing or another session's.
    """
    if token is None or not hmac.compare_digest(session.csrf.encode(), token.encode()):
        raise refuse(
            "csrf",
            "the request does not carry this session's CSRF token",
            hint="load the page again and repeat it there",
            about=session.id,
        )


class Sessions:
    """Begins, finds and ends sessions.

    Args:
        file: where they are stored.
        resolve: returns who has an id now; None ends the session.
        settings: how long a session lasts.
    """

    def __init__(
        self,
        file: UserFile,
        resolve: Callable[[str], Principal | None],
        settings: SessionSettings | None = None,
    ) -> None:
        self._file = file
        self._resolve = resolve
        self._settings = settings or SessionSettings()

    async def begin(self, principal: Principal, *, instead_of: str | None = None) -> str:
        """Begin a session, always with a new value; return the cookie's value.

        Args:
            principal: who signed in.
            instead_of: the value of a cookie that came along; its session ends.

        Raises:
            UnknownPrincipal: nobody vouches for this principal now.
        """
        if self._resolve(principal.id) is None:
            raise UnknownPrincipal(
                f"nobody vouches for {principal.id!r} now, so no session begins",
                hint="`concertmaster users show ID` tells whether the user is disabled",
            )
        value = secrets.token_urlsafe(32)
        present = self._file.now()
        row = (_digest(value), new_id("session"), principal.id, utc(present), utc(present))
        old = utc(present - timedelta(seconds=self._settings.longest))
        idle = utc(present - timedelta(seconds=self._settings.idle))

        def work(connection: sqlite3.Connection) -> None:
            if instead_of is not None:
                sql = "DELETE FROM sessions WHERE digest = ?"
                connection.execute(sql, (_digest(instead_of),))
            connection.execute("DELETE FROM sessions WHERE began <= ? OR used <= ?", (old, idle))
            connection.execute(
                "INSERT INTO sessions (digest, id, principal, began, used) VALUES (?, ?, ?, ?, ?)",
                row,
            )
            self._file.note(connection, principal.id, "signed in", principal.id, session=row[1])

        await self._file.write(work)
        return value

    async def find(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie's value; None if it is over, or there is none."""
        if cookie is None or not _VALUE.fullmatch(cookie):
            return None
        row = self._file.row("SELECT * FROM sessions WHERE digest = ?", _digest(cookie))
        if row is None:
            return None
        present = self._file.now()
        began, used = (datetime.fromisoformat(row[name]) for name in ("began", "used"))
        ends = began + timedelta(seconds=self._settings.longest)
        idle = timedelta(seconds=self._settings.idle)
        principal = self._resolve(row["principal"])
        if principal is None or present >= min(ends, used + idle):
            return None
        if present - used > idle / _COARSE:
            values = (utc(present), row["digest"])
            sql = "UPDATE sessions SET used = ? WHERE digest = ?"
            await self._file.write(lambda connection: connection.execute(sql, values))
        return Session(row["id"], principal, began, ends, _csrf(cookie))

    async def end(self, cookie: str) -> None:
        """End the session of a cookie's value: sign out."""
        values = (_digest(cookie),)
        sql = "DELETE FROM sessions WHERE digest = ?"
        await self._file.write(lambda connection: connection.execute(sql, values))

    async def end_all(self, principal: str) -> int:
        """End every session of a principal; return how many there were."""
        sql = "DELETE FROM sessions WHERE principal = ?"
        return await self._file.write(lambda c: c.execute(sql, (principal,)).rowcount)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "replace")).digest()


def _csrf(value: str) -> str:
    return hmac.new(value.encode(), b"concertmaster csrf", hashlib.sha256).hexdigest()
