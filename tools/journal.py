"""What was done on a thread before a call: the effect ledger, and beside it reads and refusals.

An effect has its row in the ledger before it takes place. Everything else is written down here.
What a call is judged by is computed from these rows, never from a run's state, which whoever
holds the graph can write.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import Action, History, Label, Past, now
from concertmaster.tools.journal_rows import (
    DOCUMENTS,
    MIGRATIONS,
    Count,
    Entry,
    EntryStatus,
    Found,
    Made,
    Note,
    find,
    write_entry,
    write_note,
)

__all__ = ["DOCUMENTS", "MIGRATIONS", "Chronicle", "Entry", "Journal", "Made", "Note", "entry_of"]

_TOOK_PLACE = ("intended", "done", "in_doubt")


class Journal:
    """The calls of all threads of a home.

    What is added waits in memory, where it counts at once, and is stored together with the
    trail: before the next effect, approval, plan or change of a run. A process that dies before
    that has told nobody what it read. Reading goes over the stored rows and those that wait.

    Args:
        trail: in whose transactions the rows are stored; its database also holds the ledger.
    """

    def __init__(self, trail: Trail) -> None:
        self._database = trail.database
        # By number, in order: rows are added and forgotten in different threads.
        self._waiting: dict[int, Entry | Note] = {}
        self._numbers = count()
        trail.beside(self._store)

    @property
    def waiting(self) -> bool:
        """Whether calls were added that are not stored yet."""
        return any(isinstance(row, Entry) for row in self._waiting.copy().values())

    def add(self, entry: Entry) -> None:
        """Write down a call, to be stored with the trail."""
        self._waiting[next(self._numbers)] = entry

    def note(self, note: Note) -> None:
        """Write down what a run rests on, to be stored with the trail; the first note stays."""
        self._waiting[next(self._numbers)] = note

    async def read(self, run: str, thread: str) -> Chronicle:
        """Return what happened on a thread so far, seen from one of its runs.

        Raises:
            StorageError: the rows cannot be read.
        """
        waiting = [w for w in self._waiting.copy().values() if w.thread == thread]
        found = await self._database.look(lambda connection: find(connection, run, thread))
        return _overlaid(found, waiting, run)

    def _store(self, connection: sqlite3.Connection) -> None:
        once = self._database.once
        rows = {n: row for n, row in self._waiting.copy().items() if once((id(self), n))}
        for row in rows.values():
            if isinstance(row, Note):
                write_note(connection, row)
            else:
                write_entry(connection, row)
        self._database.after_commit(partial(self._forget, tuple(rows)))

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._waiting.pop(number, None)


@dataclass(frozen=True)
class Chronicle:
    """The calls of a thread, as one of its runs looks back at them."""

    found: Found

    @property
    def note(self) -> Note | None:
        """What this run rests on, if it was noted."""
        return self.found.note

    @property
    def note_before(self) -> Note | None:
        """What the latest other run of the thread with a note rested on."""
        return self.found.note_before

    def until(self, position: int, call: str) -> tuple[Made, ...]:
        """Return the calls of this run that came before the one at a position.

        A call that was begun is judged as it was then: what followed it does not count, so that
        one which is taken up again after a crash is not held against itself.
        """
        begun = next(
            (
                (m.at, m.position)
                for m in self.found.here
                if m.effect
                and m.position == position
                and m.call == call
                and m.status in _TOOK_PLACE
            ),
            None,
        )
        return tuple(
            made
            for made in self.found.here
            if made.position != position and (begun is None or (made.at, made.position) < begun)
        )

    def history(self, position: int, call: str) -> History:
        """Return the past of the call at a position."""
        here = [Count(m.tool, m.status, m.effect, 1) for m in self.until(position, call)]
        return History(run=_past(here), thread=_past([*here, *self.found.others]))

    def labels(self, position: int, call: str) -> tuple[Label, ...]:
        """Return the labels of what was read on the thread, those of effects excluded."""
        here = [m.label for m in self.until(position, call) if m.status in ("done", "read")]
        others = [c.label for c in self.found.others if c.status in ("done", "read")]
        return tuple(label for label in (*here, *others) if label is not None)

    def effects(self, position: int, call: str) -> frozenset[str]:
        """Return the tools whose effects have returned something on the thread."""
        counted: Sequence[Made | Count] = (*self.until(position, call), *self.found.others)
        return frozenset(c.tool for c in counted if c.effect and c.status == "done")

    def outputs(self, position: int, call: str) -> tuple[Made, ...]:
        """Return the calls before this one whose outputs are still kept."""
        kept = (*self.until(position, call), *self.found.outputs)
        return tuple(m for m in kept if m.status == "done" and m.output is not None)


def entry_of(action: Action, run: str, thread: str, status: EntryStatus, **known: Any) -> Entry:
    """Return the entry of an action, as of now; `known` are further fields."""
    try:
        call = action.call_digest()
    except ValueError:
        call = ""  # No plain JSON: such a call is refused, and has no digest.
    return Entry(
        **known,
        run=run,
        thread=thread,
        position=action.position,
        tool=action.tool,
        call=call,
        status=status,
        at=now().isoformat(timespec="milliseconds"),
    )


def _past(counts: Iterable[Count]) -> Past:
    listed = [c for c in counts if c.status != "read"]
    made = [c for c in listed if c.status != "refused"]
    return Past(
        done=frozenset(c.tool for c in made if c.status == "done"),
        calls=sum(c.number for c in made),
        consequential=sum(c.number for c in made if c.effect),
        refused=sum(c.number for c in listed if c.status == "refused"),
    )


def _overlaid(found: Found, waiting: Sequence[Entry | Note], run: str) -> Chronicle:
    """Count in what waits. A row that was stored meanwhile is not counted twice."""
    here = {(m.position, m.tool, m.effect): m for m in found.here}
    others, outputs = list(found.others), list(found.outputs)
    note, before = found.note, found.note_before
    for row in waiting:
        if isinstance(row, Note):
            note = note or row if row.run == run else note
            before = row if row.run != run else before
        elif row.run == run:
            key = (row.position, row.tool, False)
            at = here[key].at if key in here else row.at
            here[key] = replace(_made(row), at=at)
        else:
            others.append(Count(row.tool, row.status, False, 1, row.label))
            outputs.append(_made(row))
    return Chronicle(Found(tuple(here.values()), tuple(others), tuple(outputs), note, before))


def _made(entry: Entry) -> Made:
    return Made(
        run=entry.run,
        position=entry.position,
        tool=entry.tool,
        call=entry.call,
        status=entry.status,
        effect=False,
        at=entry.at,
        label=entry.label,
        output=json.dumps(entry.output, ensure_ascii=False) if entry.status == "done" else None,
    )
