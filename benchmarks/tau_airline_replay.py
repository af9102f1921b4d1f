"""An airline's written policy as rules: recorded writes of a model, decided by the gate.

    python benchmarks/tau_airline_replay.py --runs FILE --data DIR [--list]

`--runs` is JSON lines of recorded runs (`task_id, trial, traj, info.task.actions`), `--data` the
folder with `users`, `reservations` and `flights` (`.json` or `.json.gz`). Every write that was
executed in a recording is put to the gate with the facts of that moment. It is right if the
task's own ground truth holds an action of the same name and arguments (once for each time).
`--list` also prints every write that was stopped although it is right, and every wrong one that
was let through.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import report
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tau_airline.books import Database
from tau_airline.matching import right_writes
from tau_airline.recording import Recording, Step, read_recordings
from tau_airline.replay import Airline

from concertmaster.contracts import Decision
from concertmaster.policies import Policy

KINDS = {"allow": "allowed", "review": "reviewed", "deny": "denied"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A recorded write, whether it is right, and what the gate decided."""

    recording: Recording
    step: Step
    right: bool
    decision: Decision

    @property
    def key(self) -> str:
        """The figure that counts it, such as `right_allowed`."""
        return f"{'right' if self.right else 'wrong'}_{KINDS[self.decision.kind]}"


def main() -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    recordings = list(read_recordings(options.runs))
    airline = Airline(Database.read(options.data))
    verdicts = asyncio.run(_replay(airline, recordings))
    if options.list:
        _list(verdicts)
    figures = _figures(verdicts, airline.engine.policies)
    _show_rules(figures["by_rule"])
    report("Airline policy on recorded writes", {"runs": len(recordings), **figures})


async def _replay(airline: Airline, recordings: list[Recording]) -> list[Verdict]:
    verdicts = []
    console = Console(stderr=True)
    for recording in track(recordings, description="runs", console=console):
        truth = right_writes(recording)
        judged = await airline.replay(recording)
        for (step, right), one in zip(truth, judged, strict=True):
            if step is not one.step:
                raise RuntimeError("truth and decision are about different calls")
            verdicts.append(
                Verdict(recording=recording, step=step, right=right, decision=one.decision)
            )
    return verdicts


def _figures(verdicts: list[Verdict], policies: Iterable[Policy]) -> dict[str, Any]:
    counts = _counts(verdicts)
    wrong = sum(n for key, n in counts.items() if key.startswith("wrong"))
    reviewed = counts["right_reviewed"] + counts["wrong_reviewed"]
    halves = {
        name: _counts(v for v in verdicts if v.recording.task % 2 == parity)
        for name, parity in (("even_tasks", 0), ("odd_tasks", 1))
    }
    return {
        "writes": len(verdicts),
        **counts,
        "wrong_stopped": (wrong - counts["wrong_allowed"]) / wrong if wrong else 0.0,
        "reviewed": reviewed / len(verdicts) if verdicts else 0.0,
        "by_rule": _by_rule(verdicts, policies),
        "halves": halves,
    }


def _counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = Counter(verdict.key for verdict in verdicts)
    return {
        f"{w}_{kind}": found[f"{w}_{kind}"] for w in ("right", "wrong") for kind in KINDS.values()
    }


def _by_rule(verdicts: list[Verdict], policies: Iterable[Policy]) -> dict[str, dict[str, int]]:
    """Count the writes that each rule stopped; `alone` those that no other rule stopped."""
    stopping = {p.id for p in policies if p.effect == "forbid" or p.obligations}
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        rules = [p for p in verdict.decision.policies if p in stopping]
        if verdict.decision.kind != "allow" and not rules:
            rules = ["(no rule: " + "; ".join(verdict.decision.reasons) + ")"]
        side = "right" if verdict.right else "wrong"
        for rule in rules:
            tally[rule][side] += 1
            tally[rule][f"{side}_alone"] += len(rules) == 1
    names = ("right", "wrong", "right_alone", "wrong_alone")
    return {rule: {n: tally[rule][n] for n in names} for rule in sorted(tally)}


def _show_rules(by_rule: dict[str, dict[str, int]]) -> None:
    table = Table(title="Writes stopped, by rule (alone: by no other rule)")
    for name in ("rule", "right", "wrong", "right alone", "wrong alone"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for rule, counts in by_rule.items():
        table.add_row(rule, *map(str, counts.values()))
    Console(stderr=True).print(table)


def _list(verdicts: list[Verdict]) -> None:
    for v in verdicts:
        stopped = v.decision.kind != "allow"
        if stopped == v.right:
            where = f"task {v.recording.task} trial {v.recording.trial} message {v.step.message}"
            rules = ", ".join(v.decision.policies) if stopped else ""
            print(f"{v.key} {where}: {v.step.tool} {json.dumps(v.step.arguments)} {rules}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
