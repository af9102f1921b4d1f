"""A piece of the trail as JSON lines, and checking such a file by itself.

Each line is a CloudEvents 1.0 envelope whose extension attributes carry its link:

    chainstream, chainn, chainprevious, chainpayload, chainhash, chainsalt

Whoever has the file takes these away, writes the rest as canonical JSON (RFC 8785), and computes
payload digest and hash as the chain's own description says. Where the content of an event was
erased, or the export was asked for other events, the line has no `data` and says so in
`chaincontent`: such lines hold nothing personal and lead from one event to the next, and on to a
signed head. The lines before and after the events of a stream tell what was asked for, and the
head that vouches for them; they are `{"export": …}` and `{"head": …}`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from concertmaster.audit.chain import Link
from concertmaster.audit.heads import ReadHeads, SignedHead
from concertmaster.audit.linked import contents, links, one_moment, streams
from concertmaster.audit.verification import Content
from concertmaster.storage import Database

__all__ = [
    "EXTENSIONS",
    "VERSION",
    "Exported",
    "Wanted",
    "bare_envelope",
    "export_home",
    "export_lines",
    "moment",
]

VERSION = 1
EXTENSIONS = (
    "chainstream",
    "chainn",
    "chainprevious",
    "chainpayload",
    "chainhash",
    "chainsalt",
    "chaincontent",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are exported; those for which everything that is given holds.

    Args:
        since: not before this time, in the form that `moment` returns.
        until: before this time, in the same form.
        thread: of this thread.
        run: of this run.
        types: of these types, without the prefix `concertmaster.`.
    """

    since: str | None = None
    until: str | None = None
    thread: str | None = None
    run: str | None = None
    types: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Wanted()

    def takes(self, link: Link, content: Content | None) -> bool:
        """Tell whether an event is among those that are wanted."""
        if self.since is not None and link.time < self.since:
            return False
        if self.until is not None and link.time >= self.until:
            return False
        if self.types and link.type.removeprefix("concertmaster.") not in self.types:
            return False
        if self.thread is None and self.run is None:
            return True
        about = _about(content)
        return (self.thread is None or about.get("thread") == self.thread) and (
            self.run is None or about.get("run") == self.run
        )

    def as_json(self) -> dict[str, Any]:
        """Return what was asked for, without what was not."""
        asked = {"since": self.since, "until": self.until, "thread": self.thread, "run": self.run}
        return {k: v for k, v in asked.items() if v is not None} | (
            {"types": list(self.types)} if self.types else {}
        )


@dataclass(frozen=True, kw_only=True)
class Exported:
    """How many events of how many streams were written, and how many of those a head covers."""

    streams: int
    events: int
    vouched: int

    def __add__(self, other: Exported) -> Exported:
        return Exported(
            streams=self.streams + other.streams,
            events=self.events + other.events,
            vouched=self.vouched + other.vouched,
        )


def moment(text: str) -> str:
    """Return a time, given as ISO 8601, as the trail writes its own; without a zone it is UTC.

    Raises:
        ValueError: it is no time.

    >>> moment("2026-01-31"), moment("2026-01-31T11:00:00+01:00")
    ('2026-01-31T00:00:00.000000Z', '2026-01-31T10:00:00.000000Z')
    """
    read = datetime.fromisoformat(text)
    utc = read.replace(tzinfo=read.tzinfo or UTC).astimezone(UTC)
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


async def export_home(
    database: Database,
    heads: Callable[[], ReadHeads],
    wanted: Wanted,
    write: Callable[[str], object],
) -> Exported:
    """Write the wanted events of every stream of a home, as one moment shows it.

    Args:
        database: of the home.
        heads: reads the file of signed heads.
        wanted: which events.
        write: takes each line, without its end.

    Raises:
        StorageError: the database or the file cannot be read.
    """

    def work(connection: sqlite3.Connection) -> Exported:
        read = heads()
        with one_moment(connection):
            return export_lines(connection, streams(connection), read, wanted, write)

    return await database.read(work)


def export_lines(
    connection: sqlite3.Connection,
    names: Iterable[str],
    heads: ReadHeads,
    wanted: Wanted,
    write: Callable[[str], object],
) -> Exported:
    """Write the wanted events of streams, with what it takes to verify them, line by line.

    Args:
        connection: of the home; the caller sees to it that it shows one moment.
        names: of the streams.
        heads: the signed heads that may vouch for them.
        wanted: which events.
        write: takes each line, without its end.
    """
    counted = [_stream(connection, name, heads, wanted, write) for name in dict.fromkeys(names)]
    found = [c for c in counted if c is not None]
    return Exported(
        streams=len(found), events=sum(n for n, _ in found), vouched=sum(n for _, n in found)
    )


def _stream(
    connection: sqlite3.Connection,
    stream: str,
    heads: ReadHeads,
    wanted: Wanted,
    write: Callable[[str], object],
) -> tuple[int, int] | None:
    chain, beside = links(connection, stream), contents(connection, stream)
    taken = [link for link in chain if wanted.takes(link, beside.get(link.id))]
    if not taken:
        return None
    head = _head(heads.of(stream, chain[0].hash), taken[0].n, taken[-1].n)
    last = max(taken[-1].n, head.n if head else 0)
    about = {
        "version": VERSION,
        "stream": stream,
        "origin": chain[0].hash.hex(),
        "first": taken[0].n,
        "last": last,
        "events": len(taken),
        "signed": head.n if head else 0,
        "wanted": wanted.as_json(),
    }
    write(_line({"export": about}))
    ids = {link.id for link in taken}
    for link in chain:
        if taken[0].n <= link.n <= last:
            write(_line(_event(link, beside.get(link.id), wanted=link.id in ids)))
    if head is not None:
        write(_line({"head": head.as_json()}))
    return len(taken), sum(link.n <= head.n for link in taken) if head else 0


def _head(heads: Sequence[SignedHead], first: int, last: int) -> SignedHead | None:
    """Return the first head that vouches for all, else the last that vouches for some."""
    ordered = sorted(heads, key=lambda head: head.n)
    after = next((head for head in ordered if head.n >= last), None)
    return after or next((head for head in reversed(ordered) if head.n >= first), None)


def _event(link: Link, content: Content | None, *, wanted: bool) -> dict[str, Any]:
    chain = {
        "chainstream": link.stream,
        "chainn": link.n,
        "chainprevious": link.previous.hex(),
        "chainpayload": link.payload.hex(),
        "chainhash": link.hash.hex(),
    }
    if content is not None and wanted:
        return {**json.loads(content.text), **chain, "chainsalt": content.salt.hex()}
    why = "leftout" if content is not None else "erased"
    return {**bare_envelope(link), **chain, "chaincontent": why}


def bare_envelope(link: Link) -> dict[str, str]:
    """Return the envelope of an event whose content does not go along."""
    return {
        "specversion": "1.0",
        "id": link.id,
        "source": "/concertmaster",
        "type": link.type,
        "time": link.time,
    }


def _about(content: Content | None) -> Mapping[str, Any]:
    try:
        about = json.loads(content.text)["data"] if content else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return about if isinstance(about, dict) else {}


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
