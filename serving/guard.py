"""What every request passes before anything of it is understood: size, time, headers. Pure ASGI."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.contracts import new_id
from concertmaster.serving.problems import answer_problem
from concertmaster.serving.settings import Limits

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard"]

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_MOST_HEADERS = 100

_log = logging.getLogger("concertmaster.serving")


class Guard:
    """Reads a request's body whole, as far as it may go and as long as it may take.

    A body is a message or a decision, so it is small; one that is too large, or that does not
    arrive, is refused before anything else happens.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        guarded = _with_headers(send)
        refusal = self._refused(scope)
        if refusal is None:
            try:
                async with asyncio.timeout(self._limits.reading):
                    body = await self._read(receive)
            except TimeoutError:
                refusal = 408, "the request's body did not arrive in time"
            else:
                if body is not None:
                    await self._handled(scope, _replayed(body, receive), guarded)
                    return
                refusal = 413, f"a request has at most {self._limits.body} bytes"
        status, detail = refusal
        response = answer_problem(_path(scope), status, detail, headers={"Connection": "close"})
        await response(scope, receive, guarded)

    async def _handled(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; an error that nobody expected is told by a reference alone.

        What such an error says may be somebody's words, so the log has its kind and place.
        """
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            reference = new_id("err")
            _log.error("%s: %s at %s", reference, type(error).__name__, _place(error))
            if begun:
                return
            detail = "something went wrong here; nothing more is told"
            hint = f"tell the operator this reference: {reference}"
            response = answer_problem(_path(scope), 500, detail, hint=hint)
            await response(scope, receive, send)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        if len(scope["headers"]) > _MOST_HEADERS:
            return 400, "the request has too many headers"
        lengths = [v for k, v in scope["headers"] if k == b"content-length"]
        if lengths and (not lengths[0].isdigit() or int(lengths[0]) > self._limits.body):
            return 413, f"a request has at most {self._limits.body} bytes"
        return None

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, or None if it is too large."""
        parts = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return bytes(parts)  # The client went away; the app finds out by itself.
            parts += message.get("body", b"")
            if len(parts) > self._limits.body:
                return None
            if not message.get("more_body", False):
                return bytes(parts)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _place(error: BaseException) -> str:
    """Return the file and line where an error arose."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return the request's messages again: its body in one, then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {k.lower() for k, _ in message["headers"]}
            message["headers"] = [*message["headers"], *_missing(there)]
        await send(message)

    return sending


def _missing(there: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    known = set(there)
    more = [header for header in _HEADERS if header[0] not in known]
    # Answers are somebody's own: no cache on the way keeps them.
    return more if b"cache-control" in known else [*more, (b"cache-control", b"no-store")]
