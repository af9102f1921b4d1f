"""Checks an exported piece of the trail by itself, against public keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from concertmaster.audit.chain import Link
from concertmaster.audit.checking import Checked, erased_places, reports
from concertmaster.audit.exporting import EXTENSIONS, VERSION, bare_envelope
from concertmaster.audit.heads import SignedHead, heads_in
from concertmaster.audit.linked import header_of
from concertmaster.audit.verification import Content, Mark, verify
from concertmaster.contracts import canonical

__all__ = ["check_export"]


@dataclass
class _Piece:
    """What a file holds of one stream."""

    about: Mapping[str, Any]
    links: list[Link] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    heads: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def check_export(lines: Iterable[str], keys: Mapping[str, bytes]) -> list[Checked]:
    """Return what is wrong with an exported file, stream by stream.

    Args:
        lines: of the file.
        keys: the public keys by id.
    """
    pieces: list[_Piece] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            _take(pieces, number, line.rstrip("\n"))
    if not pieces:
        return [_nothing("the file holds no events")]
    return [_check(piece, keys) for piece in pieces]


def _take(pieces: list[_Piece], number: int, line: str) -> None:
    try:
        value = json.loads(line)
        if not isinstance(value, dict):
            raise TypeError
        if "export" in value:
            pieces.append(_Piece(about=dict(value["export"])))
            return
        if not pieces:
            pieces.append(_Piece(about={}, problems=["the file does not begin with an export"]))
        if "head" in value:
            pieces[-1].heads.append((f"line {number}", json.dumps(value["head"])))
        else:
            _event(pieces[-1], value)
    except (ValueError, KeyError, TypeError):
        if not pieces:
            pieces.append(_Piece(about={}))
        pieces[-1].problems.append(f"line {number}: no event and no head can be read here")


def _event(piece: _Piece, value: dict[str, Any]) -> None:
    kept = {k: v for k, v in value.items() if k not in EXTENSIONS}
    link = Link(
        stream=str(value["chainstream"]),
        n=_number(value["chainn"]),
        id=str(value["id"]),
        type=str(value["type"]),
        time=str(value["time"]),
        previous=_raw(value["chainprevious"]),
        payload=_raw(value["chainpayload"]),
        hash=_raw(value["chainhash"]),
    )
    content = value.get("chaincontent")
    if content not in (None, "leftout", "erased"):
        raise ValueError
    if content is None:
        text, salt = canonical(kept).decode(), _raw(value["chainsalt"])
        made = Content(salt=salt, text=text, header=header_of(text))
        piece.contents[link.id] = made
    elif kept != bare_envelope(link) or "chainsalt" in value:
        raise ValueError
    else:
        (piece.left_out if content == "leftout" else piece.erased).add(link.id)
    piece.links.append(link)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def _raw(value: object) -> bytes:
    """Return the bytes of a text in hex, which is written in one way only."""
    raw = bytes.fromhex(str(value))
    if raw.hex() != value:
        raise ValueError
    return raw


def _check(piece: _Piece, keys: Mapping[str, bytes]) -> Checked:
    stream = str(piece.about.get("stream"))
    heads, problems = heads_in(piece.heads, keys)
    problems = (*piece.problems, *problems, *_astray(piece, stream, heads), *_short(piece))
    if piece.about.get("signed") != max((head.n for head in heads), default=0):
        told = f"a head of event {piece.about.get('signed')} was exported and is not here"
        problems = (*problems, told)
    marks = [Mark(n=h.n, hash=h.hash) for h in heads]
    # Whether an erasure was one on purpose is told by an event that may be no part of the piece.
    asked = piece.about.get("wanted") != {}
    bare = piece.left_out | (piece.erased if asked else set())
    findings = verify(
        piece.links,
        piece.contents,
        marks=marks,
        erased=erased_places,
        left_out=bare,
        piece=True,
    )
    newest = max(heads, key=lambda head: head.n, default=None)
    return Checked(
        stream=stream,
        events=len(piece.contents) + len(piece.erased),
        erased=len(piece.erased),
        signed=newest.n if newest else 0,
        signed_at=newest.time if newest else None,
        left_out=len(piece.left_out),
        findings=tuple(reports(findings, piece.links, piece.contents)),
        problems=problems,
    )


def _astray(piece: _Piece, stream: str, heads: Iterable[SignedHead]) -> Iterable[str]:
    """Tell what belongs to another stream, or to the same name in another home."""
    if any(link.stream != stream for link in piece.links):
        yield f"events of another stream stand among those of {stream!r}"
    origin = piece.about.get("origin")
    if any((h.stream, h.origin.hex()) != (stream, origin) for h in heads):
        yield "a head of another stream, or of another home, stands among the events"
    first = next((link for link in piece.links if link.n == 1), None)
    if first is not None and first.hash.hex() != origin:
        yield "the first event is not that of the stream which the export names"


def _short(piece: _Piece) -> Iterable[str]:
    """Tell what the first line announces and is not there."""
    about = piece.about
    if about.get("version") != VERSION:
        yield f"the export has version {about.get('version')!r}, this release reads {VERSION}"
    if not isinstance(about.get("wanted"), dict):
        yield "the export does not say what was asked for"
    places = [link.n for link in piece.links]
    if [about.get("first"), about.get("last")] != [min(places, default=0), max(places, default=0)]:
        yield (
            f"events {about.get('first')} to {about.get('last')} were exported,"
            f" {min(places, default=0)} to {max(places, default=0)} are here"
        )
    events, erased = len(piece.contents), len(piece.erased)
    if about.get("wanted") == {} and piece.left_out:
        yield "nothing was to be left out, and something is"
    # Of the erased ones nobody can tell whether they were asked for.
    if about.get("events") not in range(events, events + erased + 1):
        yield f"{about.get('events')} events were exported, {events} are here, {erased} are erased"


def _nothing(told: str) -> Checked:
    return Checked(stream="", events=0, erased=0, signed=0, problems=(told,))
