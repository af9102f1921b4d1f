"""Callers with the cookie of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from concertmaster.contracts import Principal
from concertmaster.serving.identity.authenticator import Authenticator
from concertmaster.serving.identity.cookie import cookie_of
from concertmaster.serving.identity.credentials import bearer
from concertmaster.serving.identity.sessions import Sessions, check_csrf

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["by_session"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def by_session(sessions: Sessions) -> Authenticator:
    """Know who has a session's cookie.

    A browser sends cookies along whoever's page asks it to, so whatever is not safe (RFC 9110,
    9.2.1), a WebSocket as well, has to carry the session's `X-CSRF-Token`, too. A form without
    scripts cannot: the console looks at its hidden field, with `Sessions.find` and `check_csrf`.
    A bearer credential stands for the token, because no other page can make a browser send one;
    it has to be judged as well (`agreed`).
    """

    async def ask(connection: HTTPConnection) -> Principal | None:
        session = await sessions.find(cookie_of(connection))
        if session is None:
            return None
        if connection.scope.get("method") not in _SAFE and bearer(connection) is None:
            check_csrf(session, connection.headers.get("x-csrf-token"))
        return session.principal

    return ask
