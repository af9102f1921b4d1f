"""What a report is made of: a home's trail, or a foreign log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from concertmaster.cli.files import new_file
from concertmaster.contracts import AuditEvent
from concertmaster.contracts.spec import WorkflowSpec
from concertmaster.errors import ConfigError
from concertmaster.evaluation.process import (
    Analysis,
    Columns,
    Conformance,
    Log,
    analyse,
    conformance,
    log_of,
    page,
    read_csv,
    read_xes,
    to_ocel,
    write_xes,
)

__all__ = ["Reported", "from_csv", "from_home", "from_xes", "only_one", "write"]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A log with what it was read from: a trail's events and their workflow, or a file."""

    log: Log
    source: Path
    events: tuple[AuditEvent, ...] = ()
    workflow: WorkflowSpec | None = None

    @cached_property
    def figures(self) -> Analysis:
        """The figures of the log."""
        return analyse(self.log)

    @cached_property
    def fit(self) -> Conformance | None:
        """How the runs fit their workflow; None for a log that has none."""
        return conformance(self.workflow, self.events) if self.workflow else None

    def between(self, since: str | None, until: str | None) -> Reported:
        """Return what began between two moments."""
        first = datetime.fromisoformat(since) if since else None
        last = datetime.fromisoformat(until) if until else None
        cases = [
            case
            for case in self.log.cases
            if case.begun
            and (first is None or case.begun >= first)
            and (last is None or case.begun < last)
        ]
        runs = {case.id for case in cases}
        return replace(
            self,
            log=replace(self.log, cases=tuple(cases)),
            events=tuple(e for e in self.events if e.run in runs),
        )


def only_one(*sources: Path | None) -> None:
    """Refuse anything but one source.

    Raises:
        ConfigError: there is none, or several.
    """
    if sum(source is not None for source in sources) != 1:
        raise ConfigError(
            "a report is about one log",
            hint="name a workspace, or --csv FILE, or --xes FILE",
        )


async def from_home(home: Path | None, workspace: Path | None) -> Reported:
    """Return the log of a workspace's home, which is only read.

    Raises:
        HomeError, StorageError, WorkspaceError: it cannot be read.
    """
    from concertmaster.cli.records import opened
    from concertmaster.graphs.workspace import Workspace

    assert workspace is not None
    workflow = Workspace.load(workspace).spec.workflow
    async with opened(home, workspace) as places:
        records = places[0]
        events = tuple(await records.events())
        label = workflow.workflow
        return Reported(
            log=log_of(label, events), source=records.home, events=events, workflow=workflow
        )


def from_csv(  # noqa: PLR0917 -- one for each option
    path: Path,
    case: str | None,
    activity: str | None,
    time: str | None,
    start: str | None,
    form: str | None,
) -> Reported:
    """Return the log of a CSV file.

    Raises:
        ConfigError: it cannot be read.
    """
    columns = Columns(case=case, activity=activity, time=time, start=start, form=form)
    return Reported(log=read_csv(path, columns), source=path)


def from_xes(path: Path) -> Reported:
    """Return the log of an XES file.

    Raises:
        ConfigError: it cannot be read.
    """
    return Reported(log=read_xes(path), source=path)


def write(
    found: Reported, *, out: Path | None, xes: Path | None, ocel: Path | None
) -> Iterator[Path]:
    """Write what is asked for to new files, and yield them.

    Raises:
        ConfigError: a file exists or cannot be written, or a foreign log is to become OCEL.
    """
    if ocel is not None and found.workflow is None:
        raise ConfigError(
            "a foreign log tells of no objects, so it cannot be written as OCEL",
            hint="--to-xes writes it as XES",
        )
    if out is not None:
        yield _written(out, [_page(found)])
    if xes is not None:
        yield _written(xes, write_xes(found.log))
    if ocel is not None:
        yield _written(ocel, [json.dumps(to_ocel(found.events), ensure_ascii=False), "\n"])


def _page(found: Reported) -> str:
    from concertmaster import __version__

    now = datetime.now(UTC).isoformat(timespec="minutes")
    return page(found.log, found.figures, found.fit, f"concertmaster {__version__}, {now}")


def _written(path: Path, parts: Iterable[str]) -> Path:
    with new_file(path) as file:
        file.writelines(parts)
    return path
