"""Signing keys that an issuer publishes under a URL."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from concertmaster.errors import IdentityDown
from concertmaster.serving.identity.cookie import is_loopback
from concertmaster.serving.identity.key_set import KeySet

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["FetchedKeys"]

_LARGEST = 512 * 1024
_SECONDS = 5.0

_log = logging.getLogger("concertmaster.identity")


class FetchedKeys:
    """A JWK set behind a URL: fetched when needed, kept while the issuer is down.

    It is fetched again once it is older than `refresh`, and when a token names a key that is not
    in it, but never sooner than `pause` after the last attempt: tokens with made-up key ids cannot
    have it fetched over and over. One fetch is under way at a time, and goes on if the request
    that began it goes away. It ends after 5 s and 512 KB and follows no redirect. The URL comes
    from the settings alone; what a token's header says (`jku`, `x5u`, `jwk`, `kid`) names nothing
    but a key within the set.

    Args:
        url: where the set is published.
        refresh, keep, pause: seconds; see `Issuer`.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        url: str,
        *,
        refresh: float = 3600,
        keep: float = 86400,
        pause: float = 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._refresh, self._keep, self._pause = refresh, keep, pause
        self._clock = clock
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key of an id for an algorithm; see `SigningKeys`."""
        keys = self._good()
        found = keys.find(kid, algorithm) if keys else None
        if found is None or self._clock() - self._fetched >= self._refresh:
            await self._try()
            keys = self._good()
            found = keys.find(kid, algorithm) if keys else None
        if keys is None:
            raise IdentityDown(
                f"the signing keys of {self._url} could not be fetched",
                hint="the issuer's server is down or answers with something else; see the log",
            )
        return found

    def close(self) -> None:
        """Leave off what is being fetched."""
        if self._task is not None:
            self._task.cancel()

    def _good(self) -> KeySet | None:
        return self._keys if self._clock() - self._fetched < self._keep else None

    async def _try(self) -> None:
        if self._task is None or self._task.done():
            if self._clock() - self._tried < self._pause:
                return
            self._tried = self._clock()
            self._task = asyncio.create_task(self._renew())
        await asyncio.shield(self._task)

    async def _renew(self) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                self._keys = KeySet(await self._fetch())
            self._fetched = self._clock()
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            why = str(error) if isinstance(error, ValueError) else type(error).__name__
            _log.warning("the signing keys of %s could not be fetched: %s", self._url, why)

    async def _fetch(self) -> bytes:
        own = is_loopback(urlsplit(self._url).hostname)
        client = httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False, trust_env=not own)
        # What is packed may unpack to any size, so the bytes are taken as they come.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with client, client.stream("GET", self._url, headers=headers) as response:
            if response.status_code != 200:
                raise ValueError(f"the answer has status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the answer is packed, which was not asked for")
            content = bytearray()
            async for part in response.aiter_raw():
                content += part
                if len(content) > _LARGEST:
                    raise ValueError(f"the answer has more than {_LARGEST} bytes")
        return bytes(content)
