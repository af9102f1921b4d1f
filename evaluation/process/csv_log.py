"""Reads an event log from CSV: one event a row, with columns for case, activity and time."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import ConfigError
from concertmaster.evaluation.process.log import Event, Log, Rejected, finished, in_order
from concertmaster.evaluation.process.moments import read_moment

__all__ = ["Columns", "read_csv"]

_GUESSES: Mapping[str, Sequence[str]] = {
    "case": ("case", "case_id", "caseid", "case id", "case:concept:name"),
    "activity": ("activity", "event", "concept:name", "activity name", "task"),
    "time": ("time", "timestamp", "time:timestamp", "complete timestamp", "end", "completed"),
    "start": ("start", "start_timestamp", "start timestamp", "started"),
    "resource": ("resource", "org:resource"),
    "cost": ("cost", "cost:total", "costs"),
}
_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns; None is guessed. `form` is of the times, as for `datetime.strptime`."""

    case: str | None = None
    activity: str | None = None
    time: str | None = None
    start: str | None = None
    form: str | None = None
    delimiter: str | None = None


def read_csv(path: Path, columns: Columns | None = None) -> Log:
    """Return the log of a CSV file in UTF-8; rows that cannot be read are named and left out.

    Raises:
        ConfigError: the file cannot be read, or a column is missing.
    """
    wanted = columns or Columns()
    cases: dict[str, list[Event]] = {}
    rejected: list[Rejected] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=wanted.delimiter or _delimiter(head))
            names = _names(path, wanted, [n for n in rows.fieldnames or () if n])
            for row in rows:
                try:
                    case, event = _event(row, names, wanted.form)
                except ValueError as error:
                    rejected.append(Rejected(f"line {rows.line_num}", str(error)))
                    continue
                cases.setdefault(case, []).append(event)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"{error}"
        raise ConfigError(
            f"{path} cannot be read as CSV: {why}", hint="name a CSV file in UTF-8 with a header"
        ) from None
    found = (finished(case, in_order(events)) for case, events in cases.items())
    return Log.of(path.stem, found, rejected)


def _delimiter(head: str) -> str:
    return max(",;\t|", key=head.count)


def _names(path: Path, wanted: Columns, there: Sequence[str]) -> dict[str, str]:
    """Return the columns by what they hold.

    Raises:
        ConfigError: one that is needed is not there.
    """
    known = {name.strip().lower(): name for name in there}
    found = {}
    for part, guesses in _GUESSES.items():
        named = getattr(wanted, part, None)
        if named is not None and named not in there:
            raise _no_column(path, f"no column {named!r}", there)
        name = named or next((known[g] for g in guesses if g in known), None)
        if name is not None:
            found[part] = name
    for part in ("case", "activity", "time"):
        if part not in found:
            raise _no_column(path, f"no column for the {part}", there)
    return found


def _no_column(path: Path, what: str, there: Sequence[str]) -> ConfigError:
    listed = ", ".join(name[:_SHOWN] for name in there[:20]) or "none"
    return ConfigError(
        f"{path} has {what}; it has {listed}",
        hint="name them: --case COLUMN --activity COLUMN --time COLUMN",
    )


def _event(
    row: Mapping[str, str | None], names: Mapping[str, str], form: str | None
) -> tuple[str, Event]:
    def text(part: str) -> str:
        value = row.get(names[part]) if part in names else None
        return value.strip() if isinstance(value, str) else ""

    for part in ("case", "activity", "time"):
        if not text(part):
            raise ValueError(f"it has no {part}")
    begun = read_moment(text("start"), form) if text("start") else None
    at = read_moment(text("time"), form)
    if begun is not None and begun > at:
        raise ValueError("it ends before it begins")
    cost = float(text("cost")) if text("cost") else 0.0
    if not -1e15 < cost < 1e15:
        raise ValueError("its cost is no amount")
    return text("case"), Event(
        activity=text("activity"),
        at=at,
        begun=begun,
        resource=text("resource") or None,
        cost=cost,
    )
