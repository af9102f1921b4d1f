"""How a system's process is asked: one JSON object a line comes in, and one goes out.

    {"do": "runs", "runs": 40}   →  {"wall": [ns, …], "cpu": [ns, …]}
    {"do": "settings"}           →  version, and what its connections say of their durability
    {"do": "recover"}            →  {"runs": [status, …]}, after it took up what was left

Needs the standard library alone.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterable
from itertools import count
from time import perf_counter_ns, process_time_ns
from typing import Any, Protocol

__all__ = ["SYNCHRONOUS", "System", "serve"]

SYNCHRONOUS = {0: "off", 1: "normal", 2: "full", 3: "extra"}


class System(Protocol):
    """One system with its database open."""

    version: str

    def run(self, name: str) -> None:
        """Carry one run out to its end; raises if it did not get there."""

    def pragmas(self) -> list[tuple[str, int]]:
        """Return journal mode and synchronous of each connection that writes."""

    def recover(self) -> list[str]:
        """Take up what an earlier process left, and return how each stored run now stands."""

    def close(self) -> None:
        """Let go of the database."""


def serve(make: Any) -> None:
    """Answer until there are no more questions; whatever the system prints goes to stderr.

    Args:
        make: returns the system, once it is asked for.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    system: System = make()
    names = (f"{os.getpid()}-{number}" for number in count())
    for line in sys.stdin:
        question = json.loads(line)
        answers.write(json.dumps(_answer(system, question, names)) + "\n")
        answers.flush()
    system.close()


def _answer(system: System, question: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    if question["do"] == "runs":
        return _timed(system, question["runs"], iter(names))
    if question["do"] == "recover":
        return {"runs": system.recover()}
    modes = [(mode, SYNCHRONOUS[level]) for mode, level in system.pragmas()]
    return {"version": system.version, "connections": modes}


def _timed(system: System, runs: int, names: Any) -> dict[str, list[int]]:
    wall, cpu = [], []
    gc.collect()
    gc.disable()
    for _ in range(runs):
        name = next(names)
        spent, began = process_time_ns(), perf_counter_ns()
        system.run(name)
        wall.append(perf_counter_ns() - began)
        cpu.append(process_time_ns() - spent)
    gc.enable()
    return {"wall": wall, "cpu": cpu}
