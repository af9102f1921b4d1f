"""The hash chain under the trail: each link binds an event's place, header and content.

A link holds nothing personal: the event's id, type and time, and a digest of its content that is
salted with 16 random bytes. The content and the salt lie beside the chain. Erase both, and the
chain still verifies while nobody can guess the content back from its digest.

    payload  = SHA-256("concertmaster.payload.1" ‖ 0 ‖ salt ‖ content)
    hash     = SHA-256("concertmaster.link.1" ‖ 0 ‖ canonical JSON (RFC 8785) of the fields)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from concertmaster.contracts import canonical

__all__ = ["GENESIS", "SALT_BYTES", "Link", "link_hash", "next_link", "payload_digest"]

GENESIS = bytes(32)
"""What the first link of a stream follows."""

SALT_BYTES = 16

_PAYLOAD = b"concertmaster.payload.1\0"
_LINK = b"concertmaster.link.1\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One link: the `n`-th of its stream, counted from 1. Hashes are 32 raw bytes."""

    stream: str
    n: int
    id: str
    type: str
    time: str
    previous: bytes
    payload: bytes
    hash: bytes

    @property
    def sound(self) -> bool:
        """Whether the hash is that of the fields."""
        return self.hash == link_hash(
            stream=self.stream,
            n=self.n,
            id=self.id,
            type=self.type,
            time=self.time,
            previous=self.previous,
            payload=self.payload,
        )


def payload_digest(salt: bytes, content: str) -> bytes:
    """Return the salted digest of an event's content."""
    return sha256(_PAYLOAD + salt + content.encode()).digest()


def link_hash(
    *, stream: str, n: int, id: str, type: str, time: str, previous: bytes, payload: bytes
) -> bytes:
    """Return the hash of a link's fields."""
    fields = [stream, n, id, type, time, previous.hex(), payload.hex()]
    return sha256(_LINK + canonical(fields)).digest()


def next_link(
    after: Link | None, *, stream: str, id: str, type: str, time: str, payload: bytes
) -> Link:
    """Return the link that follows another, or the first of its stream."""
    n = after.n + 1 if after else 1
    previous = after.hash if after else GENESIS
    made = link_hash(
        stream=stream, n=n, id=id, type=type, time=time, previous=previous, payload=payload
    )
    return Link(
        stream=stream,
        n=n,
        id=id,
        type=type,
        time=time,
        previous=previous,
        payload=payload,
        hash=made,
    )
