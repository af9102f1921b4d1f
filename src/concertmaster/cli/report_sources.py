"""What a report is made of: a home's trail, or a foreign log."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from concertmaster.cli.files import new_file
from concertmaster.contracts import AuditEvent
from concertmaster.errors import ConfigError
from concertmaster.evaluation.process import (
    Analysis,
    Case,
    Columns,
    Comparing,
    Conformance,
    Log,
    Spool,
    TrailPages,
    analyse,
    case_of,
    page,
    read_csv,
    read_xes,
    write_ocel,
    write_xes,
)

__all__ = ["Period", "Reported", "from_csv", "from_home", "from_xes", "only_one", "write"]


@dataclass(frozen=True)
class Period:
    """Which cases: those that began between two moments, each None for no bound."""

    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, since: str | None, until: str | None) -> Period:
        """Return the period between two moments in ISO 8601."""
        return cls(
            datetime.fromisoformat(since) if since else None,
            datetime.fromisoformat(until) if until else None,
        )

    def has(self, case: Case) -> bool:
        """Tell whether a case began in it."""
        begun = case.begun
        return (
            begun is not None
            and (self.since is None or begun >= self.since)
            and (self.until is None or begun < self.until)
        )


@dataclass(frozen=True, kw_only=True)
class Reported:
    """A log with what it was read from: a trail, whose runs have a workflow, or a file.

    `fit` tells how the runs fit their workflow, `events` gives those of the runs in order of the
    trail. A foreign log has neither.
    """

    log: Log
    source: Path
    fit: Conformance | None = None
    events: Callable[[], AsyncIterable[AuditEvent]] | None = None

    @cached_property
    def figures(self) -> Analysis:
        """The figures of the log."""
        return analyse(self.log)


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


@asynccontextmanager
async def from_home(
    home: Path | None, workspace: Path | None, period: Period
) -> AsyncIterator[Reported]:
    """Read the trail of a workspace's home run by run, and give its log.

    What is longer than a run stays on disk: the trail itself, and the cases in a temporary file.

    Raises:
        HomeError, StorageError, WorkspaceError: it cannot be read.
    """
    from concertmaster.cli.records import opened
    from concertmaster.graphs.workspace import Workspace

    assert workspace is not None
    workflow = Workspace.load(workspace).spec.workflow
    async with opened(home, workspace) as places:
        records = places[0]
        trail = await TrailPages.of(records.database, records.names)
        comparing, runs = Comparing(workflow), set[str]()
        with Spool() as spool:
            async for run, found in trail.runs():
                case = case_of(run, found)
                if period.has(case):
                    spool.add(case)
                    comparing.add(run, found)
                    runs.add(run)

            async def events() -> AsyncIterator[AuditEvent]:
                async for event in trail.events():
                    if event.run in runs:
                        yield event

            yield Reported(
                log=spool.log(workflow.workflow),
                source=records.home,
                fit=comparing.result(),
                events=events,
            )


def _foreign(log: Log, path: Path, period: Period) -> AbstractAsyncContextManager[Reported]:
    cases = tuple(case for case in log.cases if period.has(case))
    return nullcontext(Reported(log=replace(log, cases=cases), source=path))


def from_csv(  # noqa: PLR0917 -- one for each option
    path: Path,
    case: str | None,
    activity: str | None,
    time: str | None,
    start: str | None,
    form: str | None,
    period: Period,
) -> AbstractAsyncContextManager[Reported]:
    """Give the log of a CSV file.

    Raises:
        ConfigError: it cannot be read.
    """
    columns = Columns(case=case, activity=activity, time=time, start=start, form=form)
    return _foreign(read_csv(path, columns), path, period)


def from_xes(path: Path, period: Period) -> AbstractAsyncContextManager[Reported]:
    """Give the log of an XES file.

    Raises:
        ConfigError: it cannot be read.
    """
    return _foreign(read_xes(path), path, period)


async def write(
    found: Reported, *, out: Path | None, xes: Path | None, ocel: Path | None
) -> AsyncIterator[Path]:
    """Write what is asked for to new files, and yield them.

    Raises:
        ConfigError: a file exists or cannot be written, or a foreign log is to become OCEL.
    """
    if ocel is not None and found.events is None:
        raise ConfigError(
            "a foreign log tells of no objects, so it cannot be written as OCEL",
            hint="--to-xes writes it as XES",
        )
    if out is not None:
        yield _written(out, [_page(found)])
    if xes is not None:
        yield _written(xes, write_xes(found.log))
    if ocel is not None and found.events is not None:
        with new_file(ocel) as file:
            async for part in write_ocel(found.events):
                file.write(part)
            file.write("\n")
        yield ocel


def _page(found: Reported) -> str:
    from concertmaster import __version__

    now = datetime.now(UTC).isoformat(timespec="minutes")
    return page(found.log, found.figures, found.fit, f"concertmaster {__version__}, {now}")


def _written(path: Path, parts: Iterable[str]) -> Path:
    with new_file(path) as file:
        file.writelines(parts)
    return path
