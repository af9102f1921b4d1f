"""What an evaluator returns."""

from __future__ import annotations

from typing import Literal

from concertmaster.contracts import Record

__all__ = ["Score", "Unit"]

Unit = Literal["share", "USD", "s"]


class Score(Record):
    """One evaluator's judgement of one case.

    `score` is a share from 0 to 1 that passes at 1, or a measure in `unit` that passes unless it
    is over a limit; None if the case says nothing that this evaluator looks at. `comment` says in a
    sentence what is wrong, or what was found.
    """

    key: str
    score: float | None
    passed: bool | None = None
    comment: str = ""
    unit: Unit = "share"

    @classmethod
    def of(cls, key: str, faults: list[str], looked_at: int) -> Score:
        """Return the share of what was looked at that is right; not applicable if nothing was."""
        if looked_at == 0:
            return cls(key=key, score=None)
        share = max(0.0, 1 - len(faults) / looked_at)
        return cls(key=key, score=share, passed=not faults, comment="; ".join(faults))
