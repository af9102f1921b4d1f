"""Cases on disk, so that a log may be longer than the memory is large."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Self, overload

from concertmaster.errors import StorageError
from concertmaster.evaluation.process.log import Case, Event, Log

__all__ = ["Spool"]

_IN_MEMORY = 2**20


class Spool:
    """Takes cases in any order and gives them back in the order of their beginning.

    They lie in a temporary file without a name, which is gone once this is closed; of each only its
    beginning, its id and its place stay in memory.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
        self._known: list[tuple[datetime, str, int]] = []
        self._ends = array("Q", [0])
        self._one_time = True

    def add(self, case: Case) -> None:
        """Keep a case; one without an event is left out.

        Raises:
            StorageError: there is no room for temporary files.
        """
        if case.begun is None:
            return
        text = json.dumps(_written(case)).encode()
        try:
            self._file.write(text)
        except OSError as error:
            raise StorageError(
                f"no temporary file can be written: {error.strerror}",
                hint="make room, or name another folder with TMPDIR",
            ) from None
        self._known.append((case.begun, case.id, len(self._ends) - 1))
        self._ends.append(self._ends[-1] + len(text))
        self._one_time = self._one_time and all(e.begun is None for e in case.events)

    def log(self, name: str) -> Log:
        """Return the log of what was taken; it can be read until this is closed."""
        self._known.sort()
        cases = _Spooled(self._file, self._ends, array("L", (n for _, _, n in self._known)))
        return Log(name=name, cases=cases, one_time=bool(self._known) and self._one_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


class _Spooled(Sequence[Case]):
    """The cases of a file, read when they are asked for."""

    def __init__(
        self, file: SpooledTemporaryFile[bytes], ends: array[int], order: array[int]
    ) -> None:
        self._file = file
        self._ends = ends
        self._order = order
        self._words: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Case]:
        return map(self._case, self._order)

    @overload
    def __getitem__(self, at: int) -> Case: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Case]: ...

    def __getitem__(self, at: int | slice) -> Case | Sequence[Case]:
        if isinstance(at, slice):
            return [self._case(number) for number in self._order[at]]
        return self._case(self._order[at])

    def _case(self, number: int) -> Case:
        begin, end = self._ends[number], self._ends[number + 1]
        self._file.seek(begin)
        return _read(json.loads(self._file.read(end - begin)), self._words)


def _written(case: Case) -> list[Any]:
    events = [
        [
            event.activity,
            event.at.isoformat(),
            event.begun.isoformat() if event.begun else None,
            event.away,
            event.resource,
            event.cost,
        ]
        for event in case.events
    ]
    return [case.id, events, case.outcome, case.intent, case.retries, case.revisions]


def _read(told: list[Any], words: dict[str, str]) -> Case:
    """Return a case as it was; names that come up again are held once."""
    id_, events, outcome, intent, retries, revisions = told
    return Case(
        id=id_,
        events=tuple(
            Event(
                activity=words.setdefault(activity, activity),
                at=datetime.fromisoformat(at),
                begun=datetime.fromisoformat(begun) if begun else None,
                away=away,
                resource=resource,
                cost=cost,
            )
            for activity, at, begun, away, resource, cost in events
        ),
        outcome=outcome,
        intent=intent,
        retries=retries,
        revisions=revisions,
    )
