"""The text of an API key: `cm_<public id>_<secret>`.

The secret is 32 random bytes and the CRC-32 of everything before it. The checksum tells a typing
error or a made-up key from a real one without a look-up, and lets secret scanners recognise a key
with one pattern; it protects nothing.

Of the secret only its SHA-256 is stored. Slow hashes (bcrypt, Argon2) make guessing dear where
people choose passwords with 20 to 40 bits of surprise. Here there are 256 bits: at 10^12 guesses a
second a search takes 10^57 years, with a fast hash, too, and a fast hash costs the server nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field

__all__ = ["PATTERN", "KeyText", "new_key_text", "parse_key", "resembles_key"]

PATTERN = r"cm_[0-9a-f]{12}_[A-Za-z0-9_-]{49}"
"""What secret scanners look for."""

_KEY = re.compile(PATTERN)
_SUM = 6


@dataclass(frozen=True)
class KeyText:
    """A key as text, its public id `apikey-…`, and the digest that is stored."""

    id: str
    digest: bytes = field(repr=False)
    text: str = field(repr=False)

    def fits(self, digest: bytes) -> bool:
        """Tell in constant time whether a stored digest is this key's."""
        return hmac.compare_digest(self.digest, digest)


def new_key_text() -> KeyText:
    """Make a key; its text is never seen again.

    >>> key = new_key_text()
    >>> parse_key(key.text) == key
    True
    """
    stem = f"cm_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
    return _key(stem + _checksum(stem))


def parse_key(text: str) -> KeyText | None:
    """Return the key that a text is; None for another form, or a checksum that does not fit."""
    if not _KEY.fullmatch(text) or text[:-_SUM] + _checksum(text[:-_SUM]) != text:
        return None
    return _key(text)


def resembles_key(text: str) -> bool:
    """Tell whether a text claims to be an API key."""
    return text.startswith("cm_")


def _key(text: str) -> KeyText:
    _, public, secret = text.split("_", 2)
    return KeyText(f"apikey-{public}", hashlib.sha256(secret.encode()).digest(), text)


def _checksum(stem: str) -> str:
    value = zlib.crc32(stem.encode("ascii")).to_bytes(4, "big")
    return base64.urlsafe_b64encode(value).decode()[:_SUM]
