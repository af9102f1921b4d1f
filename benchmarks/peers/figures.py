"""From what the rounds of a peer told to its figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from report import percentile

__all__ = ["build_figures", "growth_figures", "run_figures", "throughput_figures"]

Rounds = Mapping[int, Sequence[Mapping[str, Any]]]
"""What was told in each round, by how many runs went on at once."""


def run_figures(rounds: Rounds, base: Rounds | None) -> dict[str, Any]:
    """Return processor and wall time a run; ratios are those of a round, against `base`'s."""
    figures: dict[str, Any] = {}
    for level, told in rounds.items():
        suffix = "" if level == 1 else f"_{level}"
        spent = [found["cpu_ms"] for found in told]
        figures[f"cpu{suffix}_ms"] = statistics.median(spent)
        figures[f"cpu{suffix}_least_ms"] = min(spent)
        wall = [ms for found in told for ms in found["wall_ms"]]
        figures[f"p50{suffix}_ms"] = percentile(wall, 0.5)
        if base is not None:
            others = [found["cpu_ms"] for found in base[level]]
            pairs = zip(spent, others, strict=False)
            figures[f"cpu{suffix}_ratio"] = statistics.median(own / other for own, other in pairs)
            figures[f"cpu{suffix}_least_ratio"] = min(spent) / min(others)
    return figures


def build_figures(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the time to the first ready agent, imports done, and of each further one; its size."""
    return {
        "first_ms": told["first_ms"],
        "build_ms": percentile(told["build_ms"], 0.5),
        "agent_bytes": told["agent_bytes"],
    }


def growth_figures(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return bytes and time of some turns of one thread."""
    figures: dict[str, Any] = {}
    for turn, found in told["turns"].items():
        figures[f"turn_{turn}_ms"] = found["ms"]
        figures[f"turn_{turn}_bytes"] = found["bytes"]
    return figures


def throughput_figures(rounds: Rounds) -> dict[str, Any]:
    """Return threads finished per second and memory per thread in flight, by how many those are."""
    figures: dict[str, Any] = {}
    for level, told in rounds.items():
        best = max(told, key=lambda found: len(found["wall_ms"]) / found["seconds"])
        figures[f"per_second_{level}"] = len(best["wall_ms"]) / best["seconds"]
        figures[f"p50_{level}_ms"] = percentile(best["wall_ms"], 0.5)
        figures[f"cpu_{level}_ms"] = best["cpu_ms"]
    figures["thread_bytes"] = max(rounds.items())[1][0]["thread_bytes"]
    return figures
