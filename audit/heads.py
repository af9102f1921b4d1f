"""Signed heads: how far a stream had come, kept where its writer cannot quietly take it back.

A chain shows that nothing in it was changed, not that its end is still there. So its head, the
place and hash of the last link, is signed with Ed25519 from time to time and appended to a file.
Keep that file, and the public keys, away from the database: another disk, a log collector, a
repository. Anybody can verify with the public keys alone.

One line of the file is one head, as JSON:

    {"stream": "desk", "n": 120, "hash": "…", "time": "…", "key": "…", "signature": "…"}

The signature is over "concertmaster.head.1", a zero byte, and the canonical JSON of the line
without its signature.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from concertmaster.audit.keys import Signer, check_signature
from concertmaster.audit.verification import Mark
from concertmaster.contracts import canonical
from concertmaster.errors import StorageError

__all__ = ["Heads", "ReadHeads", "SignedHead", "read_heads"]

_HEAD = b"concertmaster.head.1\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedHead:
    """One line of the file. `key` names the key that signed; `hash` are 32 raw bytes."""

    stream: str
    n: int
    hash: bytes
    time: str
    key: str
    signature: bytes

    def signed_bytes(self) -> bytes:
        """Return what the signature is over."""
        return _signed_bytes(self.stream, self.n, self.hash, self.time, self.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadHeads:
    """What a file of heads holds: marks per stream that can be relied on, and what is wrong."""

    marks: Mapping[str, tuple[Mark, ...]]
    problems: tuple[str, ...]


class Heads:
    """A file to which signed heads are appended."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self.path = path
        self._signer = signer

    def put(self, stream: str, n: int, hash: bytes, time: str) -> SignedHead:
        """Sign a head and append it; it is on the disk when this returns.

        Raises:
            StorageError: the file cannot be written.
        """
        key = self._signer.key_id
        signature = self._signer.sign(_signed_bytes(stream, n, hash, time, key))
        head = SignedHead(stream=stream, n=n, hash=hash, time=time, key=key, signature=signature)
        line = json.dumps(
            {
                "stream": stream,
                "n": n,
                "hash": hash.hex(),
                "time": time,
                "key": key,
                "signature": b64encode(signature).decode(),
            }
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageError(
                f"{self.path}: the signed head cannot be kept ({error.strerror})",
                hint="make room, or name another file with CONCERTMASTER_AUDIT_HEADS",
            ) from None
        return head


def read_heads(path: Path, keys: Mapping[str, bytes]) -> ReadHeads:
    """Return what a file of heads shows; a file that is not there shows nothing.

    Args:
        path: the file.
        keys: the public keys by id, 32 raw bytes each.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise StorageError(f"{path}: the signed heads cannot be read ({error.strerror})") from None
    marks: dict[str, list[Mark]] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        head = _parsed(line)
        if head is None:
            problems.append(f"{path}:{number}: no head can be read here")
        elif head.key not in keys:
            problems.append(f"{path}:{number}: signed with the unknown key {head.key[:16]!r}")
        elif not check_signature(keys[head.key], head.signature, head.signed_bytes()):
            problems.append(f"{path}:{number}: the signature does not hold")
        else:
            marks.setdefault(head.stream, []).append(Mark(n=head.n, hash=head.hash))
    return ReadHeads(
        marks={stream: tuple(found) for stream, found in marks.items()}, problems=tuple(problems)
    )


def _signed_bytes(stream: str, n: int, hash: bytes, time: str, key: str) -> bytes:
    head = {"stream": stream, "n": n, "hash": hash.hex(), "time": time, "key": key}
    return _HEAD + canonical(head)


def _parsed(line: str) -> SignedHead | None:
    try:
        raw = json.loads(line)
        return SignedHead(
            stream=str(raw["stream"]),
            n=int(raw["n"]),
            hash=bytes.fromhex(raw["hash"]),
            time=str(raw["time"]),
            key=str(raw["key"]),
            signature=b64decode(raw["signature"], validate=True),
        )
    except (ValueError, KeyError, TypeError):
        return None
