"""The home directory of one workspace: its database, its folders, and who works in it now.

HOME/concertmaster.sqlite3   runs, threads, approvals, plans, effects, trail, checkpoints
HOME/index/                  the knowledge index        HOME/data/       the tools' own files
HOME/artifacts/              large tool results         HOME/intents/    the trained classifier
HOME/workspace.json          where the workspace lies   HOME/lock        who works here now
HOME/epoch                   how often it changed hands
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType

from concertmaster.contracts import new_id
from concertmaster.errors import HomeFenced, HomeReadOnly
from concertmaster.orchestrator.heart import Heart
from concertmaster.orchestrator.lease import Lease, current_lease, lease_of, lease_seconds
from concertmaster.orchestrator.processes import this_process
from concertmaster.orchestrator.taking import WAIT, Held, Taking, unusable

__all__ = ["DATABASE", "WAIT", "Home", "base_dir", "homes"]

DATABASE = "concertmaster.sqlite3"


def base_dir() -> Path:
    """Return the folder under which homes lie: CONCERTMASTER_HOME, else the user's data folder."""
    configured = os.environ.get("CONCERTMASTER_HOME")
    if configured:
        return Path(configured).expanduser()
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "concertmaster"


def homes(base: Path | None = None) -> Iterator[Path]:
    """Yield every home under a base folder."""
    root = base or base_dir()
    if (root / DATABASE).is_file():
        yield root
    elif root.is_dir():
        yield from sorted(p.parent for p in root.glob(f"*/{DATABASE}"))


_NONE: Mapping[str, int] = MappingProxyType({})
_claims: ContextVar[Mapping[str, int]] = ContextVar("concertmaster_claims", default=_NONE)
"""The epochs under which the present task works, by holder: a task that outlives its epoch keeps
it, and so stays fenced when its process has the home again."""


class Home:
    """A home directory. Work in it happens inside `busy()`, by one process at a time.

    It is the fence of its database: what a process writes that lost the home is refused.
    """

    def __init__(self, path: Path, wait: float | None = None) -> None:
        self.path = path
        self.wait = wait
        self.lease: Lease | None = None
        """The lease under which this process works, or worked last."""
        self.arrived: Callable[[], Awaitable[object]] | None = None
        """Awaited by whoever gets the home after another process had it, before any work."""
        self.recover: Callable[[], Awaitable[object]] | None = None
        """Awaited by the same after that, while others may begin to work."""
        self._unseen = False
        self._looking = asyncio.Lock()
        self._holder = new_id("holder")
        self._seconds = lease_seconds()
        self._held: Held | None = None
        self._gate = asyncio.Lock()
        self._heart = Heart(self.database, self._lost)

    @classmethod
    def prepare(cls, path: Path, workspace: Path | None, wait: float | None = None) -> Home:
        """Create the folders and note where the workspace lies.

        Args:
            path: the home's folder.
            workspace: the folder of its workspace.
            wait: seconds that `busy` waits for another process; by default ten, and longer for one
                that shows no sign of life, until its lease has run out.

        Raises:
            HomeReadOnly: the folder cannot be written.
            HomeError: it cannot be made at all.
        """
        try:
            for name in ("data", "artifacts", "index", "intents"):
                (path / name).mkdir(parents=True, exist_ok=True)
            if workspace is not None:
                _note(path / "workspace.json", {"path": str(workspace)})
            (path / "lock").touch()
        except PermissionError as error:
            raise HomeReadOnly(
                f"{path} cannot be written",
                hint="make it writable, or choose another with --home or CONCERTMASTER_HOME",
            ) from error
        except OSError as error:
            raise (_read_only(path) if error.errno == 30 else unusable(path, error)) from error
        if not os.access(path, os.W_OK) or not os.access(path / "lock", os.W_OK):
            raise _read_only(path)
        return cls(path, wait)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / DATABASE

    @property
    def data(self) -> Path:
        """The tools' own folder."""
        return self.path / "data"

    @property
    def artifacts(self) -> Path:
        """Large tool results."""
        return self.path / "artifacts"

    @property
    def index(self) -> Path:
        """The knowledge index."""
        return self.path / "index"

    @property
    def intents(self) -> Path:
        """The trained classifier."""
        return self.path / "intents"

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Hold the home for this process; many tasks of one process hold it together.

        Raises:
            HomeBusy: another process worked in it for the whole wait.
            HomeError: the home is gone.
            StorageError: its database cannot be read or written.
        """
        async with self._gate:
            if self._held is None or self._held.lost:
                self._held = await self._taking().take(self.lease)
                self.lease = self._held.lease
                self._unseen = self._unseen or self._held.fresh
            held = self._held
            held.tasks += 1
        self._heart.begin(held.lease)
        try:
            with self._claiming(held.lease.epoch):
                await self._look_around()
                yield
        finally:
            self._heart.rest()
            held.tasks -= 1
            if held.tasks == 0:
                held.lock.close()
                self._held = None if self._held is held else self._held

    async def _look_around(self) -> None:
        """After another process had the home: see what became of it, then take up its runs."""
        async with self._looking:
            arrived = self.arrived if self._unseen else None
            if arrived is not None:
                await arrived()
        if arrived is not None and self.recover is not None:
            await self.recover()

    def seen(self) -> None:
        """Note that what another process left was looked at."""
        self._unseen = False

    def _taking(self) -> Taking:
        return Taking(self.path, self.database, self._holder, self._seconds, self.wait)

    @contextmanager
    def _claiming(self, epoch: int) -> Iterator[None]:
        before = _claims.get()
        _claims.set({**before, self._holder: epoch})
        try:
            yield
        finally:
            _claims.set(before)

    def claim(self) -> int | None:
        """Return the epoch under which the present task works; see `Fence`."""
        return _claims.get().get(self._holder, self.lease.epoch if self.lease else None)

    def check(self, connection: sqlite3.Connection, claim: int) -> None:
        """Compare a claim with the stored epoch; see `Fence`."""
        now = current_lease(connection)
        if now is not None and (now.epoch, now.holder) == (claim, self._holder):
            return
        self._lost(claim)
        whom = f"by {now.process}" if now else "away: its lease is not there any more"
        raise HomeFenced(
            f"{self.path} was taken over {whom}; this process writes nothing to it any more",
            hint="what was under way goes on there; look at the run before asking again",
        )

    def gone(self, connection: sqlite3.Connection, epoch: int) -> bool:
        """Tell whether what another process began has ended with it; see `Fence`."""
        lease = lease_of(connection, epoch)
        if lease is None:
            return False
        return lease.process == this_process() or lease.process.gone()

    def _lost(self, epoch: int) -> None:
        held = self._held
        if held is not None and held.lease.epoch <= epoch:
            held.lost = True

    def close(self) -> None:
        """Give no further sign of life."""
        self._heart.stop()


def _note(path: Path, content: dict[str, str]) -> None:
    written = json.dumps(content).encode()
    if not path.exists() or path.read_bytes() != written:
        path.write_bytes(written)


def _read_only(path: Path) -> HomeReadOnly:
    return HomeReadOnly(
        f"{path} cannot be written",
        hint="make it writable, or choose another with --home or CONCERTMASTER_HOME",
    )
