"""Verifies a stored trail against its chain and against the heads that were signed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from concertmaster.audit.chain import Link
from concertmaster.audit.heads import ReadHeads, SignedHead
from concertmaster.audit.linked import (
    contents,
    damage,
    has_chain,
    last_link,
    links,
    one_moment,
    streams,
    unlinked,
)
from concertmaster.audit.signing import signed_rows
from concertmaster.audit.verification import Content, Fault, Finding, verify
from concertmaster.storage import Database

__all__ = ["Checked", "Reported", "check_home", "check_trail", "erased_places", "reports"]

_ERASED = "concertmaster.audit.erased"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One thing that is wrong, with what is known of the event that it concerns."""

    fault: Fault
    n: int
    event: str | None
    type: str | None
    time: str | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What verifying a stream showed. `signed` is the last place that a signed head vouches for."""

    stream: str
    events: int
    erased: int
    signed: int
    signed_at: str | None = None
    left_out: int = 0
    findings: tuple[Reported, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not self.problems


async def check_home(database: Database, heads: Callable[[], ReadHeads]) -> list[Checked]:
    """Verify every stream of a home, as one moment shows it, while others may write to it.

    Args:
        database: of the home.
        heads: reads the file of signed heads.

    Raises:
        StorageError: the database or the file cannot be read.
    """

    def work(connection: sqlite3.Connection) -> list[Checked]:
        # In this order: a head is signed after its event and noted after it is in the file.
        noted = signed_rows(connection)
        read = heads()
        with one_moment(connection):
            own = {h.stream for h in read.heads} if read.own else set[str]()
            names = sorted({*streams(connection), *noted, *own})
            found = [_check(connection, name, read, noted) for name in names]
            broken = tuple(damage(connection)) if has_chain(connection) else ()
        return [replace(c, problems=(*c.problems, *broken)) for c in found]

    return await database.read(work)


async def check_trail(database: Database, stream: str, heads: ReadHeads | None = None) -> Checked:
    """Return what is wrong with a stream, if anything.

    Args:
        database: of the home.
        stream: the workspace's name.
        heads: what the file of signed heads shows; without it a cut-off end cannot be seen.

    Raises:
        StorageError: the file cannot be read.
    """

    def work(connection: sqlite3.Connection) -> Checked:
        noted = signed_rows(connection) if heads else {}
        return _check(connection, stream, heads or ReadHeads(), noted)

    return await database.read(work)


def erased_places(content: str) -> tuple[int, ...]:
    """Return the places that an event says were erased; none if it tells of no erasure."""
    try:
        envelope = json.loads(content)
        if envelope["type"] != _ERASED:
            return ()
        ranges = envelope["data"]["detail"]["places"]
        return tuple(n for first, last in ranges for n in range(int(first), int(last) + 1))
    except (ValueError, KeyError, TypeError):
        return ()


def reports(
    findings: Iterable[Finding], chain: Iterable[Link], beside: dict[str, Content]
) -> Iterator[Reported]:
    """Add to findings what links and contents know of the events."""
    by_place = {link.n: link for link in chain}
    by_id = {link.id: link for link in by_place.values()}
    for finding in findings:
        link = by_id.get(finding.event) if finding.event else by_place.get(finding.n)
        content = beside.get(finding.event) if finding.event else None
        header = content.header if content else None
        yield Reported(
            fault=finding.fault,
            n=finding.n,
            event=finding.event or (link.id if link else None),
            type=link.type if link else header[1] if header else None,
            time=link.time if link else header[2] if header else None,
            message=finding.message,
        )


def _check(
    connection: sqlite3.Connection,
    stream: str,
    heads: ReadHeads,
    noted: dict[str, tuple[int, bytes]],
) -> Checked:
    if not has_chain(connection):
        count = "SELECT count(*) FROM audit_events WHERE workspace = ?"
        events = connection.execute(count, (stream,)).fetchone()[0]
        told = "a release without a chain wrote these events; open the workspace once to link them"
        return Checked(stream=stream, events=events, erased=0, signed=0, problems=(told,))
    chain, beside = links(connection, stream), contents(connection, stream)
    origin = chain[0].hash if chain else b""
    signed = heads.of(stream, origin)
    problems = [*heads.problems, *_strangers(heads, stream, origin, bool(chain))]
    problems += _unaccounted(stream, noted.get(stream), signed)
    if last_link(connection, stream) is None and (waiting := unlinked(connection, stream)):
        # Written by a release without a chain; the next event links them.
        beside = {}
        problems.append(f"{len(waiting)} events are not linked yet")
    findings = verify(chain, beside, marks=heads.marks(stream, origin), erased=erased_places)
    newest = max(signed, key=lambda head: (head.n, head.time), default=None)
    return Checked(
        stream=stream,
        events=len(chain),
        erased=len({link.id for link in chain} - beside.keys()),
        signed=newest.n if newest else 0,
        signed_at=newest.time if newest else None,
        findings=tuple(reports(findings, chain, beside)),
        problems=tuple(problems),
    )


def _strangers(heads: ReadHeads, stream: str, origin: bytes, there: bool) -> Iterator[str]:
    """Tell of heads that are not of this home where only its own can be, and of none at all."""
    others = [h for h in heads.heads if h.stream == stream and h.origin != origin]
    ours = any(h.stream == stream and h.origin == origin for h in heads.heads)
    if heads.own and others:
        told = "which this home does not have" if there else "and there is none of its events"
        yield f"{heads.path}: {len(others)} heads were signed of a stream {stream!r} {told}"
    elif others and there and not ours:
        yield (
            f"{heads.path}: heads of a stream {stream!r} are there, but none of this home's;"
            " it was never signed there, or its first event was replaced"
        )


def _unaccounted(
    stream: str, noted: tuple[int, bytes] | None, signed: Iterable[SignedHead]
) -> Iterator[str]:
    """Tell whether the last head that the home signed is missing from the file."""
    if noted is not None and noted[1] not in {head.digest() for head in signed}:
        yield (
            f"the head of event {noted[0]} of {stream!r} was signed and is not in the file of"
            " signed heads: its end is missing, or another file was meant"
        )
