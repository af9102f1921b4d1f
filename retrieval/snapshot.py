"""All passages of one generation in memory: their readers, a BM25 index, and their vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.contracts import Principal, Readers
from concertmaster.retrieval.access import FIRST_DAY, LAST_DAY
from concertmaster.retrieval.lexical import Lexical
from concertmaster.retrieval.matrix import LARGEST, Matrix
from concertmaster.retrieval.passage import Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Snapshot", "indexed_text"]


def indexed_text(passage: Passage) -> str:
    """Return what BM25 reads of a passage: its title, twice for weight, its section, its text."""
    return f"{passage.title}\n{passage.title}\n{passage.section}\n{passage.text}"


class Snapshot:
    """What searching a generation needs. Older than the store, never newer.

    `kept` is a file that spares counting words again; see `Postings.of`.
    """

    def __init__(
        self, generation: int, passages: Sequence[Passage], kept: Path | None = None
    ) -> None:
        import numpy as np

        self.generation = generation
        self.ids = [p.id for p in passages]
        self._matrix: Matrix | None = None
        self._making = threading.Lock()
        self.lexical = Lexical([indexed_text(p) for p in passages], kept)
        sets: dict[Readers, int] = {}
        self._set_of = np.array(
            [sets.setdefault(p.readers, len(sets)) for p in passages], dtype=np.int64
        )
        self._sets = tuple(sets)
        self._from = np.array([p.valid_from for p in passages], dtype=np.int64)
        self._until = np.array([p.valid_until for p in passages], dtype=np.int64)
        self.readers = frozenset(entry for readers in sets for entry in readers)
        self.dated = any(p.valid_from > FIRST_DAY or p.valid_until < LAST_DAY for p in passages)

    def readable(self, principal: Principal, today: int) -> NDArray[np.bool_]:
        """Return which passages the principal may read today."""
        import numpy as np

        sets = np.array([principal.may_read(readers) for readers in self._sets], dtype=np.bool_)
        if not len(sets):
            return np.zeros(0, dtype=np.bool_)
        readable: NDArray[np.bool_] = (
            sets[self._set_of] & (self._from <= today) & (self._until >= today)
        )
        return readable

    def matrix(
        self, size: int, vectors: Callable[[], Iterable[tuple[str, bytes]]]
    ) -> Matrix | None:
        """Return the vectors of this generation, read once; None if they would be too large.

        Args:
            size: how many numbers a vector has.
            vectors: where to read them.
        """
        if 4 * size * len(self.ids) > LARGEST:
            return None
        with self._making:
            if self._matrix is None:
                self._matrix = Matrix(self.ids, vectors(), size)
            return self._matrix
