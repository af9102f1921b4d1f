"""An HTTP client for one server: so many bytes in all, nothing compressed, no way elsewhere.

Where several calls share a client, each brings its own allowance. What goes wrong in one of them is
then told to that one alone: an error that left this module would end the others with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

from concertmaster.tools.connectors.allowance import Allowance, allowance_of_call

__all__ = ["TooMuch", "bounded_client"]

_CUT_OFF = 502


class TooMuch(httpx2.TransportError):
    """A server sent more than was agreed, or in a form whose size nobody can tell."""


class _CutOff(httpx2.StreamError):
    """A response that broke off; the SDK ends the one request that waits for it."""

    def __init__(self) -> None:
        super().__init__("the response broke off")


def bounded_client(
    headers: Mapping[str, str], limit: int, seconds: float, *, listens: bool = True
) -> httpx2.AsyncClient:
    """Return a client whose responses hold so many bytes together; redirects are not followed.

    Args:
        headers: sent with each request.
        limit: bytes, for all requests that have no allowance of their own.
        seconds: for which each byte is waited for, likewise.
        listens: let it listen for what a server says unasked.
    """
    return httpx2.AsyncClient(
        headers={**headers, "Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(seconds),
        transport=_Bounded(Allowance.of(limit, seconds), listens),
        follow_redirects=False,
        trust_env=False,
    )


class _Bounded(httpx2.AsyncBaseTransport):
    def __init__(self, whole: Allowance, listens: bool) -> None:
        self._inner = httpx2.AsyncHTTPTransport()
        self._whole, self._listens = whole, listens

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self._listens and _listens(request):
            return httpx2.Response(405)
        call = allowance_of_call()
        if call is None:
            return await self._answered(request, self._whole, contained=False)
        request.extensions["timeout"] = httpx2.Timeout(call.seconds).as_dict()
        try:
            return await self._answered(request, call, contained=True)
        except httpx2.TransportError as error:
            call.broke = error
            return httpx2.Response(_CUT_OFF)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _answered(
        self, request: httpx2.Request, given: Allowance, *, contained: bool
    ) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise TooMuch("the response is compressed")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Counted(response.stream, given, contained),
            extensions=response.extensions,
        )


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, given: Allowance, contained: bool) -> None:
        self._inner, self._given, self._contained = inner, given, contained

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                if not self._given.spend(len(part)):
                    raise TooMuch("the response is too large")
                yield part
        except httpx2.TransportError as error:
            if not self._contained:
                raise
            self._given.broke = error
            raise _CutOff from None

    async def aclose(self) -> None:
        await self._inner.aclose()


def _listens(request: httpx2.Request) -> bool:
    """Tell whether a request asks for nothing but what a server says unasked.

    One that takes up a response where it broke off names the last event that it had.
    """
    return request.method == "GET" and "last-event-id" not in request.headers
