"""One question to one model: bounded, tried twice at most, its reply checked, failures in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.contracts.model import PriceSpec
from concertmaster.errors import ModelError, ModelUnavailable
from concertmaster.models.prices import priced
from concertmaster.models.reply import (
    Malformed,
    ModelUsage,
    Reply,
    read_data,
    read_reply,
    read_usage,
)

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Opened", "Question", "ask"]

_ATTEMPTS = 2
_PAUSE = 0.2
_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A chat model ready to be asked, with the names under which people and price lists know it."""

    chat: BaseChatModel
    name: str
    model: str | None
    provider: str | None
    price: PriceSpec | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked. `tools` and `schema` exclude each other."""

    messages: Any
    tools: Sequence[Mapping[str, Any]] = ()
    schema: Mapping[str, Any] | None = None

    @property
    def schema_name(self) -> str:
        """The name of the tool by which structured data is asked for."""
        title = str((self.schema or {}).get("title", ""))
        return re.sub(r"[^A-Za-z0-9_-]", "_", title)[:64] or "answer"


@dataclass(frozen=True)
class _Failure:
    """Why an attempt failed, whether another may help, and whether tools may be what failed."""

    told: str
    again: bool
    without_tools: bool = False
    unavailable: bool = False


async def ask(opened: Opened, question: Question, seconds: float) -> Reply:
    """Return the model's checked reply.

    Args:
        opened: the model.
        question: messages, and tools or a schema.
        seconds: for all attempts together.

    Raises:
        ModelUnavailable: it cannot be reached, or refuses to serve.
        ModelError: it failed, took too long, or answered what cannot be used.
    """
    usage = ModelUsage(cost=0.0)
    by_tool = question.schema is not None
    failure = _Failure("was not asked", again=False)
    try:
        async with asyncio.timeout(seconds):
            for attempt in range(_ATTEMPTS):
                if attempt:
                    await asyncio.sleep(_PAUSE)
                try:
                    message = await _bound(opened.chat, question, by_tool).ainvoke(
                        question.messages
                    )
                    spent = read_usage(message)
                    usage = usage.plus(_priced(opened, spent))
                    return _read(opened, question, message, usage)
                except ModelError:
                    raise
                except Exception as error:
                    failure = _failure(error, by_tool=by_tool or bool(question.tools))
                if not failure.again:
                    break
                by_tool = by_tool and not failure.without_tools
    except TimeoutError:
        raise ModelError(
            f"{opened.name} did not answer within {seconds:g} s",
            hint="try again, or choose a faster model",
        ) from None
    kind = ModelUnavailable if failure.unavailable else ModelError
    raise kind(f"{opened.name} {failure.told}")


def _priced(opened: Opened, spent: ModelUsage) -> ModelUsage:
    return priced(spent, model=opened.model, provider=opened.provider, price=opened.price)


def _bound(chat: BaseChatModel, question: Question, by_tool: bool) -> Any:
    if question.tools:
        return chat.bind_tools([dict(tool) for tool in question.tools])
    if question.schema is None or not by_tool:
        return chat
    function = {
        "name": question.schema_name,
        "description": str(question.schema.get("description", "Give the answer in this form.")),
        "parameters": dict(question.schema),
    }
    tool = {"type": "function", "function": function}
    return chat.bind_tools([tool], tool_choice=question.schema_name)


def _read(opened: Opened, question: Question, message: Any, usage: ModelUsage) -> Reply:
    text, calls = read_reply(message)
    if question.schema is not None:
        data = read_data(question.schema, question.schema_name, text, calls)
        return Reply(text=text, model=opened.name, usage=usage, data=data)
    if calls and not question.tools:
        raise Malformed("it calls tools though none were offered")
    return Reply(text=text, model=opened.name, usage=usage, tool_calls=calls)


def _failure(error: Exception, *, by_tool: bool) -> _Failure:
    """Put an error of the model's library into words. Its own words may hold keys or prompts."""
    if isinstance(error, Malformed):
        told = f"gave an answer that cannot be used: {error}"
        return _Failure(told, again=True, without_tools=True)
    if isinstance(error, NotImplementedError):
        return _Failure("cannot be given tools", again=by_tool, without_tools=True)
    status = getattr(error, "status_code", None)
    kind = type(error).__name__
    if isinstance(status, int):
        return _refused(status, by_tool=by_tool)
    if isinstance(error, ConnectionError) or "Connection" in kind:
        return _Failure("cannot be reached", again=True, unavailable=True)
    if "Timeout" in kind:
        return _Failure("did not answer in time", again=True, unavailable=True)
    return _Failure(f"failed ({kind})", again=True)


def _refused(status: int, *, by_tool: bool) -> _Failure:
    if status in (401, 403):
        told = f"refused the key (HTTP {status}); check the API key in the environment"
        return _Failure(told, again=False, unavailable=True)
    if status == 404:
        told = "does not know this model or address (HTTP 404)"
        return _Failure(told, again=False, unavailable=True)
    if status in _PASSING or status >= 500:
        return _Failure(f"is overloaded or broken (HTTP {status})", again=True, unavailable=True)
    return _Failure(f"refused the request (HTTP {status})", again=by_tool, without_tools=True)
