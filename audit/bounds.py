"""Keeps the trail's values small, plain and storable; what is cut leaves its digest."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from concertmaster.contracts import canonical, digest

__all__ = ["TEXT_LIMIT", "VALUE_LIMIT", "bounded", "bounded_text"]

TEXT_LIMIT = 4096
"""The longest text that is kept whole, in characters."""

VALUE_LIMIT = 16384
"""The largest list or object that is kept, in bytes of canonical JSON, its texts already cut."""


_OBJECTS = (dict, Mapping)


def bounded_text(text: str) -> str:
    """Return the text, or its beginning with the length and the digest of the whole.

    Lone surrogates, which no store holds, become `?`.
    """
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    if len(text) <= TEXT_LIMIT:
        return text
    whole = sha256(text.encode()).hexdigest()
    return f"{text[: TEXT_LIMIT - 120]}… [cut: {len(text)} characters, sha256:{whole}]"


def bounded(value: object) -> Any:
    """Return plain JSON in which no value is large.

    Raises:
        ValueError: the value is not plain JSON.
    """
    if value is None or type(value) is bool:
        return value
    cut = _cut(value)
    if isinstance(cut, dict | list):
        if _small(cut):
            return cut
        size = len(canonical(cut))
        if size > VALUE_LIMIT:
            return {"cut": f"{size} bytes", "digest": digest(cut)}
    elif not isinstance(cut, str | int | None):
        canonical(cut)
    return cut


def _small(value: object) -> bool:
    """Tell whether a value of the most frequent types cannot be too large, however written."""
    room = VALUE_LIMIT
    items: list[Any] = [value]
    for item in items:  # Grows while it is gone through.
        kind = type(item)
        if kind is str:
            room -= 6 * len(item)
        elif kind is dict:
            room -= sum(6 * len(key) + 4 for key in item)
            items.extend(item.values())
        elif kind is list:
            items.extend(item)
        elif kind is int:
            room -= item.bit_length()
        elif item is not None and kind is not bool:
            return False
        room -= 6
        if room < 0:
            return False
    return True


def _cut(value: object) -> object:
    if isinstance(value, str):
        return bounded_text(value)
    if isinstance(value, _OBJECTS):
        return {bounded_text(str(key)): _cut(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(item) for item in value]
    return value
