"""How many tokens a prompt has, estimated without any model's tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["estimate"]

_BYTES = 3.0
_FRAME = 4


def estimate(
    messages: Sequence[Mapping[str, Any]],
    tools: Iterable[Mapping[str, Any]] = (),
    schema: Mapping[str, Any] | None = None,
) -> int:
    """Return the tokens to expect of a prompt; rather too many than too few.

    A token of a present tokenizer stands for about four bytes of English, for three or more of
    most other languages, and each message has a frame of a few.

    >>> estimate([{"role": "user", "content": "How long do I have to return a lamp?"}])
    16
    """
    size = sum(_bytes(message.get("content")) for message in messages)
    size += sum(_bytes(message.get("tool_calls")) for message in messages)
    size += sum(_bytes(tool) for tool in tools) + _bytes(schema)
    return int(size / _BYTES) + _FRAME * len(messages)


def _bytes(value: Any) -> int:
    if not value:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text.encode("utf-8", "replace"))
