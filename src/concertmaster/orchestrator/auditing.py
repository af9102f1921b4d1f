"""Signs how far a desk's trail has come, while it works and when it closes.

HOME/audit/heads.jsonl   the signed heads; another file by CONCERTMASTER_AUDIT_HEADS
HOME/keys/               the keys that sign; another folder by CONCERTMASTER_AUDIT_KEYS
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.audit.heads import ReadHeads, SignedHead, read_heads
from concertmaster.audit.keys import Signer, public_keys
from concertmaster.audit.signing import sign_head
from concertmaster.errors import ConcertmasterError, ConfigError, HomeFenced, StorageError
from concertmaster.orchestrator.home import Home
from concertmaster.storage import Database

__all__ = ["EVERY", "Places", "Signing", "places_of", "rotate_keys"]

EVERY = 60.0
"""Seconds after which something new in the trail is signed at the latest."""

_LOG = logging.getLogger("concertmaster.orchestrator")
_HEADS, _KEYS, _EVERY = (
    "CONCERTMASTER_AUDIT_HEADS",
    "CONCERTMASTER_AUDIT_KEYS",
    "CONCERTMASTER_AUDIT_EVERY",
)


@dataclass(frozen=True)
class Places:
    """Where heads and keys lie; `own` tells that the heads are those of one home alone."""

    heads: Path
    keys: Path
    own: bool

    def read(self) -> ReadHeads:
        """Return what the file of heads shows by the public keys in the folder.

        Raises:
            StorageError: either cannot be read.
        """
        return read_heads(self.heads, public_keys(self.keys), own=self.own)


def places_of(home: Path, heads: Path | None = None, keys: Path | None = None) -> Places:
    """Return where heads and keys of a home lie: as named, as configured, or in the home."""
    file = heads or _configured(_HEADS)
    own = home / "audit" / "heads.jsonl"
    return Places(
        heads=file or own,
        keys=keys or _configured(_KEYS) or home / "keys",
        own=file is None or file.resolve() == own.resolve(),
    )


class Signing:
    """Signs the head of a trail some time after something new was stored, and on `close`.

    A head that cannot be signed is logged once and told in the trail; the desk goes on.

    Args:
        home: the home's folder.
        trail: whose head is signed; give it to one desk only.

    Raises:
        ConfigError: CONCERTMASTER_AUDIT_EVERY is no number of seconds.
    """

    def __init__(self, home: Path, trail: Trail) -> None:
        self._home = home
        self.places = places_of(home)
        self.every = _seconds()
        self._trail = trail
        self._loop = asyncio.get_running_loop()
        self._alone = asyncio.Lock()
        self._armed = self._closed = self._failed = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[SignedHead | None] | None = None
        trail.beside(self._stored)

    async def sign(self) -> SignedHead | None:
        """Sign how far the trail has come; None if it is signed already, or cannot be."""
        async with self._alone:
            try:
                if not self._home.is_dir():
                    raise StorageError(f"{self._home} is gone")
                await self._trail.database.confirm()
                head = await sign_head(
                    self._trail.database,
                    self._trail.workspace,
                    self.places.heads,
                    self.places.keys,
                )
            except HomeFenced:
                return None  # Whoever has the home now signs.
            except Exception as error:
                # Whatever it is: what the desk does for people does not depend on it.
                await self._unsigned(error)
                return None
            self._failed = False
            return head

    async def close(self) -> None:
        """Sign a last time."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self.sign()

    def _stored(self, connection: sqlite3.Connection) -> None:
        """Arm the timer; called in the database's thread whenever events are stored."""
        if not (self._armed or self._closed):
            self._armed = True
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._arm)

    def _arm(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(self.every, self._begin)

    def _begin(self) -> None:
        self._armed = False
        self._task = self._loop.create_task(self.sign())

    async def _unsigned(self, error: Exception) -> None:
        if self._failed:
            return
        self._failed = True
        why, code, told = "the head of the trail could not be signed", type(error).__name__, ""
        if isinstance(error, ConcertmasterError):
            code, told = error.code, error.message
        _LOG.warning("%s: %s", why, told or code)
        self._trail.emit("audit.unsigned", why=why, actor="orchestrator", code=code)
        with contextlib.suppress(ConcertmasterError):
            await self._trail.flush()


async def rotate_keys(home: Path, *, by: str, why: str) -> tuple[str, str]:
    """Have a new pair of keys sign the heads of a home; return the former id and the new one.

    The trail tells of it, a head signed with the former key vouches for that, and the former
    public key stays, so that heads of before still verify.

    Raises:
        HomeBusy: another process works in the home.
        HomeError, StorageError: home or keys cannot be read or written.
    """
    place, places = Home.prepare(home, None), places_of(home)
    async with place.busy():
        database = Database.open(place.database, MIGRATIONS, fence=place)
        try:
            former = await asyncio.to_thread(Signer.open, places.keys)
            fresh = Signer.generate()
            names = await database.read(_streams)
            for name in names:
                trail = Trail(database, name)
                told = {"former": former.key_id, "key": fresh.key_id, "public": fresh.public.hex()}
                trail.emit("audit.rotated", why=why, actor=by, **told)
                await trail.flush()
                await sign_head(database, name, places.heads, places.keys)
            await asyncio.to_thread(fresh.keep, places.keys)
            for name in names:
                await sign_head(database, name, places.heads, places.keys, again=True)
        finally:
            database.close()
    return former.key_id, fresh.key_id


def _streams(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT DISTINCT stream FROM audit_links ORDER BY stream")
    return [row[0] for row in rows]


def _configured(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value).expanduser() if value else None


def _seconds() -> float:
    value = os.environ.get(_EVERY)
    try:
        seconds = float(value) if value else EVERY
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{_EVERY} is {value!r}", hint="give a number of seconds, such as 60")
    return seconds
