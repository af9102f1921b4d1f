"""Signed heads: how far a stream had come, kept where its writer cannot quietly take it back.

A chain shows that nothing in it was changed, not that its end is still there. So its head, the
place and hash of the last link, is signed with Ed25519 from time to time and appended to a file.
Keep that file, and the public keys, away from the database: another disk, a log collector, a
repository. Anybody can verify with the public keys alone.

One line of the file is one head, as JSON:

    {"stream": "desk", "origin": "…", "n": 120, "hash": "…", "time": "…", "previous": "…",
     "key": "…", "signature": "…"}

`origin` is the hash of the stream's first link, so that the heads of many homes can share a file
even if their workspaces have one name. `previous` is the digest of the stream's head before, so
that a line that is missing in between shows. The signature is over "concertmaster.head.1", a zero
byte, and the canonical JSON of the line without its signature.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any

from concertmaster.audit.keys import Signer, check_signature
from concertmaster.audit.verification import Mark
from concertmaster.contracts import canonical
from concertmaster.errors import StorageError

__all__ = ["NONE", "Heads", "ReadHeads", "SignedHead", "heads_in", "read_heads"]

NONE = bytes(32)
"""What the first head of a stream names as the one before it."""

_HEAD = b"concertmaster.head.1\0"
_TEXTS = ("stream", "time", "key")
_HASHES = ("origin", "hash", "previous")


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedHead:
    """One line of the file. `key` names the key that signed; the hashes are 32 raw bytes."""

    stream: str
    origin: bytes
    n: int
    hash: bytes
    time: str
    previous: bytes
    key: str
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """Return what the signature is over."""
        return _HEAD + canonical(self._fields())

    def digest(self) -> bytes:
        """Return what the stream's next head names as the one before it."""
        return sha256(self.signed_bytes() + self.signature).digest()

    def as_json(self) -> dict[str, Any]:
        """Return the line of the file."""
        return {**self._fields(), "signature": b64encode(self.signature).decode()}

    def _fields(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "origin": self.origin.hex(),
            "n": self.n,
            "hash": self.hash.hex(),
            "time": self.time,
            "previous": self.previous.hex(),
            "key": self.key,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadHeads:
    """What a file of heads holds: those whose signatures hold, in order, and what is wrong."""

    heads: tuple[SignedHead, ...] = ()
    problems: tuple[str, ...] = ()
    own: bool = False
    """Whether the file belongs to one home alone, so that a stranger's head has no place in it."""
    path: Path | None = None

    def of(self, stream: str, origin: bytes) -> tuple[SignedHead, ...]:
        """Return the heads of one stream of one home."""
        return tuple(h for h in self.heads if (h.stream, h.origin) == (stream, origin))

    def marks(self, stream: str, origin: bytes) -> tuple[Mark, ...]:
        """Return what those heads vouch for."""
        return tuple(Mark(n=h.n, hash=h.hash) for h in self.of(stream, origin))


class Heads:
    """A file to which signed heads are appended."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self.path = path
        self._signer = signer

    def put(
        self, stream: str, n: int, hash: bytes, time: str, *, origin: bytes, previous: bytes = NONE
    ) -> SignedHead:
        """Sign a head and append it; it is on the disk when this returns.

        Args:
            stream: the workspace's name.
            n: the place of the last link.
            hash: of the last link.
            time: of now.
            origin: hash of the stream's first link.
            previous: digest of the stream's head before.

        Raises:
            StorageError: the file cannot be written.
        """
        bare = SignedHead(
            stream=stream,
            origin=origin,
            n=n,
            hash=hash,
            time=time,
            previous=previous,
            key=self._signer.key_id,
        )
        values = {name: getattr(bare, name) for name in SignedHead.__slots__}
        values["signature"] = self._signer.sign(bare.signed_bytes())
        head = SignedHead(**values)
        line = json.dumps(head.as_json()) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # Several homes may share the file; the lock ends with the file.
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0, os.SEEK_END)
                # A line that was cut off by a crash ends here, not in this one.
                torn = file.tell() > 0 and not _ends_a_line(self.path)
                _append(file, b"\n" * torn + line.encode())
        except OSError as error:
            raise StorageError(
                f"{self.path}: the signed head cannot be kept ({error.strerror})",
                hint="make room, or name another file with CONCERTMASTER_AUDIT_HEADS",
            ) from None
        return head


def _append(file: FileIO, line: bytes) -> None:
    """Write a line durably, all or nothing: half of one would look like a head somebody damaged."""
    before = file.tell()
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(before)
        raise


def read_heads(path: Path, keys: Mapping[str, bytes], *, own: bool = False) -> ReadHeads:
    """Return what a file of heads shows; a file that is not there shows nothing.

    Args:
        path: the file.
        keys: the public keys by id, 32 raw bytes each.
        own: whether it belongs to one home alone.

    Raises:
        StorageError: the file cannot be read.
    """
    try:
        # Not `splitlines`: it would take other characters for ends of lines, too.
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise StorageError(f"{path}: the signed heads cannot be read ({error.strerror})") from None
    lines = text.removesuffix("\n").split("\n") if text else []
    heads, problems = heads_in(((f"{path}:{n}", line) for n, line in enumerate(lines, 1)), keys)
    torn = (f"{path}: the last line is cut off",) if text and not text.endswith("\n") else ()
    problems = (*problems, *torn, *_missing(heads))
    return ReadHeads(heads=heads, problems=problems, own=own, path=path)


def heads_in(
    lines: Iterable[tuple[str, str]], keys: Mapping[str, bytes]
) -> tuple[tuple[SignedHead, ...], tuple[str, ...]]:
    """Return the heads of lines, each given with its place, whose signatures hold, and problems."""
    heads: list[SignedHead] = []
    problems: list[str] = []
    for place, line in lines:
        head = _parsed(line)
        if head is None:
            problems.append(f"{place}: no head can be read here")
        elif head.key not in keys:
            problems.append(f"{place}: signed with the unknown key {head.key[:20]!r}")
        elif not check_signature(keys[head.key], head.signature, head.signed_bytes()):
            problems.append(f"{place}: the signature does not hold")
        else:
            heads.append(head)
    return tuple(heads), tuple(problems)


def _missing(heads: Iterable[SignedHead]) -> Iterable[str]:
    """Tell where a head names one before it that does not stand before it."""
    seen: dict[tuple[str, bytes], set[bytes]] = {}
    for head in heads:
        before = seen.setdefault((head.stream, head.origin), {NONE})
        if head.previous not in before:
            yield (
                f"the head of event {head.n} of {head.stream!r} follows a head that is missing"
                " or stands elsewhere"
            )
        before.add(head.digest())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _parsed(line: str) -> SignedHead | None:
    try:
        raw = json.loads(line)
        fields: dict[str, Any] = {name: str(raw[name]) for name in _TEXTS}
        fields |= {name: bytes.fromhex(raw[name]) for name in _HASHES}
        signature = b64decode(raw["signature"], validate=True)
        head = SignedHead(**fields, n=raw["n"], signature=signature)
    except (ValueError, KeyError, TypeError):
        return None
    # A line says what it says in one way only, so that a changed byte always shows.
    return head if json.dumps(head.as_json()) == line and isinstance(head.n, int) else None
