"""Replies bounded while they are read, so that no server fills the memory or holds up the loop.

Three bounds, of what is left after unpacking: bytes; parts (objects, lists and commas) of one JSON
text, because a megabyte of `{}` becomes hundreds of megabytes of records and takes seconds; and the
bytes of a body that only explains an error, which is cut off instead of refused. Headers are
bounded by the HTTP library. Its clients have hooks for this, with which proxies keep working.
"""

from __future__ import annotations

import importlib
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any

from concertmaster.models.spec import ModelSpec

__all__ = ["PARTS", "Meter", "TooLarge", "Unreadable", "clients", "hooks"]

PARTS = 50_000
"""How many parts one JSON text may have. A long answer has some thousands."""

_EXPLAINED = 64 * 1024
_FIRST_ERROR = 300
_GZIP = zlib.MAX_WBITS | 16
_BETWEEN = {
    "text/event-stream": re.compile(rb"\r?\n\r?\n"),
    "application/x-ndjson": re.compile(rb"\n"),
}


class TooLarge(Exception):
    """A reply is larger than a usable one can be; the message is a verb phrase."""


class Unreadable(ValueError):
    """A body is not packed as its header says; the message is a verb phrase."""


class Meter:
    """Counts what comes in, unpacks it, and stops at the bounds.

    >>> Meter(10).feed(b"a reply")
    b'a reply'
    >>> Meter(5).feed(b"a reply")
    Traceback (most recent call last):
    concertmaster.models.bounded.TooLarge: sent more than 5 bytes, and was cut off
    """

    def __init__(self, most: int, *, packed: bool = False, between: Any = None) -> None:
        """Prepare to count.

        Args:
            most: bytes after unpacking.
            packed: whether it comes as gzip.
            between: a pattern of bytes that ends one JSON text of many; None if all is one.
        """
        self.left = self._most = most
        self._parts = 0
        self._between = between
        self._unpack = zlib.decompressobj(_GZIP) if packed else None

    def feed(self, chunk: bytes) -> bytes:
        """Return what a chunk holds.

        Raises:
            TooLarge: a bound is reached.
            Unreadable: it is not packed as its header says.
        """
        if self._unpack is not None:
            try:
                chunk = self._unpack.decompress(chunk, self.left + 1)
            except zlib.error:
                raise Unreadable("sent a body that is no gzip, as its header says it is") from None
        self.left -= len(chunk)
        if self.left < 0:
            raise TooLarge(f"sent more than {self._most} bytes, and was cut off")
        texts = self._between.split(chunk) if self._between else (chunk,)
        for number, text in enumerate(texts):
            self._parts = 0 if number else self._parts
            self._parts += text.count(b"{") + text.count(b"[") + text.count(b",")
            if self._parts > PARTS:
                raise TooLarge(f"sent JSON of more than {PARTS} parts, and was cut off")
        return chunk


class _Reading:
    """The body of one response, metered. Becomes a stream of the HTTP library in `_streams`."""

    def __init__(self, inner: Any, meter: Meter, *, cut: bool) -> None:
        self._inner, self._meter, self._cut = inner, meter, cut

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            found = self._read(chunk)
            if found is None:
                return
            yield found

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            found = self._read(chunk)
            if found is None:
                return
            yield found

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _read(self, chunk: bytes) -> bytes | None:
        try:
            return self._meter.feed(chunk)
        except TooLarge:
            if self._cut:
                return None
            raise


@cache
def _streams(library: str) -> type[Any]:
    module = importlib.import_module(library)
    return type("Bounded", (_Reading, module.SyncByteStream, module.AsyncByteStream), {})


def hooks(most: int, library: str, *, waits: bool) -> dict[str, list[Any]]:
    """Return the hooks of an HTTP client that bound what it reads.

    Args:
        most: bytes of a reply.
        library: `httpx`, or a module of the same form.
        waits: whether the client is the asynchronous one.
    """

    def asked(request: Any) -> None:
        # What else a client knows cannot be unpacked bit by bit.
        request.headers["accept-encoding"] = "gzip"

    def answered(response: Any) -> None:
        _bound(response, most, library)

    async def asked_later(request: Any) -> None:
        asked(request)

    async def answered_later(response: Any) -> None:
        answered(response)

    if waits:
        return {"request": [asked_later], "response": [answered_later]}
    return {"request": [asked], "response": [answered]}


def clients(sdk: Any, spec: ModelSpec, *, proxy: str | None = None) -> tuple[Any, Any]:
    """Return the two HTTP clients of an SDK such as `openai`, with bounded replies.

    They follow no redirect: where a prompt may go was decided for the declared address.
    """
    library = sdk.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
    # A proxy that the environment names is no way to a server on this machine.
    settings = {"trust_env": not spec.loopback, "follow_redirects": False, "proxy": proxy}
    return (
        sdk.DefaultHttpxClient(
            event_hooks=hooks(spec.reply_bytes, library, waits=False), **settings
        ),
        sdk.DefaultAsyncHttpxClient(
            event_hooks=hooks(spec.reply_bytes, library, waits=True), **settings
        ),
    )


def _bound(response: Any, most: int, library: str) -> None:
    headers, explains = response.headers, response.status_code >= _FIRST_ERROR
    packed = headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", "gzip", ""):
        raise Unreadable("sent a body packed in a way that was not asked for")
    announced = headers.get("content-length", "")
    if not explains and announced.isascii() and announced.isdigit() and _beyond(announced, most):
        raise TooLarge(f"announced more than {most} bytes, and was not read")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    meter = Meter(
        _EXPLAINED if explains else most, packed=packed == "gzip", between=_BETWEEN.get(kind)
    )
    for name in ("content-encoding", "content-length"):
        headers.pop(name, None)
    response.stream = _streams(library)(response.stream, meter, cut=explains)


def _beyond(announced: str, most: int) -> bool:
    return len(announced) > len(str(most)) or int(announced) > most
