"""Where an answer's headers say to go on. Pure."""

from __future__ import annotations

from urllib.parse import quote

__all__ = ["headers_of"]

_ASCII = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) != "%")


def headers_of(thread: str, run: str) -> dict[str, str]:
    """Return the headers that tell a run and its thread, percent-encoded where not plain ASCII.

    >>> headers_of("täg 1", "run-5f0c5f0c")["x-thread-id"]
    't%C3%A4g%201'
    """
    return {"x-thread-id": quote(thread, safe=_ASCII), "x-run-id": run}
