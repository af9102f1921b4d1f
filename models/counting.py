"""How many tokens a prompt has: estimated from its bytes, set right by what providers count.

No tokenizer is loaded. Those of providers are not public or have to be downloaded, and what a
provider charges and bounds is its own count of the whole request, frames and tools included. That
count comes back with every answer, and the next estimate for the same model is measured by it.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Gauge", "estimate"]

_BYTES = 3.0
_FRAME = 4
_WEIGHT = 0.1
_MARGIN = 1.1
_LEAST, _MOST = 0.5, 4.0
_REMEMBERED = 512


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


class Gauge:
    """How a model's count of tokens compares to the estimate, by breaker key; for all threads.

    The ratio follows a higher count at once and a lower one slowly, so that a count rather comes
    out too high. It is never less than half of the estimate nor more than four times it, whatever
    a provider reports. Safe to use from several threads.

    >>> gauge = Gauge()
    >>> gauge.count("a", 100)
    100
    >>> gauge.learn("a", estimated=100, reported=150)
    >>> gauge.count("a", 100), gauge.count("b", 100)
    (165, 100)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ratios: dict[str, float] = {}

    def count(self, key: str, estimated: int) -> int:
        """Return the tokens to expect where the estimate is `estimated`."""
        ratio = self._ratios.get(key)
        if ratio is None:
            return estimated
        return math.ceil(estimated * min(max(ratio * _MARGIN, _LEAST), _MOST))

    def learn(self, key: str, *, estimated: int, reported: int) -> None:
        """Note what a provider counted; nothing (0) tells nothing."""
        if estimated <= 0 or reported <= 0:
            return
        seen = min(max(reported / estimated, _LEAST), _MOST)
        with self._lock:
            before = self._ratios.get(key)
            if before is not None and seen < before:
                seen = before + _WEIGHT * (seen - before)
            if before is None and len(self._ratios) >= _REMEMBERED:
                self._ratios.clear()
            self._ratios[key] = seen


def _bytes(value: Any) -> int:
    if not value:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text.encode("utf-8", "replace"))
