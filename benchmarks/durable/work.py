"""The work itself, the same for every system: six small steps and one effect on the world.

Needs the standard library alone, since it runs in each system's own environment. The effect is a
line in a file outside of every system's database, so that it can be counted afterwards. By
environment variables a process kills itself at a named place, once.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

__all__ = ["AFTER", "BEFORE", "EFFECT", "STEPS", "book", "made", "step"]

BEFORE = ("capture", "verify", "score")
AFTER = ("file", "notify", "close")
STEPS = (*BEFORE, *AFTER)
EFFECT = "book"
"""The effect stands between the third step and the fourth."""

_EFFECTS, _LOG = "effects.txt", "steps.txt"
_DETAILS = "what this step found out, in about as many words as such a thing takes. " * 2


def step(name: str, folder: Path, key: str) -> dict[str, Any]:
    """Do one step: a few values, which the system has to keep.

    Args:
        name: which one.
        folder: where the system's data lie.
        key: the run's name, the same after a crash.
    """
    _log(folder, name)
    _perhaps_killed(folder, name)
    return {name: {"key": key, "result": len(name), "details": _DETAILS}}


def book(folder: Path, key: str) -> dict[str, Any]:
    """Bring the effect about: one more line, which a crash of the process leaves in place."""
    with (folder / _EFFECTS).open("a", encoding="utf-8") as file:
        file.write(f"{key}\n")
    _perhaps_killed(folder, EFFECT)
    return {"booked": key}


def made(folder: Path) -> tuple[int, dict[str, int]]:
    """Return how many effects took place, and how often each step ran (if that is logged)."""
    effects, log = _lines(folder / _EFFECTS), _lines(folder / _LOG)
    return len(effects), {name: log.count(name) for name in STEPS}


def _log(folder: Path, name: str) -> None:
    if "DURABLE_LOG" in os.environ:
        with (folder / _LOG).open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")


def _perhaps_killed(folder: Path, place: str) -> None:
    if os.environ.get("DURABLE_KILL") == place:
        os.kill(os.getpid(), signal.SIGKILL)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
