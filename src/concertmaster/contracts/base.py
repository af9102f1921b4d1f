"""What all records share: frozen, strict about unknown keys, plain JSON on the wire."""

from __future__ import annotations

import hashlib
import json
import secrets
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785
from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Record", "canonical", "digest", "first_fault", "new_id", "now", "plain_text"]


class Record(BaseModel):
    """A frozen value that crosses a boundary; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def _repr_html_(self) -> str:
        from concertmaster.contracts.html import shown

        return shown(self)


def first_fault(error: ValidationError, whole: str) -> str:
    """Return the place at which a value first does not fit, and why.

    Args:
        error: what pydantic found.
        whole: the place's name if the value as a whole is not what it should be.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or whole}: {first['msg']}"


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a plain value (RFC 8785).

    Integers outside ±(2^53 - 1), which JSON readers would round, become decimal strings.

    Raises:
        ValueError: the value is not plain JSON (NaN, lone surrogates, other types).
    """
    try:
        if _simple(value):
            return _ENCODER.encode(value).encode()
        return rfc8785.dumps(_plain(value))
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"not plain JSON: {error}") from error


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_SAFE = 2**53 - 1
_MANY = 10_000


def _simple(value: Any) -> bool:
    """Tell whether the standard library's encoder writes the same: ASCII keys, plain numbers."""
    items = [value]
    # The list grows while it is gone through; what holds itself would never end.
    for item in items:
        kind = type(item)
        if kind is str or item is None or kind is bool:
            continue
        if kind is dict:
            for key in item:
                if type(key) is not str or not key.isascii():
                    return False
            items.extend(item.values())
        elif kind is list or kind is tuple:
            items.extend(item)
        elif not (_short(item) if kind is float else kind is int and -_SAFE <= item <= _SAFE):
            return False
        if len(items) > _MANY:
            return False
    return True


def _short(number: float) -> bool:
    """Tell whether Python writes a fraction as RFC 8785 does: digits and a point."""
    return 1e-4 <= abs(number) < 1e15 and not number.is_integer()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


def digest(value: object) -> str:
    """Return `sha256:…` over the canonical JSON of a plain value."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as `run-5f0c…` (64 random bits)."""
    return f"{prefix}-{secrets.token_hex(8)}"


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


_BIDI_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# All of Unicode's category Cc but newline and tab. A table, because texts may be megabytes long.
_DROPPED = dict.fromkeys(
    {*range(0x20), *range(0x7F, 0xA0), *map(ord, _BIDI_OVERRIDES)} - {ord("\n"), ord("\t")}
)


def plain_text(text: str) -> str:
    """Return text that every store and terminal can hold.

    Lone surrogates become U+FFFD; control and bidirectional-override characters are dropped,
    newlines and tabs kept; the result is NFC-normalised.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return unicodedata.normalize("NFC", text.translate(_DROPPED))
