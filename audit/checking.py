"""Verifies a stored trail against its chain and against the heads that were signed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from concertmaster.audit.heads import ReadHeads
from concertmaster.audit.linked import contents, last_link, links, unlinked
from concertmaster.audit.verification import Finding, verify
from concertmaster.storage import Database

__all__ = ["Checked", "check_trail", "erased_places"]

_ERASED = "concertmaster.audit.erased"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What verifying a stream showed. `signed` is the last place that a signed head vouches for."""

    stream: str
    events: int
    erased: int
    signed: int
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not self.problems


async def check_trail(database: Database, stream: str, heads: ReadHeads | None = None) -> Checked:
    """Return what is wrong with a stream, if anything.

    Args:
        database: of the home.
        stream: the workspace's name.
        heads: what the file of signed heads shows; without it a cut-off end cannot be seen.

    Raises:
        StorageError: the file cannot be read.
    """
    return await database.read(lambda connection: _check(connection, stream, heads))


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


def _check(connection: sqlite3.Connection, stream: str, heads: ReadHeads | None) -> Checked:
    chain, beside = links(connection, stream), contents(connection, stream)
    marks = heads.marks.get(stream, ()) if heads else ()
    problems = list(heads.problems if heads else ())
    if last_link(connection, stream) is None and (waiting := unlinked(connection, stream)):
        # Written by a release without a chain; the next event links them.
        beside = {}
        problems.append(f"{len(waiting)} events are not linked yet")
    return Checked(
        stream=stream,
        events=len(chain),
        erased=_missing(chain_ids=(link.id for link in chain), there=beside.keys()),
        signed=max((mark.n for mark in marks), default=0),
        findings=tuple(verify(chain, beside, marks=marks, erased=erased_places)),
        problems=tuple(problems),
    )


def _missing(*, chain_ids: Iterable[str], there: Iterable[str]) -> int:
    return len(set(chain_ids).difference(there))
