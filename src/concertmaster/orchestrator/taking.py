"""Getting hold of a home: at once, when its holder ended, or when the holder fell silent."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import ConcertmasterError, HomeBusy, HomeError, StorageError
from concertmaster.orchestrator.epochs import keep_epoch, read_epoch
from concertmaster.orchestrator.lease import MIGRATIONS, Lease, begin_lease, current_lease
from concertmaster.orchestrator.lockfile import LockFile
from concertmaster.orchestrator.processes import this_process
from concertmaster.storage import Database

__all__ = ["WAIT", "Held", "Taking", "unusable"]

WAIT = 10.0
"""Seconds that a process waits for a home in which another one works."""

_PAUSE = 0.05
_LOOK = 0.2
_BEGINS = " begins"


@dataclass
class Held:
    """A home that is held: its lock, under which lease, and how many tasks work in it."""

    lock: LockFile
    lease: Lease
    fresh: bool
    tasks: int = 0
    lost: bool = False


class _Silence:
    """For how long the waiting process has seen the same beat, by its own clock."""

    def __init__(self, pause: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._pause = pause
        self._looked = self._clock()
        self.seen: Lease | None = None
        self.seconds = 0.0
        self.broken = False

    def due(self) -> bool:
        return self._clock() - self._looked >= self._pause

    def saw(self, lease: Lease | None) -> None:
        """Take down what was seen. A pause in which this process slept itself counts little."""
        since, self._looked = self._clock() - self._looked, self._clock()
        if lease is None or self.seen is None or _sign(lease) != _sign(self.seen):
            self.broken = self.broken or self.seen is not None
            self.seen, self.seconds = lease, 0.0
        else:
            self.seconds += min(since, 2 * self._pause)

    @property
    def over(self) -> bool:
        """Whether the holder has been silent for longer than it promised to be."""
        return self.seen is not None and self.seconds > self.seen.seconds


def _sign(lease: Lease) -> tuple[int, int]:
    return lease.epoch, lease.beat


class Taking:
    """Takes a home for one holder in this process.

    Args:
        home: its folder.
        database: its database file.
        holder: a name that nobody else has.
        seconds: how long the lease lasts.
        wait: seconds to wait for a holder that works. By default those are ten, and one that
            shows no sign of life is waited for until its lease has run out.
    """

    def __init__(
        self, home: Path, database: Path, holder: str, seconds: float, wait: float | None
    ) -> None:
        self._home = home
        self._path = database
        self._holder = holder
        self._seconds = seconds
        self._wait = wait

    async def take(self, known: Lease | None) -> Held:
        """Wait for the home and return it as held.

        Args:
            known: the lease that this holder had last; it goes on if nobody came in between.

        Raises:
            HomeBusy: another process works in it.
            HomeError: it is gone.
            StorageError: its database cannot be read or written.
        """
        try:
            lock = LockFile(self._home)
        except OSError as error:
            raise unusable(self._home, error) from error
        try:
            return await self._waited(lock, known)
        except OSError as error:
            lock.close()
            raise unusable(self._home, error) from error
        except BaseException:
            lock.close()
            raise

    async def _waited(self, lock: LockFile, known: Lease | None) -> Held:
        clock = asyncio.get_running_loop().time
        begun, silence, stuck = clock(), _Silence(min(_LOOK, self._seconds / 10)), False
        while True:
            if lock.acquire():
                held = await self._handed_over(lock, known)
                if held is not None:
                    return held
            elif silence.due():
                silence.saw(await self._look())
                if silence.over and lock.holder()[1]:
                    held, stuck = await self._taken_over(lock, silence.seen)
                    if held is not None:
                        return held
            if self._patience(clock() - begun, silence) <= 0:
                raise self._busy(lock, stuck)
            await asyncio.sleep(_PAUSE)

    def _patience(self, waited: float, silence: _Silence) -> float:
        if self._wait is not None:
            return self._wait - waited
        if silence.broken or silence.seen is None:
            return WAIT - waited
        return WAIT + silence.seen.seconds - waited

    async def _look(self) -> Lease | None:
        """Return the lease as it stands; None if that cannot be told now."""

        def look() -> Lease | None:
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=1)
            try:
                return current_lease(connection)
            finally:
                connection.close()

        try:
            return await asyncio.to_thread(look)
        except sqlite3.Error:
            return None

    async def _handed_over(self, lock: LockFile, known: Lease | None) -> Held | None:
        """Begin an epoch under a free lock, unless nobody else had it since the last one."""
        if known is not None and lock.holder()[1] == self._holder:
            return Held(lock, known, fresh=False)
        lock.sign(self._holder + _BEGINS)

        def begin(connection: sqlite3.Connection) -> Lease | None:
            # Within the transaction: nobody can put another lock in its place meanwhile.
            if not lock.valid():
                return None
            now = current_lease(connection)
            if known is not None and now is not None and now.epoch == known.epoch:
                return known
            return self._begin(connection, taken=False)

        lease = await self._write(begin)
        return None if lease is None else self._held(lock, lease, fresh=lease is not known)

    async def _taken_over(self, lock: LockFile, seen: Lease | None) -> tuple[Held | None, bool]:
        """Take the home from a silent holder; tell, too, whether it blocks the database."""

        def take(connection: sqlite3.Connection) -> Lease | None:
            now = current_lease(connection)
            if now is None or seen is None or _sign(now) != _sign(seen):
                return None
            lock.replace()
            lock.sign(self._holder + _BEGINS)
            return self._begin(connection, taken=True)

        try:
            lease = await self._write(take, patience=1000)
        except StorageError as error:
            if "locked" not in error.message:
                raise
            return None, True
        return (None, False) if lease is None else (self._held(lock, lease, fresh=True), False)

    def _begin(self, connection: sqlite3.Connection, *, taken: bool) -> Lease:
        beside, now = read_epoch(self._home), current_lease(connection)
        return begin_lease(
            connection,
            self._holder,
            this_process(),
            self._seconds,
            after=beside.number if beside else 0,
            taken=taken,
            restored=beside is not None
            and beside.tells_older(*(_sign(now) if now else (0, 0)), self._path),
        )

    def _held(self, lock: LockFile, lease: Lease, *, fresh: bool) -> Held:
        lock.sign(self._holder)
        if fresh:
            keep_epoch(self._home, lease.epoch, lease.beat, self._path)
        return Held(lock, lease, fresh)

    async def _write(self, work: object, patience: int | None = None) -> Lease | None:
        database = await asyncio.to_thread(Database.open, self._path, MIGRATIONS)
        try:
            if patience is not None:
                await database.read(lambda c: c.execute(f"PRAGMA busy_timeout={patience}"))
            return await database.write(work)  # type: ignore[arg-type]
        finally:
            await asyncio.to_thread(database.close)

    def _busy(self, lock: LockFile, stuck: bool) -> ConcertmasterError:
        words = lock.holder()[0] or "another process"
        if stuck:
            return HomeBusy(
                f"{self._home} is in use by {words}, which was stopped while it wrote to the"
                " database and keeps it locked",
                hint="let it go on (kill -CONT), or end it",
            )
        return HomeBusy(
            f"{self._home} is in use by {words}",
            hint="wait until it is done, stop it, or use another --home",
        )


def unusable(path: Path, error: OSError) -> HomeError:
    """Return what it means that a home's folder or a file in it cannot be used."""
    return HomeError(
        f"{path} cannot be used: {error.strerror or error}",
        hint="choose another with --home or CONCERTMASTER_HOME",
    )
