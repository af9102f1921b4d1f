"""How risky a change is, and what has to be tested: pure rules over the touched files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Assessment", "ChangedFile", "assess"]

Risk = Literal["low", "elevated", "high"]

ELEVATED_FROM, HIGH_FROM = 30, 60
"""Points from which a change is of elevated, and of high risk."""

_LARGE, _HUGE = 100, 400
_MANY = 10


@dataclass(frozen=True)
class ChangedFile:
    """One file of a change: its path, its lines added and removed together, its code area."""

    path: str
    lines: int
    area: str

    @property
    def is_test(self) -> bool:
        """Whether the file is a test."""
        return self.path.startswith("tests/") or "/tests/" in self.path

    @property
    def is_document(self) -> bool:
        """Whether the file is documentation."""
        return self.path.startswith("docs/") or self.path.endswith(".md")


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The risk of a change with its reasons, the areas it touches and the cases to test.

    `tests_included` holds if the change brings tests, or touches nothing that needs any.
    """

    risk: Risk
    points: int
    reasons: tuple[str, ...]
    areas: tuple[str, ...]
    cases: tuple[str, ...]
    tests_included: bool


@dataclass(frozen=True)
class _Rule:
    points: int
    reason: str
    cases: tuple[str, ...]


_AREAS = {
    "auth": _Rule(
        40,
        "touches authentication",
        (
            "A request without a valid session is refused.",
            "A session that has ended cannot be used again.",
        ),
    ),
    "payments": _Rule(
        40,
        "touches payment code",
        (
            "The same payment sent twice is charged once.",
            "Amounts are rounded to the cent in the customer's favour.",
        ),
    ),
    "migrations": _Rule(
        30,
        "changes the database schema",
        (
            "The migration runs on a copy of the production data.",
            "The migration can be rolled back without losing a row.",
        ),
    ),
    "api": _Rule(
        20, "changes a public interface", ("Older clients still get every field that they read.",)
    ),
    "deploy": _Rule(
        20, "changes how the product is deployed", ("A deployment can be undone within minutes.",)
    ),
}


def assess(files: Sequence[ChangedFile], criteria: Sequence[str]) -> Assessment:
    """Return risk, reasons and test cases of a change.

    Args:
        files: what the change touches.
        criteria: the ticket's acceptance criteria; each becomes a case.
    """
    code = [f for f in files if not (f.is_test or f.is_document)]
    areas = tuple(sorted({f.area for f in code}))
    rules = [_AREAS[a] for a in areas if a in _AREAS]
    size = _size(code)
    points = sum(r.points for r in rules) + sum(p for p, _ in size)
    return Assessment(
        risk=_risk(points),
        points=points,
        reasons=(*(r.reason for r in rules), *(reason for _, reason in size)),
        areas=areas,
        cases=(*criteria, *(case for r in rules for case in r.cases)),
        tests_included=not code or any(f.is_test for f in files),
    )


def _size(code: Sequence[ChangedFile]) -> list[tuple[int, str]]:
    lines = sum(f.lines for f in code)
    found = []
    if lines > _HUGE:
        found.append((20, "is a very large change"))
    elif lines > _LARGE:
        found.append((10, "is a large change"))
    if len(code) > _MANY:
        found.append((10, "touches many files"))
    return found


def _risk(points: int) -> Risk:
    if points >= HIGH_FROM:
        return "high"
    return "elevated" if points >= ELEVATED_FROM else "low"
