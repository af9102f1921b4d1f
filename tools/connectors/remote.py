"""A call to a tool of an MCP server: checked against what was agreed, made once, read with care."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from concertmaster.contracts.schema import misfits
from concertmaster.errors import ConfigError, ToolError, ToolUncertain
from concertmaster.tools.connectors.allowance import Allowance, allowance
from concertmaster.tools.connectors.connection import Place, connection, pins_of, silence
from concertmaster.tools.connectors.credentials import without
from concertmaster.tools.connectors.pins import Pin
from concertmaster.tools.connectors.sessions import (
    OPENING,
    Session,
    Sessions,
    Sharer,
    innermost,
    sessions_of,
)

if TYPE_CHECKING:
    from mcp import Client

    from concertmaster.tools.connectors.mcp_server import McpServer

__all__ = ["CONTEXT", "RemoteTool"]

CONTEXT = "concertmaster_context"
_REFUSED = frozenset({-32600, -32601, -32602})
"""JSON-RPC's codes for a request that was not carried out: invalid, no such method, arguments."""
_ANSWERED = frozenset({-32601, -32602})
"""Those after which a connection is as good as before. The first one also tells that it is over."""


_under_way: set[asyncio.Future[Any]] = set()


def _over(work: asyncio.Future[Any]) -> None:
    _under_way.discard(work)
    if not work.cancelled():
        work.exception()  # Whoever called is told, unless it is gone.


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoteTool:
    """A tool of a server as a function.

    What the server says of the tool is compared with what was agreed right before each call. Where
    a desk keeps connections open, its calls share them; elsewhere one connection serves one call.
    """

    server: McpServer = field(repr=False)
    name: str
    pin: Pin | None = field(repr=False)
    consequential: bool
    seconds: float
    key: str | None = None
    not_done_on_error: bool = False

    async def __call__(self, **given: Any) -> Any:
        """Make the call and return what the server answers, as plain JSON.

        Raises:
            ToolError: it was not made, or the server says that it was not carried out.
            ToolUncertain: it was made, and nobody knows what came of it; for a read also if the
                server could not be reached, so that it is tried again.
        """
        context = given.pop(CONTEXT)
        if self.key is not None:
            given[self.key] = context.idempotency_key
        work = asyncio.ensure_future(self._made(given, self.server.sharer(context.principal)))
        _under_way.add(work)
        work.add_done_callback(_over)
        try:
            return await asyncio.shield(work)
        finally:
            # Only once: cancelled again while it stops a server's process, it would leave that one.
            work.cancel()

    async def _made(self, given: Mapping[str, Any], sharer: Sharer) -> Any:
        begun = False
        try:
            place, secrets = self.server.place(self.seconds)
            async with self._connected(place, sharer) as client:
                begun = True
                answer = await client.call_tool(self.name, dict(given), self.seconds)
            result = self._result(answer)
        except Exception as error:
            raise self._failure(innermost(error), begun) from None
        return without(result, secrets)

    @asynccontextmanager
    async def _connected(self, place: Place, sharer: Sharer) -> AsyncIterator[Client]:
        """Connect to the server, and see to it that the tool is what was agreed."""
        sessions = sessions_of(self.server)
        kept = replace(place, seconds=OPENING)
        if sessions is not None and sessions.session(kept, sharer) is not None:
            async with self._shared(sessions, kept, sharer) as client:
                yield client
            return
        async with connection(place) as client:
            async with asyncio.timeout(self.seconds / 2):
                await self._check(client)
            yield client

    @asynccontextmanager
    async def _shared(
        self, sessions: Sessions, place: Place, sharer: Sharer
    ) -> AsyncIterator[Client]:
        with silence(), allowance(self.server.limit, self.seconds) as allowed:
            try:
                session, client = await self._taken(sessions, place, sharer, allowed)
                try:
                    yield client
                except BaseException as error:
                    if getattr(error, "code", None) not in _ANSWERED:
                        # Nobody knows what came of the call, nor what is still to come of it.
                        session.retire()
                    raise
                finally:
                    session.leave()
            except ToolError:
                raise
            except Exception as error:
                raise allowed.broke or error from None

    async def _taken(
        self, sessions: Sessions, place: Place, sharer: Sharer, allowed: Allowance
    ) -> tuple[Session, Client]:
        """Return a connection on which the tool is what was agreed; the caller leaves it.

        One that was open and does not answer any more is replaced, once: nothing was asked of it
        but what its tools are. Nothing of a call is ever sent twice.
        """
        session = sessions.session(place, sharer)
        while session is not None:
            was_open, allowed.broke = session.is_open, None
            client = await session.take()
            try:
                async with asyncio.timeout(self.seconds / 2):
                    await self._check(client)
            except BaseException as error:
                if not isinstance(error, ToolError):
                    session.retire()
                session.leave()
                if not was_open or not _is_gone(error):
                    raise
            else:
                return session, client
            session = sessions.session(place, sharer)
        raise ConnectionError("there are too many connections")

    @property
    def _told(self) -> str:
        return f"{self.name} of the MCP server {self.server.name}"

    async def _check(self, client: Client) -> None:
        """Raise an error unless the server says of the tool what it said when it was pinned."""
        offered = await pins_of(client, only=self.name)
        if self.pin is None:
            why, hint = "nobody has looked at it yet", "`concertmaster tools pin` shows it"
        elif self.name not in offered:
            why, hint = "the server has no such tool any more", "`concertmaster check` tells more"
        elif (now := offered[self.name]) is None:
            why, hint = "the server has two tools of this name", "`concertmaster check` tells more"
        elif now.digest != self.pin.digest:
            changed = ", ".join(self.pin.differences(now))
            why = f"it is not what was agreed any more ({changed} changed)"
            hint = "look at it, then declare it anew with `concertmaster tools pin`"
        else:
            return
        raise ToolError(f"{self._told} was not called: {why}", hint=hint)

    def _result(self, answer: Any) -> Any:
        """Return what an answer holds.

        What a server says of its failures is not repeated: it would stand in the trail and in
        prompts as if it were ours.
        """
        if answer.is_error:
            if self.consequential and not self.not_done_on_error:
                raise ToolUncertain(f"{self._told} reports an error after it was called")
            raise ToolError(f"{self._told} reports an error")
        schema = self.pin.output_schema if self.pin else None
        if schema is not None and misfits(schema, answer.structured_content):
            raise self._unfit("what does not fit its schema")
        result = answer.structured_content if schema is not None else _content(answer)
        if _size(result) > self.server.limit:
            raise self._unfit(f"more than {self.server.limit // 1024} KB")
        return result

    def _unfit(self, what: str) -> ToolError:
        kind = ToolUncertain if self.consequential else ToolError
        return kind(f"{self._told} returned {what}")

    def _failure(self, error: BaseException, begun: bool) -> ToolError:
        """Return the error that a broken connection or an error of the protocol stands for."""
        if isinstance(error, ToolError):
            return error
        if isinstance(error, ConfigError):
            return ToolError(f"{self._told} was not called: {error.message}", hint=error.hint)
        code = getattr(error, "code", None)
        if begun and code in _REFUSED:
            return ToolError(f"{self._told} was refused by its server ({code})")
        if begun:
            return ToolUncertain(f"{self._told} broke off ({_kind(error)})")
        # A read may be tried again. An effect that was not begun is known not to have happened.
        kind = ToolError if self.consequential else ToolUncertain
        return kind(f"{self._told} was not called: the server cannot be reached ({_kind(error)})")


def _content(answer: Any) -> Any:
    """Return structured content, or the texts; what a server links to is not fetched."""
    if answer.structured_content is not None:
        return answer.structured_content
    texts, left_out = [], []
    for block in answer.content:
        text = getattr(block, "text", None) or getattr(
            getattr(block, "resource", None), "text", None
        )
        if isinstance(text, str):
            texts.append(text)
        else:
            left_out.append(str(block.type))
    joined = "\n".join(texts)
    return {"text": joined, "left_out": left_out} if left_out else joined


def _size(value: Any) -> int:
    """Return about how many bytes a value takes as JSON, without writing it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(str(k)) + 4 + _size(v) for k, v in value.items())
    if isinstance(value, list):
        return sum(2 + _size(item) for item in value)
    return 8


def _is_gone(error: BaseException) -> bool:
    """Tell whether a connection broke, as opposed to a server that is slow or has changed."""
    return isinstance(error, Exception) and not isinstance(error, ToolError | TimeoutError)


def _kind(error: BaseException) -> str:
    """Return what may be said of an error: its type, and the code that it has in the protocol."""
    code = getattr(error, "code", None)
    name = type(error).__name__
    return f"{name} {code}" if isinstance(code, int) else name
