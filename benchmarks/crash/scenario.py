"""One scenario: a worker is struck at a boundary, another comes, and what was done is counted."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crash.nursery import Nursery
from crash.service import Seen, Service
from crash.shop import Kind

__all__ = ["ON_ITS_WAY", "Finding", "Scenario", "Stage", "play", "scenarios"]

_ENDS = frozenset({"answered", "escalated", "refused", "failed", "cancelled"})
ON_ITS_WAY = ("intended", "tool before its effect")
"""Where a call is on its way when its worker is paused: no fence can call it back."""
_LONG = 60.0
_Cell = tuple[str, Kind, bool]


@dataclass(frozen=True)
class Scenario:
    """What is to happen. `again` kills the second worker, too; `wakes` lets the paused one go on
    as soon as its successor has the home, not only when that is done."""

    name: str
    boundary: str
    kind: Kind
    pause: bool
    again: str | None = None
    wakes: bool = False


@dataclass
class Finding:
    """What came of it."""

    scenario: Scenario
    effects: int = 0
    status: str = "?"
    doubt: bool = False
    kills: int = 0
    takeovers: int = 0
    locked: bool = False
    fenced: bool = False
    told: str | None = None
    late: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def lost(self) -> bool:
        """Whether an approved refund was not made, and no person was told that it may not be."""
        return not self.doubt and self.effects == 0

    @property
    def doubled(self) -> bool:
        """Whether it was made more than once."""
        return self.effects > 1

    @property
    def stuck(self) -> bool:
        """Whether the run did not end."""
        return self.status not in _ENDS


@dataclass(frozen=True)
class Stage:
    """Where scenarios are played."""

    folder: Path
    workspaces: dict[str, Path]
    service: Service
    nursery: Nursery
    lease: float


def play(stage: Stage, scenario: Scenario) -> Finding:
    """Play a scenario to its end and return what came of it."""
    finding, seen = Finding(scenario), stage.service.seen(scenario.name)
    first = _fork(stage, scenario, "a", scenario.boundary, pause=scenario.pause)
    if not seen.wait_for(lambda s: first in s.struck or first in s.ended, _LONG):
        finding.problems.append("the first worker neither came to the boundary nor ended")
    if first not in seen.struck:
        finding.problems.append(f"never came past {scenario.boundary}")
        stage.nursery.kill(first)
    elif not scenario.pause:
        finding.kills += 1
        stage.nursery.ended(first, _LONG)
    _succeed(stage, scenario, finding, seen, first)
    if scenario.pause and first in seen.struck:
        finding.kills += 1
        _wake(stage, finding, seen, first)
    _count(stage, scenario, finding, seen)
    return finding


def _succeed(stage: Stage, scenario: Scenario, finding: Finding, seen: Seen, first: int) -> None:
    """Let further workers come, until one ends by itself."""
    if scenario.again is not None:
        second = _fork(stage, scenario, "b", scenario.again)
        seen.wait_for(lambda s: second in s.struck or second in s.ended, _LONG)
        finding.kills += second in seen.struck
        if stage.nursery.ended(second, _LONG) is None:
            finding.problems.append("the second worker hangs")
            stage.nursery.kill(second)
    last = _fork(stage, scenario, "c", None)
    if scenario.pause and scenario.wakes:
        _wait_for_epoch(stage, scenario, seen, last)
        _signal(first, signal.SIGCONT)
    if stage.nursery.ended(last, _LONG) is None:
        finding.problems.append("the last worker hangs")
        stage.nursery.kill(last)
        return
    told = seen.ended.get(last, {"error": "it ended without a word"})
    # Paused while it wrote, a worker keeps the database locked, and its successor says so.
    finding.locked = scenario.pause and "stopped while it wrote" in told.get("words", "")
    if "error" in told and not finding.locked:
        finding.problems.append(f"the last worker: {told['error']}")


def _wake(stage: Stage, finding: Finding, seen: Seen, first: int) -> None:
    """Let the paused worker go on, and see that it does nothing more."""
    _signal(first, signal.SIGCONT)
    if stage.nursery.ended(first, _LONG) is None:
        finding.problems.append("the fenced worker hangs")
        stage.nursery.kill(first)
    told = seen.ended.get(first, {})
    finding.fenced = told.get("error") == "HomeFenced"
    finding.late = len(seen.late)
    finding.told = told.get("status")


def _misbehaved(finding: Finding, epochs: int) -> list[str]:
    """Return what a paused worker did that it must not have done once it was woken.

    It may have had the home again, in an epoch of its own, and then it may do anything. It may
    also have ended without another write, by telling what the home holds.
    """
    if finding.locked or epochs > 1:
        return []
    wrong = []
    if finding.late and finding.scenario.boundary not in ON_ITS_WAY:
        wrong.append("the paused worker began a call after it was woken")
    over = finding.scenario.boundary == "waiting stored" and finding.told == "awaiting_review"
    if not (finding.fenced or over or finding.told == finding.status):
        wrong.append(f"the paused worker was not fenced, it told {finding.told}")
    return wrong


def _count(stage: Stage, scenario: Scenario, finding: Finding, seen: Seen) -> None:
    """Compare what the home says with what the service saw."""
    finding.effects = len(seen.effects)
    path = _home(stage, scenario) / "concertmaster.sqlite3"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        runs = database.execute("SELECT status, record FROM runs").fetchall()
        effects = database.execute("SELECT status FROM effects").fetchall()
        of_first = "SELECT count(*) FROM leases WHERE pid = ?"
        epochs = database.execute(of_first, (seen.struck[:1] or [0])).fetchone()[0]
        finding.takeovers = database.execute("SELECT sum(taken) FROM leases").fetchone()[0] or 0
    if len(runs) != 1:
        finding.problems.append(f"{len(runs)} runs instead of one")
        return
    finding.status = runs[0]["status"]
    outcome = json.loads(runs[0]["record"])["outcome"] or {}
    finding.doubt = any(row["status"] == "in_doubt" for row in effects)
    finding.problems += _untold(finding, outcome, [row["status"] for row in effects])
    if scenario.pause:
        finding.problems += _misbehaved(finding, epochs)
    if scenario.pause and not (finding.takeovers or finding.locked):
        finding.problems.append("nobody took over")


def _untold(finding: Finding, outcome: dict[str, Any], rows: list[str]) -> list[str]:
    """Return what the run's outcome says wrongly or leaves out."""
    told = f"{outcome.get('cause') or ''}"
    wrong = []
    if finding.doubt and (finding.status != "escalated" or not outcome.get("owner")):
        wrong.append(f"in doubt, but the run is {finding.status}")
    if finding.doubt and "unknown" not in told:
        wrong.append(f"in doubt, but the cause says {told!r}")
    if finding.status == "answered" and rows != ["done"]:
        wrong.append(f"answered, but the ledger says {rows}")
    if finding.status == "failed" and finding.effects:
        wrong.append("failed, but there was an effect")
    return wrong


def _wait_for_epoch(stage: Stage, scenario: Scenario, seen: Seen, last: int) -> None:
    """Wait until the home was taken over."""
    path = _home(stage, scenario) / "concertmaster.sqlite3"

    def taken(_: Seen) -> bool:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute("SELECT sum(taken) FROM leases").fetchone()[0])

    for _ in range(int(_LONG / 0.05)):
        if taken(seen) or last in seen.ended:
            return
        seen.wait_for(lambda s: last in s.ended, 0.05)


def _fork(
    stage: Stage, scenario: Scenario, who: str, target: str | None, *, pause: bool = False
) -> int:
    return stage.nursery.fork(
        f"{scenario.name}-{who}",
        workspace=str(stage.workspaces[scenario.kind.name]),
        home=str(_home(stage, scenario)),
        target=target,
        pause=pause,
        environment={
            "CRASH_SERVICE": str(stage.service.path),
            "CRASH_SCENARIO": scenario.name,
            "CONCERTMASTER_LEASE": str(stage.lease),
        },
    )


def _home(stage: Stage, scenario: Scenario) -> Path:
    return stage.folder / "homes" / scenario.name


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def scenarios(
    boundaries: tuple[str, ...], kinds: tuple[Kind, ...], kills: int | None, seed: int
) -> list[Scenario]:
    """Return what is to be played: every boundary with every kind, killed and paused; then chains.

    Args:
        boundaries: where workers are struck.
        kinds: of tools.
        kills: how many scenarios; each combination once by default. More are chains of two
            strikes at random; fewer are a random choice in which every boundary comes up.
        seed: of the order and of what is random.
    """
    rng = random.Random(seed)
    grid = [(b, k, p) for b in boundaries for k in kinds for p in (False, True)]
    rng.shuffle(grid)
    grid = _each_first(grid)
    wanted = len(grid) if kills is None else kills
    made = [
        Scenario(f"{n}", b, k, p, wakes=p and rng.random() < 0.5)
        for n, (b, k, p) in enumerate(grid[:wanted])
    ]
    while len(made) < wanted:
        made.append(
            Scenario(
                f"{len(made)}",
                rng.choice(boundaries),
                rng.choice(kinds),
                rng.random() < 0.5,
                again=rng.choice(boundaries),
                wakes=rng.random() < 0.5,
            )
        )
    return made


def _each_first(grid: list[_Cell]) -> list[_Cell]:
    """Return the grid so that every boundary comes up once before any comes up again."""
    seen: Counter[str] = Counter()
    rounds = []
    for cell in grid:
        rounds.append((seen[cell[0]], cell))
        seen[cell[0]] += 1
    return [cell for _, cell in sorted(rounds, key=lambda r: r[0])]
