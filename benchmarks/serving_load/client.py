"""A client of HTTP/1.1 on plain sockets: what it costs must not hide what the server costs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Connection", "Reply", "Target"]


@dataclass(frozen=True)
class Target:
    """Where a server listens, and the headers that every request has."""

    port: int
    headers: tuple[tuple[str, str], ...] = ()
    host: str = "127.0.0.1"


@dataclass
class Reply:
    """One answer, with the milliseconds to its first part and to its end."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    first_ms: float = 0.0
    end_ms: float = 0.0
    parts: list[bytes] = field(default_factory=list)

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection, which is used again for each request and opened anew when it is lost."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request and read the whole answer.

        Raises:
            OSError, EOFError: the connection was lost.
        """
        begun = time.perf_counter()
        reply = await self._sent(method, path, body, headers or {})
        async for part in self._parts(reply):
            if not reply.parts:
                reply.first_ms = (time.perf_counter() - begun) * 1000
            reply.parts.append(part)
        reply.body = b"".join(reply.parts)
        reply.end_ms = (time.perf_counter() - begun) * 1000
        return reply

    async def events(
        self, path: str, headers: dict[str, str] | None = None
    ) -> AsyncIterator[tuple[str, str, str]]:
        """Yield the id, name and data of the events of a stream, until it ends.

        Raises:
            OSError, EOFError: the connection was lost.
            ValueError: the server answers something else than a stream.
        """
        reply = await self._sent("GET", path, None, {**(headers or {}), "Accept": _STREAM})
        if reply.status != 200:
            raise ValueError(f"{path}: {reply.status}")
        text = b""
        async for part in self._parts(reply):
            text += part
            while b"\n\n" in text:
                block, _, text = text.partition(b"\n\n")
                found = dict(
                    line.split(": ", 1) for line in block.decode().splitlines() if ": " in line
                )
                if "id" in found:
                    yield found["id"], found.get("event", ""), found.get("data", "")

    async def close(self) -> None:
        """Close the connection, whatever is still on its way."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
        self._reader = self._writer = None

    async def _sent(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection(
                self._target.host, self._target.port
            )
        assert self._reader is not None
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._target.host}:{self._target.port}"]
        lines += [f"{k}: {v}" for k, v in (*self._target.headers, *headers.items())]
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}", "", ""]
        self._writer.write("\r\n".join(lines).encode() + content)
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if ": " in line)
        return Reply(status=int(head[0].split(" ")[1]), headers={k.lower(): v for k, v in pairs})

    async def _parts(self, reply: Reply) -> AsyncIterator[bytes]:
        assert self._reader is not None
        if "content-length" in reply.headers:
            yield await self._reader.readexactly(int(reply.headers["content-length"]))
        elif reply.headers.get("transfer-encoding") == "chunked":
            while size := int(await self._reader.readline() or b"x", 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
        if reply.headers.get("connection") == "close":
            await self.close()


_STREAM = "text/event-stream"
