"""Tables of calls, read and run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.cli.policies import Opened
from concertmaster.errors import ConfigError
from concertmaster.graphs.problems import Problem
from concertmaster.graphs.sources import Source
from concertmaster.graphs.trials import read_table, tables_of
from concertmaster.policies.bundle import Policy
from concertmaster.policies.trials import CaseError, Row, RowResult, run_row, undecided

__all__ = ["Placed", "Ran", "run_tables"]


@dataclass(frozen=True)
class Placed:
    """The result of a row, and where the row stands."""

    file: str
    line: int
    result: RowResult


@dataclass(frozen=True)
class Ran:
    """What running tables gave.

    `problems` are rows and files that could not be run. `unused` are the policies that decided no
    row; None if only some of the rows were run, which tells nothing about that.
    """

    rows: tuple[Placed, ...]
    problems: tuple[Problem, ...]
    policies: int
    unused: tuple[Policy, ...] | None

    @property
    def failed(self) -> tuple[Placed, ...]:
        """The rows that gave something else than expected."""
        return tuple(row for row in self.rows if not row.result.passed)

    @property
    def remarked(self) -> tuple[Placed, ...]:
        """The rows that passed, perhaps for another reason than was meant."""
        return tuple(row for row in self.rows if row.result.passed and row.result.remark)

    def sound(self, *, strict: bool) -> bool:
        """Tell whether nothing failed; `strict` also asks that every policy decided a row."""
        return not (
            self.problems or self.failed or (strict and (bool(self.unused) or self.remarked))
        )


def run_tables(place: Opened, files: Sequence[Path], name: str | None) -> Ran:
    """Run the rows of tables; all tables of the workspace if none is named.

    Raises:
        ConfigError: there is no table, or no row of this name.
    """
    rows: list[Placed] = []
    problems: list[Problem] = []
    skipped = 0
    for file in _chosen(place, files):
        table, source, wrong = read_table(file)
        problems += wrong
        for index, row in enumerate(table.tests if table else ()):
            if name is not None and name.casefold() not in row.name.casefold():
                skipped += 1
                continue
            found = _run(row, index, source, place)
            if isinstance(found, Problem):
                problems.append(found)
            else:
                rows.append(found)
        problems += _twice(table.tests if table else (), source)
    if not rows and not problems:
        raise ConfigError(f"no row's name holds {name!r}", hint=f"{skipped} rows have other names")
    policies = place.setting.engine.policies
    whole = not files and name is None and not problems
    return Ran(
        rows=tuple(rows),
        problems=tuple(problems),
        policies=len(policies),
        unused=undecided(policies, [r.result for r in rows]) if whole else None,
    )


def _run(row: Row, index: int, source: Source, place: Opened) -> Placed | Problem:
    try:
        result = run_row(row, place.setting)
    except CaseError as error:
        path = ("tests", index, *(int(k) if k.isdigit() else k for k in error.key.split(".")))
        told = f"{row.name}: {error.message}"
        return source.problem("row", path, told, hint=error.hint)
    return Placed(str(source.file), source.line(("tests", index)), result)


def _twice(rows: Sequence[Row], source: Source) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        first = seen.setdefault(row.name, index)
        if first != index:
            line = source.line(("tests", first))
            told = f"two rows are called {row.name!r} (first in line {line})"
            yield source.problem("row", ("tests", index, "name"), told, hint="rename one of them")


def _chosen(place: Opened, files: Sequence[Path]) -> list[Path]:
    found = tables_of(place.policies)
    if not files:
        if not found:
            raise ConfigError(
                f"{place.policies} holds no table of tests",
                hint="write policies/tests.yaml; `concertmaster schema tests` tells its form",
            )
        return found
    chosen = [file if file.is_file() else place.policies / file for file in files]
    for file, given in zip(chosen, files, strict=True):
        if not file.is_file():
            listed = ", ".join(path.name for path in found) or "none"
            raise ConfigError(f"there is no table {given}", hint=f"{place.policies} has {listed}")
    return chosen
