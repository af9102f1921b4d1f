"""One finding about a workspace, with the place to look at."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from concertmaster.contracts import Record

__all__ = ["Problem", "Severity", "closest"]

Severity = Literal["error", "warning"]


class Problem(Record):
    """What is wrong, where, and how to put it right. `code` is stable."""

    severity: Severity = "error"
    code: str
    file: str
    line: int
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{Path(self.file).name}:{self.line}: {self.severity}: {self.message}{hint}"

    def order(self) -> tuple[str, int, str, str]:
        """Return the sorting key: by file and line."""
        return self.file, self.line, self.severity, self.message


def closest(word: str, known: Iterable[str], *, alike: float = 0.6) -> str | None:
    """Return a hint that offers the known word most like this one; None if none is like it.

    Args:
        word: what was written.
        known: what could have been meant.
        alike: how like it must be, from 0 to 1.

    >>> closest("excutor", ("retriever", "executor"))
    "did you mean 'executor'?"
    """
    near = difflib.get_close_matches(word, tuple(known), n=1, cutoff=alike)
    return f"did you mean {near[0]!r}?" if near else None
