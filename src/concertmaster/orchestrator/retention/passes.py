"""A pass of retention: every rule over everything, in small transactions, as often as declared."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from concertmaster.audit import Trail
from concertmaster.contracts import now
from concertmaster.contracts.deadline import utc
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import HomeError
from concertmaster.orchestrator.home import Home
from concertmaster.orchestrator.remains import purge
from concertmaster.orchestrator.retention.approvals import Settled
from concertmaster.orchestrator.retention.checkpoints import Checkpoints
from concertmaster.orchestrator.retention.files import (
    due_files,
    forget_files,
    needed_files,
    remove_files,
    unnamed,
)
from concertmaster.orchestrator.retention.finding import Finder, Page, Term, told
from concertmaster.orchestrator.retention.payloads import Payloads
from concertmaster.orchestrator.retention.report import Pruned, PruneReport, kept
from concertmaster.orchestrator.retention.runs import Messages, Runs
from concertmaster.orchestrator.retention.threads import Strays, Threads

__all__ = ["Retention"]

_LOG = logging.getLogger("concertmaster.orchestrator")
_PAGES = 512
"""How many pages of the file one transaction gives back to the disk."""
_ENDING = 5.0
"""Seconds that a transaction may take while its desk closes."""


@dataclass
class _Tally:
    """What became of one section so far."""

    term: Term
    number: int = 0
    bytes: int = 0
    kept: Counter[str] = field(default_factory=Counter)

    def add(self, page: Page) -> None:
        self.number += sum(d.number for d in page.doomed)
        self.bytes += sum(d.bytes for d in page.doomed)
        self.kept.update(page.kept)

    def pruned(self) -> Pruned:
        return Pruned(
            what=self.term.section,
            rules=tuple(self.term.rules.values()),
            number=self.number,
            bytes=self.bytes,
            kept=kept(self.kept),
        )


class Retention:
    """Keeps a home within what is declared.

    Each transaction takes a few hundred rows at most, under the lease, and tells of itself in the
    trail; whenever the process dies, what was removed is told and the next pass goes on.

    Args:
        trail: of the home's database.
        artifacts: the folder of large results.
        spec: what the workspace declares.
        home: under whose lease it works; None reads only.
        sign: signs the head of the trail after something was removed.
    """

    def __init__(
        self,
        trail: Trail,
        artifacts: Path,
        spec: RetentionSpec,
        *,
        home: Home | None,
        sign: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._trail = trail
        self._database = trail.database
        self._artifacts = artifacts
        self._spec = spec
        self._home = home
        self._sign = sign
        self._alone = asyncio.Lock()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def prune(
        self,
        *,
        dry_run: bool = False,
        rules: RetentionSpec | None = None,
        source: str = "",
        thorough: bool = True,
    ) -> PruneReport:
        """Remove what is due, or only tell what is; see `Desk.prune`.

        Args:
            dry_run: change nothing.
            rules: instead of those that the workspace declares.
            source: where these come from, for the words in which the trail tells of them.
            thorough: give the disk back what became free even if the file has to be written anew.
        """
        spec = rules or self._spec
        async with self._alone:
            at = now()
            before = await asyncio.to_thread(self._size)
            work = _Pass(self, spec, at, source)
            pruned = [part async for part in work.parts(dry_run)]
            after = before
            if not dry_run and (thorough or any(p.number for p in pruned)):
                await self._give_back(thorough)
                after = await asyncio.to_thread(self._size)
            if not dry_run and self._sign is not None and any(p.number for p in pruned):
                await self._sign()
        return PruneReport(
            dry_run=dry_run,
            at=utc(at),
            pruned=tuple(pruned),
            before=before,
            after=after,
            finished=not self._stop.is_set(),
        )

    def begin(self) -> None:
        """Prune now and at most once every `every` from now on, beside everything else."""
        if self._spec.declared and self._task is None:
            self._task = asyncio.create_task(self._keep_on())

    async def close(self) -> None:
        """Stop after the transaction that is under way."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_ENDING)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _keep_on(self) -> None:
        failed = False
        while not self._stop.is_set():
            try:
                await self.prune(thorough=False)
                failed = False
            except Exception as error:
                # Whatever it is: what cannot be pruned now is pruned later, and the desk goes on.
                if not failed:
                    _LOG.warning("retention could not do its part: %s", type(error).__name__)
                failed = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._spec.every)

    @property
    def stopped(self) -> bool:
        """Whether the desk is about to close."""
        return self._stop.is_set()

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Hold the home for one transaction."""
        if self._home is None:
            raise HomeError("this home was opened for reading only")
        async with self._home.busy():
            yield

    def _size(self) -> int:
        files = [
            self._database.path.with_name(f"{self._database.path.name}{end}")
            for end in ("", "-wal")
        ]
        files += self._artifacts.glob("??/*.json")
        return sum(_bytes(file) for file in files)

    async def _give_back(self, thorough: bool) -> None:
        """Give the disk back the pages that became free, a few at a time where the file allows."""
        mode, free = await self._database.read(_vacuum_mode)
        if mode != _INCREMENTAL:
            if thorough:
                async with self.holding():
                    await purge(self._database)
            return
        while free > 0 and not self.stopped:
            async with self.holding():
                await self._database.write(_give_back)
            before, (_, free) = free, await self._database.read(_vacuum_mode)
            if free >= before:
                break
        if thorough:
            async with self.holding(), self._database.writing:
                sql = "PRAGMA wal_checkpoint(TRUNCATE)"
                await self._database.read(lambda c: c.execute(sql).fetchall())

    @property
    def trail(self) -> Trail:
        """The trail that tells of it."""
        return self._trail

    @property
    def artifacts(self) -> Path:
        """The folder of large results."""
        return self._artifacts


class _Pass:
    """One pass: the terms are those of its beginning."""

    def __init__(self, whole: Retention, spec: RetentionSpec, at: datetime, source: str) -> None:
        self._whole = whole
        self._trail = whole.trail
        self._database = whole.trail.database
        self._terms = {
            name: Term.of(name, getattr(spec, name), at, source) for name in spec.declared
        }
        self._gone: set[str] = set()

    async def parts(self, dry_run: bool) -> AsyncIterator[Pruned]:
        """Carry out one section after the other, what removes most first, and yield each."""
        streams = await self._database.read(_streams)
        for name, finders in self._finders(streams):
            tally = _Tally(self._terms[name])
            for finder in finders:
                await self._through(finder, tally, dry_run)
            yield tally.pruned()
        if not dry_run:
            await self._unnamed()
        if "artifacts" in self._terms:
            yield await self._files(self._terms["artifacts"], dry_run)

    def _finders(self, streams: list[str]) -> Iterator[tuple[str, list[Finder]]]:
        made: dict[str, Callable[[Term], list[Finder]]] = {
            "threads": lambda term: [Threads(term), Strays(term)],
            "runs": lambda term: [Runs(term)],
            "messages": lambda term: [Messages(term)],
            "approvals": lambda term: [Settled(term)],
            "checkpoints": lambda term: [Checkpoints(term)],
            "payloads": lambda term: [Payloads(term, stream) for stream in streams],
        }
        for name, make in made.items():
            if name in self._terms:
                yield name, make(self._terms[name])

    async def _through(self, finder: Finder, tally: _Tally, dry_run: bool) -> None:
        after: Any = None
        due = False
        while not self._whole.stopped:
            if dry_run:
                page = await self._found(finder, after)
                self._gone.update(d.key for d in page.doomed if isinstance(d.key, str))
            else:
                page = await self._removed(finder, after, due)
                due = bool(page.doomed)
            tally.add(page)
            after = page.after
            if after is None:
                return
            await asyncio.sleep(0)

    async def _found(self, finder: Finder, after: Any) -> Page:
        return await self._database.read(lambda c: finder.find(c, after, self._gone))

    async def _removed(self, finder: Finder, after: Any, due: bool) -> Page:
        """Find and remove one page.

        Unless something was due on the page before, it is only looked at first, without a lock.
        """

        def work(connection: sqlite3.Connection) -> Page:
            page = finder.find(connection, after)
            if page.doomed:
                finder.remove(connection, page.doomed, self._trail)
            return page

        if not due:
            page = await self._database.read(lambda c: finder.find(c, after))
            if not page.doomed:
                return page
        async with self._whole.holding():
            return await self._database.write(work)

    async def _unnamed(self) -> None:
        """Remove the large results that only removed rows named."""
        sql = "SELECT name FROM retired_files"
        names = await self._database.read(lambda c: [row[0] for row in c.execute(sql)])
        if not names or self._whole.stopped:
            return
        async with self._whole.holding():
            # What waits to be stored may name results, too.
            await self._database.write(self._trail.store)
            free = await asyncio.to_thread(unnamed, self._database.path, names)
            files = [self._whole.artifacts / n[:2] / f"{n}.json" for n in sorted(free)]
            await asyncio.to_thread(remove_files, files)
            left = {file.stem for file in files if file.exists()}
            await self._database.write(lambda c: forget_files(c, set(names) - left))

    async def _files(self, term: Term, dry_run: bool) -> Pruned:
        tally = _Tally(term)
        needed = await self._database.read(needed_files)
        doomed, tally.kept = await asyncio.to_thread(due_files, self._whole.artifacts, term, needed)
        tally.add(Page(doomed=doomed))
        if doomed and not dry_run and not self._whole.stopped:
            async with self._whole.holding():
                # Told before it is done: a crash in between leaves files that are due again.
                def tell(connection: sqlite3.Connection) -> None:
                    for event, _ in told(term, doomed, self._trail):
                        self._trail.store(connection, event)

                await self._database.write(tell)
                tally.number, tally.bytes = await asyncio.to_thread(
                    remove_files, [d.key for d in doomed]
                )
        return tally.pruned()


_INCREMENTAL = 2


def _vacuum_mode(connection: sqlite3.Connection) -> tuple[int, int]:
    mode = connection.execute("PRAGMA auto_vacuum").fetchone()[0]
    return mode, connection.execute("PRAGMA freelist_count").fetchone()[0]


def _give_back(connection: sqlite3.Connection) -> None:
    # One at a time: a pragma without columns is stepped once only, whatever number it is given.
    for _ in range(_PAGES):
        connection.execute("PRAGMA incremental_vacuum(1)")


def _streams(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT DISTINCT stream FROM audit_links ORDER BY stream")
    return [row[0] for row in rows]


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
