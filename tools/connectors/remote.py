"""A call to a tool of an MCP server: checked against what was agreed, made once, read with care."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from concertmaster.contracts.schema import misfits
from concertmaster.errors import ConfigError, ToolError, ToolUncertain
from concertmaster.tools.connectors.connection import connection, pins_of
from concertmaster.tools.connectors.credentials import without
from concertmaster.tools.connectors.pins import Pin

if TYPE_CHECKING:
    from concertmaster.tools.connectors.mcp_server import McpServer

__all__ = ["CONTEXT", "RemoteTool"]

CONTEXT = "concertmaster_context"
_REFUSED = frozenset({-32600, -32601, -32602})
"""JSON-RPC's codes for a request that was not carried out: invalid, no such method, arguments."""


_under_way: set[asyncio.Future[Any]] = set()


def _over(work: asyncio.Future[Any]) -> None:
    _under_way.discard(work)
    if not work.cancelled():
        work.exception()  # Whoever called is told, unless it is gone.


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoteTool:
    """A tool of a server as a function. One connection serves one call.

    So nothing of one person's call is left for the next one, and what the server says of the tool
    is compared with what was agreed right before it is used.
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
        work = asyncio.ensure_future(self._made(given))
        _under_way.add(work)
        work.add_done_callback(_over)
        try:
            return await asyncio.shield(work)
        finally:
            # Only once: cancelled again while it stops a server's process, it would leave that one.
            work.cancel()

    async def _made(self, given: Mapping[str, Any]) -> Any:
        begun = False
        try:
            place, secrets = self.server.place(self.seconds)
            async with connection(place) as client:
                async with asyncio.timeout(self.seconds / 2):
                    self._agreed(await pins_of(client))
                begun = True
                answer = await client.call_tool(self.name, dict(given))
                result = self._result(answer)
        except Exception as error:
            raise self._failure(_innermost(error), begun) from None
        return without(result, secrets)

    @property
    def _told(self) -> str:
        return f"{self.name} of the MCP server {self.server.name}"

    def _agreed(self, offered: Mapping[str, Pin | None]) -> None:
        """Raise an error unless the server says of the tool what it said when it was pinned."""
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


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _kind(error: BaseException) -> str:
    """Return what may be said of an error: its type, and the code that it has in the protocol."""
    code = getattr(error, "code", None)
    name = type(error).__name__
    return f"{name} {code}" if isinstance(code, int) else name
