"""What a model answered, read with suspicion: every part is checked before it is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from concertmaster.contracts import canonical, plain_text
from concertmaster.contracts.schema import misfits

__all__ = [
    "Declined",
    "Malformed",
    "ModelUsage",
    "Reply",
    "ToolCall",
    "read_data",
    "read_reply",
    "read_usage",
]

_LONGEST = 200_000
_ENDINGS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "error"})
_STOPPED = frozenset(
    {"content_filter", "safety", "refusal", "recitation", "blocklist", "prohibited_content", "spii"}
    | {"guardrail_intervened", "content_filtered"}
)
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


class Malformed(Exception):
    """The reply cannot be used; the message says why, without repeating it."""


class Declined(Exception):
    """The model or its provider gives no answer to this; the message is a verb phrase."""


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

    Calls of one message have different ids, whatever the model gave them.

    Raises:
        Malformed: it is empty, cut off, endless, or its calls have no readable arguments.
        Declined: a content filter stopped it, or the model refuses.
    """
    _check_end(getattr(message, "response_metadata", None) or {})
    if getattr(message, "invalid_tool_calls", None):
        raise Malformed("a tool call has arguments that are no JSON")
    raw = str(message.text)
    if len(raw) > _LONGEST:
        raise Malformed(f"the answer is longer than {_LONGEST} characters")
    text = plain_text(raw).strip()
    calls = _calls(getattr(message, "tool_calls", ()))
    if text or calls:
        return text, calls
    if (getattr(message, "additional_kwargs", None) or {}).get("refusal"):
        raise Declined("refuses to answer this")
    raise Malformed("the answer is empty")


def _check_end(metadata: Mapping[str, Any]) -> None:
    """Refuse what is only the beginning of an answer.

    A stream that broke off has no reason for its end, where a whole one from the same library has.
    """
    details = metadata.get("incomplete_details")
    ending = details.get("reason") if isinstance(details, Mapping) else None
    for key in _ENDINGS:
        ending = ending or metadata.get(key)
    said = str(ending or "").lower()
    if said in _CUT:
        raise Malformed("the answer was cut off at the model's limit")
    if said in _STOPPED:
        raise Declined("stopped its answer at a content filter")
    if metadata.get("model_provider") == "openai" and not ({*_ENDINGS, "status"} & set(metadata)):
        raise Malformed("the answer broke off before its end")


def _calls(found: Iterable[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    calls, taken = [], set[str]()
    for number, one in enumerate(found):
        call = _call(number, one)
        while call.id in taken:
            call = replace(call, id=f"{call.id}_{number}")
        taken.add(call.id)
        calls.append(call)
    return tuple(calls)


def _call(number: int, call: Mapping[str, Any]) -> ToolCall:
    name, arguments = call.get("name"), call.get("args")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Malformed("a tool call names no tool, or its arguments are no object")
    if plain_text(name) != name:
        # Cleaned, it could become the name of a tool that it only looks like.
        raise Malformed("a tool call names a tool with characters that no name has")
    try:
        size = len(canonical(arguments))
    except (ValueError, RecursionError):
        raise Malformed("a tool call has arguments that are no plain JSON") from None
    if size > _LONGEST:
        raise Malformed(f"a tool call has arguments of more than {_LONGEST} bytes")
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
