"""Who sent a request: one callable, and how several become one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.identity.credentials import shown
from concertmaster.serving.identity.refusal import refuse

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["Authenticator", "agreed", "first_of", "logged", "one_credential", "strict"]

Authenticator: TypeAlias = "Callable[[HTTPConnection], Awaitable[Principal | None]]"
"""Tells who sent a request; None if nothing in the request is for it to judge.

It raises `Unauthenticated` for what is for it to judge and is wrong: then nobody else is asked.
"""

_log = logging.getLogger("concertmaster.identity")


def first_of(*authenticators: Authenticator) -> Authenticator:
    """Ask one after the other; the first that knows the caller decides."""

    async def ask(connection: HTTPConnection) -> Principal | None:
        for authenticate in authenticators:
            found = await authenticate(connection)
            if found is not None:
                return found
        return None

    return ask


def agreed(*authenticators: Authenticator) -> Authenticator:
    """Ask all of them; who knows the caller has to name the same principal.

    So a key of one person and the cookie of another in one request are refused, whichever is
    looked at first. The principal of the first that knows the caller is returned.
    """

    async def ask(connection: HTTPConnection) -> Principal | None:
        found = [who for each in authenticators if (who := await each(connection)) is not None]
        if len({who.id for who in found}) > 1:
            raise refuse("several_credentials", "the request shows credentials of two principals")
        return found[0] if found else None

    return ask


def one_credential(inner: Authenticator) -> Authenticator:
    """Refuse a request with several credentials in its headers before anybody looks at one."""

    async def ask(connection: HTTPConnection) -> Principal | None:
        shown(connection)
        return await inner(connection)

    return ask


def strict(inner: Authenticator) -> Authenticator:
    """Refuse a request that shows a credential which nobody knows, instead of `not signed in`."""

    async def ask(connection: HTTPConnection) -> Principal | None:
        found = await inner(connection)
        if found is None and shown(connection) is not None:
            raise refuse(
                "unknown_credential",
                "the credential is of no kind that is accepted here",
                hint="an API key begins with cm_; a token has to be of a declared issuer",
            )
        return found

    return ask


def logged(inner: Authenticator) -> Authenticator:
    """Log why a caller was refused: the reason's code and a public id, never the credential."""

    async def ask(connection: HTTPConnection) -> Principal | None:
        try:
            return await inner(connection)
        except Unauthenticated as error:
            client = connection.client.host if connection.client else "unknown"
            _log.warning("refused %s: %s (%s)", client, error.reason, error.about or "-")
            raise

    return ask
