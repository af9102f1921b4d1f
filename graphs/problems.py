"""One finding about a workspace, with the place to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from concertmaster.contracts import Record

__all__ = ["Problem", "Severity"]

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
