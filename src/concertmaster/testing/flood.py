"""More than anybody wants to read, poured over one connection."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

from concertmaster.testing.script import Flood

__all__ = ["pour"]

_BEGIN = b'{"object": "list", "data": [], "choices": [{"message": {"content": "'
_PIECE = b"x" * 64 * 1024
_LIE = 100


def pour(handler: BaseHTTPRequestHandler, flood: Flood, count: Callable[[int], None]) -> None:
    """Send a flood until it ends or the other side goes away, and count the bytes of each piece."""
    if flood.way == "headers":
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    else:
        handler.send_response(flood.status)
        for name, value in _headers(flood):
            handler.send_header(name, value)
        handler.end_headers()
    try:
        for piece in _pieces(flood):
            count(len(piece))
            handler.wfile.write(piece)
    except OSError:
        handler.close_connection = True


def _headers(flood: Flood) -> Iterator[tuple[str, str]]:
    yield "content-type", "application/json"
    match flood.way:
        case "plain":
            yield "content-length", str(flood.size)
        case "chunked":
            yield "transfer-encoding", "chunked"
        case "gzip":
            yield "content-encoding", "gzip"
        case "short":
            yield "content-length", str(_LIE)


def _pieces(flood: Flood) -> Iterator[bytes]:
    plain = _text(flood.size)
    match flood.way:
        case "chunked":
            yield from (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in plain)
        case "gzip":
            packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            yield from (packed for piece in plain if (packed := packer.compress(piece)))
            yield packer.flush()
        case "headers":
            yield from (b"x-%d: %s\r\n" % (n, piece) for n, piece in enumerate(plain))
        case _:
            yield from plain


def _text(size: int) -> Iterator[bytes]:
    yield _BEGIN[:size]
    left = max(size - len(_BEGIN), 0)
    while left:
        piece = _PIECE[:left]
        yield piece
        left -= len(piece)
