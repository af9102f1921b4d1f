"""What is left of a run whose process was killed in the middle, and what becomes of it.

A process is started on an empty database and kills itself with SIGKILL at a place in its work; a
second one opens the same database and takes up what it finds there. Nobody sends the run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from durable.systems import Ended, Process, Variant
from durable.work import EFFECT, STEPS, made

__all__ = ["PLACES", "Left", "killed"]

PLACES = {
    "in the first step": STEPS[0],
    "in the effect": EFFECT,
    "in the last step": STEPS[-1],
}
"""In the effect: after it took place, before the system heard of it."""

_ENDED = ("answered", "finished", "SUCCESS")
_HANDED_ON = ("escalated", "awaiting_review")


@dataclass(frozen=True)
class Left:
    """How one killed run came out: what it is now, its effects, and the steps that ran again."""

    run: str
    effects: int
    steps_again: int

    def as_told(self) -> dict[str, int | str]:
        """Return it as the figures have it."""
        return {"run": self.run, "effects": self.effects, "steps_again": self.steps_again}


def killed(variant: Variant, place: str, folder: Path) -> Left:
    """Kill a system's process in the middle of a run, start another one, and look.

    Args:
        variant: the system.
        place: one of the names in `PLACES`.
        folder: an empty one.
    """
    first = Process(variant, folder, kill=PLACES[place])
    try:
        first.ask("runs", runs=1)
    except Ended:
        pass
    else:
        raise SystemExit(f"{variant.name} was not killed {place}")
    finally:
        first.stop()
    second = Process(variant, folder, kill="")
    try:
        found = second.ask("recover")["runs"]
    finally:
        second.stop()
    effects, steps = made(folder)
    # The step in which it was killed has to run again, whatever the system.
    cut_off = PLACES[place]
    again = (times - 1 - (name == cut_off) for name, times in steps.items())
    return Left(_fate(found), effects, sum(max(0, times) for times in again))


def _fate(found: list[str]) -> str:
    if not found:
        return "lost"
    status = found[-1]
    if status in _ENDED:
        return "finished"
    return "with a person" if status in _HANDED_ON else status
