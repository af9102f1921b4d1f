"""A salted digest of an effect's result, for the trail: it shows that the ledger's row was changed.

The trail holds no results. With the event's content the salt is erased, and then nobody can try
guesses at the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_bytes
from typing import Any

__all__ = ["breaks_seal", "seal"]

_SEAL = b"concertmaster.result.1\0"
_FORM = re.compile(r"sha256:[0-9a-f]{64}")


def seal(result: Any, reference: str | None) -> dict[str, str]:
    """Return what an event tells of a result: a fresh salt, and the digest under it.

    The salt has the form of a digest, too, which redaction never takes for personal data.
    """
    salt = _named(token_bytes(32))
    return {"salt": salt, "digest": _digest(salt, result, reference)}


def breaks_seal(told: object, result: Any, reference: str | None) -> bool:
    """Tell whether a result is certainly another one than that of which an event tells.

    Nothing is certain where the event has no seal: an earlier release wrote it.

    >>> told = seal({"paid": 5}, None)
    >>> breaks_seal(told, {"paid": 5}, None), breaks_seal(told, {"paid": 6}, None)
    (False, True)
    """
    if not isinstance(told, Mapping):
        return False
    salt, there = told.get("salt"), told.get("digest")
    if not all(isinstance(part, str) and _FORM.fullmatch(part) for part in (salt, there)):
        return False
    return there != _digest(str(salt), result, reference)


def _digest(salt: str, result: Any, reference: str | None) -> str:
    # Not canonical JSON: a preview may hold what that refuses, such as half a character.
    text = json.dumps([result, reference], sort_keys=True, separators=(",", ":"))
    return _named(_SEAL + salt.encode() + b"\0" + text.encode())


def _named(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"
