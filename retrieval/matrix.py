"""All vectors of a generation in one array: exact search among what a principal may read.

Reading every admitted row is exact, and at 100,000 passages it is also faster than asking an
HNSW graph with a filter: the graph has to walk past all that the filter leaves out. The price is
memory, 4 bytes a number: 154 MB for 100,000 passages of 384 numbers. Beyond `LARGEST` there is no
array, and Chroma is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from concertmaster.retrieval.embeddings import Vectors

__all__ = ["LARGEST", "Matrix"]

LARGEST = 256 * 2**20
"""The most bytes that an array of vectors may take."""

_FEW = 0.1
_DIGITS = 6


class Matrix:
    """One row a passage, in the order of `ids`; passages without a vector are never found."""

    def __init__(self, ids: Sequence[str], vectors: Iterable[tuple[str, bytes]], size: int) -> None:
        import numpy as np

        self._rows = np.zeros((len(ids), size), dtype=np.float32)
        self._there = np.zeros(len(ids), dtype=np.bool_)
        places = {id_: at for at, id_ in enumerate(ids)}
        for id_, vector in vectors:
            at = places.get(id_)
            if at is not None and len(vector) == 4 * size:
                self._rows[at] = np.frombuffer(vector, dtype="<f4")
                self._there[at] = True

    def nearest(
        self, vector: Vectors, allowed: NDArray[np.bool_], k: int
    ) -> list[tuple[int, float]]:
        """Return positions and cosines of the `k` nearest allowed rows, nearest first.

        Equal cosines, to six digits, keep the order of the rows: so the answer is the same
        whatever else the array holds.
        """
        import numpy as np

        places = np.flatnonzero(allowed & self._there)
        if not len(places):
            return []
        if len(places) < _FEW * len(self._rows):
            cosines = self._rows[places] @ vector
        else:
            # Copying many rows costs more than multiplying those that are left out.
            cosines = (self._rows @ vector)[places]
        cosines = cosines.astype(np.float64).round(_DIGITS)
        if len(places) > k:
            enough = cosines >= np.partition(cosines, -k)[-k]
            places, cosines = places[enough], cosines[enough]
        order = np.argsort(-cosines, kind="stable")[:k]
        return [(int(places[at]), float(cosines[at])) for at in order]

    def cosine(self, one: int, other: int) -> float:
        """Return how close two rows are."""
        return float(self._rows[one] @ self._rows[other])
