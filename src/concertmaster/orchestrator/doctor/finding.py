"""One thing that is wrong in a home, in words, with the way to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from concertmaster.contracts.html import Shown

__all__ = ["Examined", "Finding", "Kind", "Severity", "in_order"]

Severity = Literal["problem", "attention", "note"]
"""`problem`: it does not get right by itself. `attention`: somebody has to look, or it may become
a problem. `note`: harmless."""

Kind = Literal["home", "file", "run", "thread", "call", "approval", "stream", "index"]
"""What a finding is about."""

_ORDER: tuple[Severity, ...] = ("problem", "attention", "note")


@dataclass(frozen=True, kw_only=True)
class Finding(Shown):
    """One thing. It names objects by their ids and repeats nothing that anybody said.

    `code` is stable, such as `run.abandoned`. `since` is a moment as it is stored, where one is
    known. `mend` says what to do; `command` is the command that does it, if there is one.
    """

    code: str
    severity: Severity
    kind: Kind
    id: str
    what: str
    mend: str
    since: str | None = None
    command: str | None = None


@dataclass(frozen=True, kw_only=True)
class Examined(Shown):
    """What examining a home showed, the worst first."""

    home: Path
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; what else was found may need attention."""
        return self.count("problem") == 0

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        found = [asdict(finding) for finding in self.findings]
        return {"home": str(self.home), "healthy": self.healthy, "findings": found}


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, then by what they are about, the oldest first."""
    return tuple(
        sorted(findings, key=lambda f: (_ORDER.index(f.severity), f.code, f.since or "", f.id))
    )
