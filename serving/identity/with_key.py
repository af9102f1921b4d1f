"""Callers with an API key of the embedded store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from concertmaster.contracts import Principal
from concertmaster.serving.identity.authenticator import Authenticator
from concertmaster.serving.identity.credentials import bearer
from concertmaster.serving.identity.key_format import resembles_key
from concertmaster.serving.identity.key_store import KeyStore

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

__all__ = ["by_key"]


def by_key(keys: KeyStore) -> Authenticator:
    """Know who shows a key in `Authorization: Bearer cm_…` or in `x-api-key: cm_…`."""

    async def ask(connection: HTTPConnection) -> Principal | None:
        text = bearer(connection)
        if text is None or not resembles_key(text):
            return None
        return await keys.check(text)

    return ask
