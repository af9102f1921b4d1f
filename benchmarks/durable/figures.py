"""What times, kills and settings come to."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from report import percentile
from rich.console import Console
from rich.table import Table

from durable.killing import Left

__all__ = ["BESIDES", "Times", "ratios", "show", "survives"]

BESIDES = (
    "the gate: canonical form, provenance of each argument, Cedar policies, twice for each call",
    "the accepted plan, and an effect ledger that tells an effect cut off from one not begun",
    "an audit trail: each hop, step, decision and effect with its reason, in a chain of digests",
    "the routing table before each step; redaction of messages, results and what steps return",
    "an answer to the person, composed by one more step",
)
"""What a run of Concertmaster does that those of the others do not."""

_PAIRS = (
    ("to_dbos", "concertmaster", "dbos"),
    ("to_dbos_wal", "concertmaster", "dbos_wal"),
    ("to_langgraph_sync", "concertmaster", "langgraph_sync"),
    ("to_dbos_wal_normal", "concertmaster_normal", "dbos_wal_normal"),
    ("to_langgraph_sync_normal", "concertmaster_normal", "langgraph_sync_normal"),
)
"""Ours beside theirs at the same settings; `dbos` alone is as it comes, with a rollback journal."""


class Times:
    """Nanoseconds of all runs of one system, by round."""

    def __init__(self) -> None:
        self._rounds: list[tuple[list[float], list[float]]] = []

    def add(self, wall: Sequence[int], cpu: Sequence[int]) -> None:
        """Keep the times of one round."""
        self._rounds.append(([float(n) for n in wall], [float(n) for n in cpu]))

    def figures(self) -> dict[str, float]:
        """Return the median over the rounds of their p50, and the p99 of all runs together."""
        found = {}
        for name, each in (("", 0), ("cpu_", 1)):
            rounds = [r[each] for r in self._rounds]
            middle = statistics.median(percentile(times, 0.5) for times in rounds)
            found[f"{name}p50_ms"] = middle / 1e6
            found[f"{name}p99_ms"] = percentile([n for times in rounds for n in times], 0.99) / 1e6
        return found


def survives(
    left: Mapping[str, Sequence[Left]], connections: Sequence[tuple[str, str]]
) -> list[str]:
    """Return the crashes after which a run goes on, and no effect on record is repeated.

    Args:
        left: what became of killed runs, by the place of the kill.
        connections: journal mode and synchronous of each connection that writes.
    """
    known = all(
        one.run in ("finished", "with a person") for found in left.values() for one in found
    )
    once = all(one.effects == 1 for one in left["in the last step"])
    if not (known and once):
        return []
    waits = all(synchronous in ("full", "extra") for _, synchronous in connections)
    return ["sigkill", "power_loss"] if waits else ["sigkill"]


def ratios(systems: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return our times as shares of theirs, where both were measured."""
    return {
        name: {
            key.removesuffix("_ms"): systems[ours][key] / systems[theirs][key]
            for key in ("p50_ms", "p99_ms", "cpu_p50_ms")
        }
        for name, ours, theirs in _PAIRS
        if ours in systems and theirs in systems
    }


def show(systems: Mapping[str, Any]) -> None:
    """Print the figures of all systems beside each other."""
    console = Console(stderr=True, width=150)
    table = Table(title="Six steps and one effect on disk, a run")
    for column in ("", "survives", "p50 ms", "p99 ms", "CPU p50", "fsyncs", "a step"):
        table.add_column(column, justify="left" if column in ("", "survives") else "right")
    table.add_column("killed in the first step / in the effect / in the last step")
    for name, found in systems.items():
        calls, step = found["fsyncs_per_run"], found["fsyncs_per_step"]
        table.add_row(
            name,
            ", ".join(found["survives"]) or "neither",
            *(f"{found[key]:.1f}" for key in ("p50_ms", "p99_ms", "cpu_p50_ms")),
            *("not counted" if n is None else f"{n:.2f}" for n in (calls, step)),
            " / ".join(_said(kills) for kills in found["killed"].values()),
        )
    console.print(table)
    console.print("Concertmaster's runs do besides:\n" + "\n".join(f"  - {b}" for b in BESIDES))
    sys.stderr.flush()


def _said(kills: Sequence[Mapping[str, Any]]) -> str:
    told = dict.fromkeys(
        f"{k['run']}, {k['effects']} effects, {k['steps_again']} again" for k in kills
    )
    return " or ".join(told).replace("1 effects", "1 effect")
