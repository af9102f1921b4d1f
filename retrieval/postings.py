"""Where each stem stands and what BM25 gives it there: made once, and kept beside the index.

Making it takes most of the time between opening a large index and its first answer. The file is
known by a digest of the very texts that it was made of, so it is used for them or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.retrieval.stems import RULES, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["K1", "WORTH", "B", "Postings"]

K1, B = 1.2, 0.75
WORTH = 2000
"""From how many texts on a file saves more time than it costs."""

_LOG = logging.getLogger(__name__)
_FORM = b"concertmaster postings 1"


@dataclass(frozen=True, kw_only=True)
class Postings:
    """BM25's parts over texts: how many stems each has, and each stem's places and scores.

    The places of the stem with number `n` are `places[starts[n]:starts[n + 1]]`, and `scores` in
    the same rows; `words` gives each stem its number.
    """

    lengths: NDArray[np.float64]
    words: dict[str, int]
    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, texts: Sequence[str], kept: Path | None = None) -> Postings:
        """Return the postings of texts: read from a file that was made of them, else made.

        Args:
            texts: in the order in which places count them.
            kept: a file to read, and to write when many texts had to be read anew; with few it is
                deleted. One that is damaged, or cannot be written, only costs the time.
        """
        if kept is None:
            return cls._made(texts)
        if len(texts) < WORTH:
            with contextlib.suppress(OSError):
                kept.unlink(missing_ok=True)
            return cls._made(texts)
        digest = _digest(texts)
        found = cls._read(kept, digest, len(texts))
        if found is None:
            found = cls._made(texts)
            found._write(kept, digest)
        return found

    @classmethod
    def _made(cls, texts: Sequence[str]) -> Postings:
        import numpy as np

        corpus = [terms(text) for text in texts]
        lengths = np.array([len(words) for words in corpus], dtype=np.float64)
        if not any(corpus):
            none = np.zeros(0)
            starts, places = np.zeros(1, dtype=np.int64), none.astype(np.int32)
            return cls(lengths=lengths, words={}, starts=starts, places=places, scores=none)
        index = _bm25()(method="lucene", k1=K1, b=B, dtype="float64")
        index.index(corpus, show_progress=False)
        starts = np.asarray(index.scores["indptr"], dtype=np.int64)
        return cls(
            lengths=lengths,
            # The library adds a word that stands nowhere, for queries without one.
            words={w: n for w, n in index.vocab_dict.items() if n < len(starts) - 1},
            starts=starts,
            places=np.asarray(index.scores["indices"], dtype=np.int32),
            scores=np.asarray(index.scores["data"], dtype=np.float64),
        )

    @classmethod
    def _read(cls, file: Path, digest: bytes, size: int) -> Postings | None:
        """Return what a file holds, or None if it is of other texts or makes no sense."""
        import numpy as np

        try:
            # Opened here: of a damaged archive the library would leave it open.
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
                if held["digest"].tobytes() != digest:
                    return None
                words = held["words"].tobytes().decode().split("\n")
                numbers = held["numbers"].tolist()
                found = cls(
                    lengths=held["lengths"],
                    words=dict(zip(words, numbers, strict=True)),
                    starts=held["starts"],
                    places=held["places"],
                    scores=held["scores"],
                )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _LOG.info("%s is made anew: %s", file.name, type(error).__name__)
            return None
        return found if found._sound(size) else None

    def _sound(self, size: int) -> bool:
        """Tell whether the parts fit each other and as many texts."""
        arrays = (self.lengths, self.starts, self.places, self.scores)
        if any(a.ndim != 1 for a in arrays) or len(self.starts) == 0:
            return False
        highest = max(self.words.values(), default=-1)
        return bool(
            len(self.lengths) == size
            and len(self.places) == len(self.scores) == self.starts[-1]
            and (self.starts[1:] >= self.starts[:-1]).all()
            and self.starts[0] == 0
            and min(self.words.values(), default=0) >= 0
            and highest < len(self.starts) - 1
            and (len(self.places) == 0 or (self.places.min() >= 0 and self.places.max() < size))
        )

    def _write(self, file: Path, digest: bytes) -> None:
        """Keep it, all at once or not at all."""
        import numpy as np

        half = file.with_name(f".{file.stem}.{os.getpid()}{file.suffix}")
        try:
            with half.open("wb") as out:
                np.savez(
                    out,
                    digest=np.frombuffer(digest, dtype=np.uint8),
                    words=np.frombuffer("\n".join(self.words).encode(), dtype=np.uint8),
                    numbers=np.array(list(self.words.values()), dtype=np.int64),
                    lengths=self.lengths,
                    starts=self.starts,
                    places=self.places,
                    scores=self.scores,
                )
            half.replace(file)
        except OSError as error:
            _LOG.info("%s cannot be written (%s)", file.name, error.strerror)
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)


def _digest(texts: Sequence[str]) -> bytes:
    made = hashlib.blake2b(digest_size=32)
    for part in _told(texts):
        made.update(part)
    return made.digest()


def _told(texts: Sequence[str]) -> Iterator[bytes]:
    """Yield what the postings depend on; with lengths, so that texts cannot run into each other."""
    yield _FORM
    yield f"{RULES} {K1} {B} {len(texts)}".encode()
    for text in texts:
        content = text.encode(errors="surrogatepass")
        yield len(content).to_bytes(8, "little")
        yield content


def _bm25() -> Any:
    """Return bm25s' index class; its progress bars, which nobody sees, must not warn notebooks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        from bm25s import BM25
    return BM25
