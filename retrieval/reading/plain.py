"""Plain text."""

from __future__ import annotations

from concertmaster.retrieval.reading.decoding import decode
from concertmaster.retrieval.reading.reading import Part, Reading

__all__ = ["read"]


def read(content: bytes) -> Reading:
    """Read a text in the encoding that its bytes show."""
    text, note = decode(content)
    return Reading.of([Part(text)], notes=[note] if note else [])
