"""An HTTP client for one server: so many bytes in all, nothing compressed, no way elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

__all__ = ["TooMuch", "bounded_client"]

_OVERHEAD = 64 * 1024


class TooMuch(httpx2.TransportError):
    """A server sent more than was agreed, or in a form whose size nobody can tell."""


def bounded_client(headers: Mapping[str, str], limit: int, seconds: float) -> httpx2.AsyncClient:
    """Return a client whose responses hold so many bytes together; redirects are not followed."""
    return httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(seconds),
        transport=_Bounded(limit + _OVERHEAD),
        follow_redirects=False,
        trust_env=False,
    )


class _Bounded(httpx2.AsyncBaseTransport):
    def __init__(self, limit: int) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._left = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise TooMuch("the response is compressed")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Counted(response.stream, self),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooMuch("the response is too large")


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, all_: _Bounded) -> None:
        self._inner, self._all = inner, all_

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._all.spend(len(part))
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
