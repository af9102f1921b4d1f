"""The public keys with which an issuer's tokens are verified: a JWK set (RFC 7517)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from concertmaster.errors import ConfigError, IdentityDown

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["FileKeys", "KeySet", "SigningKeys", "load_jwt"]

_MOST = 64
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class SigningKeys(Protocol):
    """Where an issuer's keys come from."""

    async def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key of an id for an algorithm; None if the issuer has no such key.

        Raises:
            IdentityDown: the keys cannot be had at present.
        """
        ...


def load_jwt() -> Any:
    """Import PyJWT.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import jwt
    except ImportError:
        raise ConfigError(
            "tokens need PyJWT, which is not installed",
            hint="pip install 'concertmaster[serve]'",
        ) from None
    return jwt


class KeySet:
    """The keys of one JWK set that may verify something.

    Keys for encryption, shared secrets, private keys and what cannot be read are left out. A key
    serves only algorithms of its own kind, so the token's header cannot have it used otherwise.

    Raises:
        ValueError: it is no JWK set, or has too many keys.
    """

    def __init__(self, text: bytes | str) -> None:
        try:
            read = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError("it is no JSON") from error
        keys = read.get("keys") if isinstance(read, dict) else None
        if not isinstance(keys, list) or len(keys) > _MOST:
            raise ValueError(f"it has no list `keys` of at most {_MOST}")
        self._keys = tuple(key for key in keys if isinstance(key, dict) and _verifies(key))
        self._made: dict[tuple[int, str], PyJWK | None] = {}

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key of an id for an algorithm.

        Without an id, which a token may leave out, there has to be one key only that fits.
        """
        fitting = [
            number
            for number, key in enumerate(self._keys)
            if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)
        ]
        return self._key(fitting[0], algorithm) if len(fitting) == 1 else None

    def _key(self, number: int, algorithm: str) -> PyJWK | None:
        place = (number, algorithm)
        if place not in self._made:
            jwt = load_jwt()
            try:
                self._made[place] = jwt.PyJWK(self._keys[number], algorithm=algorithm)
            except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
                self._made[place] = None
        return self._made[place]


def _verifies(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops")
    return (
        key.get("kty") in {"RSA", "EC", "OKP"}
        and "d" not in key
        and key.get("use", "sig") == "sig"
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
    )


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    return (
        key.get("kty") == _KINDS.get(algorithm[:2])
        and key.get("alg", algorithm) == algorithm
        and (algorithm not in _CURVES or key.get("crv") == _CURVES[algorithm])
    )


class FileKeys:
    """A JWK set in a file, read again when the file changes.

    Raises:
        ConfigError: it cannot be read, or is no JWK set.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.expanduser()
        try:
            self._keys, self._stamp = self._read()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} is no JWK set: {_words(error)}",
                hint='a file {"keys": […]}, as the issuer publishes it',
            ) from None

    async def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key of an id for an algorithm; see `SigningKeys`."""
        try:
            if self._mark() != self._stamp:
                self._keys, self._stamp = self._read()
        except (OSError, ValueError) as error:
            raise IdentityDown(
                f"{self._path} is no JWK set any more: {_words(error)}",
                hint="put the issuer's keys back; replace the file in one step (mv)",
            ) from None
        return self._keys.find(kid, algorithm)

    def _mark(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> tuple[KeySet, tuple[int, int, int]]:
        stamp = self._mark()
        return KeySet(self._path.read_bytes()), stamp


def _words(error: OSError | ValueError) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
