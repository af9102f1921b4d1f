"""What a model answered, read with suspicion: every part is checked before it is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.contracts import canonical, plain_text
from concertmaster.contracts.schema import misfits

__all__ = ["Malformed", "ModelUsage", "Reply", "ToolCall", "read_data", "read_reply", "read_usage"]

_LONGEST = 200_000
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class Malformed(Exception):
    """The reply cannot be used; the message says why, without repeating it."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A call that the model proposes. The tool need not exist; arguments are plain JSON."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """Tokens and money (USD) of all attempts; `cost` is None when the price is not known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: float | None = None

    def plus(self, other: ModelUsage) -> ModelUsage:
        """Return the sum; the cost is known only if both are."""
        known = self.cost is not None and other.cost is not None
        return ModelUsage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cost=(self.cost or 0) + (other.cost or 0) if known else None,
        )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A usable answer. `data` is set when a schema was asked for, and satisfies it."""

    text: str
    model: str
    usage: ModelUsage
    tool_calls: tuple[ToolCall, ...] = ()
    data: dict[str, Any] | None = None


def read_reply(message: Any) -> tuple[str, tuple[ToolCall, ...]]:
    """Return text and tool calls of a LangChain message.

    Raises:
        Malformed: it is empty, cut off, endless, or its calls have no readable arguments.
    """
    metadata = getattr(message, "response_metadata", None) or {}
    if metadata.get("finish_reason") == "length":
        raise Malformed("the answer was cut off at the model's limit")
    if getattr(message, "invalid_tool_calls", None):
        raise Malformed("a tool call has arguments that are no JSON")
    text = plain_text(str(message.text)).strip()
    if len(text) > _LONGEST:
        raise Malformed(f"the answer is longer than {_LONGEST} characters")
    calls = tuple(
        _call(number, call) for number, call in enumerate(getattr(message, "tool_calls", ()))
    )
    if not text and not calls:
        raise Malformed("the answer is empty")
    return text, calls


def _call(number: int, call: Mapping[str, Any]) -> ToolCall:
    name, arguments = call.get("name"), call.get("args")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Malformed("a tool call names no tool, or its arguments are no object")
    if plain_text(name) != name:
        # Cleaned, it could become the name of a tool that it only looks like.
        raise Malformed("a tool call names a tool with characters that no name has")
    try:
        canonical(arguments)
    except (ValueError, RecursionError):
        raise Malformed("a tool call has arguments that are no plain JSON") from None
    return ToolCall(id=str(call.get("id") or f"call_{number}"), name=name, arguments=arguments)


def read_data(
    schema: Mapping[str, Any], name: str, text: str, calls: tuple[ToolCall, ...]
) -> dict[str, Any]:
    """Return the first object in a reply that satisfies the schema.

    A tool call of the given name counts, JSON in the text, or, when the schema asks for nothing
    but a choice, the bare choice: servers honour `tool_choice` or do not.

    Raises:
        Malformed: there is none.
    """
    wrong = "the answer holds no JSON object"
    for candidate in _candidates(schema, name, text, calls):
        found = misfits(schema, candidate)
        if not found:
            return candidate
        wrong = f"the answer does not fit its schema ({'; '.join(found)})"
    raise Malformed(wrong)


def _candidates(
    schema: Mapping[str, Any], name: str, text: str, calls: tuple[ToolCall, ...]
) -> Iterator[dict[str, Any]]:
    yield from (call.arguments for call in calls if call.name == name)
    for part in (text, *_FENCE.findall(text), text[text.find("{") :]):
        try:
            value, _ = json.JSONDecoder().raw_decode(part.strip())
            canonical(value)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value
    properties = schema.get("properties", {})
    if len(properties) == 1:
        ((only, about),) = properties.items()
        bare = text.strip("\"'`*. \n")
        if bare in about.get("enum", ()):
            yield {only: bare}


def read_usage(message: Any) -> ModelUsage:
    """Return the tokens that the server reports; none if it reports none or nonsense."""
    found = getattr(message, "usage_metadata", None) or {}
    details = found.get("input_token_details") or {}
    return ModelUsage(
        input_tokens=_count(found.get("input_tokens")),
        output_tokens=_count(found.get("output_tokens")),
        cached_tokens=_count(details.get("cache_read")),
    )


def _count(value: Any) -> int:
    return max(value, 0) if isinstance(value, int) else 0
