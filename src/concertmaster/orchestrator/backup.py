"""A consistent copy of a home directory, and putting one back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from concertmaster.audit.keys import FRESH, PRIVATE
from concertmaster.contracts import new_id
from concertmaster.errors import ConfigError, HomeError, StorageError
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.home import DATABASE, WAIT, Home
from concertmaster.storage import Database, storage_error

__all__ = ["USERS", "Backup", "back_up", "check_target", "check_whole", "put_back"]

USERS = "users.db"
"""The users of a server. They lie beside the homes, or in a home that is the only one; whoever
knows what is in the file copies it."""


@dataclass(frozen=True)
class Backup:
    """Where the copy lies and how many bytes it has."""

    target: Path
    size: int


async def back_up(
    home: Path,
    target: Path,
    *,
    wait: float = WAIT,
    private_key: bool = False,
    beside: Callable[[Path], object] | None = None,
) -> Backup:
    """Copy a home to a folder that does not exist yet, while nobody works in the home.

    The target appears whole or not at all. Signed heads and public keys that are kept elsewhere
    are copied, too, so that the copy can be verified by itself. It is for its owner alone: what was
    said, and what tools keep, lies in it as it is.

    Args:
        home: what is copied.
        target: the folder to make; those above it are made, too.
        wait: seconds to wait for a process that works in the home.
        private_key: copy the key that signs the trail, too. Whoever has it can sign another one.
        beside: writes into the folder what else belongs to the copy, before it appears.

    Raises:
        HomeError: there is no home, or the target lies in it.
        HomeBusy: another process works in it.
        ConfigError: the target exists.
        StorageError: it could not be read or copied, or the disk is full.
    """
    place, target = _checked(home, target, wait)
    async with place.busy():
        size = await asyncio.to_thread(_copy, place, target, private_key, beside)
    return Backup(target, size)


def check_target(home: Path) -> None:
    """Make sure that there is nothing yet where a home is to be put back.

    Raises:
        ConfigError: there is something.
    """
    if home.exists() or home.is_symlink():
        raise ConfigError(
            f"{home} exists, and nothing is written over",
            hint="stop what works in it, and move it away",
        )


def check_whole(file: Path) -> None:
    """Make sure that a database which nobody writes is whole, as far as SQLite can tell.

    Raises:
        StorageError: it is damaged, or no database.
    """
    logged = file.with_name(f"{file.name}-wal").exists()
    try:
        uri = f"{file.absolute().as_uri()}?mode=ro{'' if logged else '&immutable=1'}"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise storage_error(error, file) from error
    if found != "ok":
        raise StorageError(
            f"{file} is damaged: {found}", hint="put back another backup; nothing was changed"
        )


def put_back(backup: Path, home: Path) -> Backup:
    """Copy a backup to where a home is to be; it appears whole or not at all.

    Whoever opens the home next notices that it is an older copy, and takes no effect of its
    unfinished runs for new. The users of the backup, if it holds any, are left out.

    Args:
        backup: a folder that `back_up` made.
        home: the folder to make; those above it are made, too.

    Raises:
        HomeError: the backup is none.
        ConfigError: there is something where the home is to be, or that lies in the backup.
        StorageError: the backup is damaged, or could not be copied.
    """
    backup, home = backup.resolve(), home.absolute()
    if not (backup / DATABASE).is_file():
        raise HomeError(f"{backup} is no backup of a home: it holds no {DATABASE}")
    check_target(home)
    if home.resolve().is_relative_to(backup):
        raise ConfigError(f"{home} lies in the backup itself", hint="choose a folder outside")
    check_whole(backup / DATABASE)

    def left_out(folder: str, names: list[str]) -> set[str]:
        return _of_users(names) if Path(folder) == backup else set()

    with _appearing(home, f"{backup} could not be copied to {home}", "the backup") as partial:
        shutil.copytree(backup, partial, symlinks=True, ignore=left_out)
    return Backup(home, _size(home))


@contextmanager
def _appearing(place: Path, told: str, source: str) -> Iterator[Path]:
    """Yield the name of a folder to make, which then takes its place whole, or not at all.

    Raises:
        StorageError: it could not be made; `told` says of what, `source` what is as it was.
    """
    partial = place.with_name(f".{place.name}.{new_id('partial')}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.rename(place)
    except (OSError, shutil.Error) as error:
        raise StorageError(
            f"{told}: {_cause(error)}",
            hint=f"free some space or choose another folder; {source} is as it was",
        ) from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)


def _checked(home: Path, target: Path, wait: float) -> tuple[Home, Path]:
    home, target = home.resolve(), target.absolute()
    if not (home / DATABASE).is_file():
        raise HomeError(f"{home} is no home directory: it holds no {DATABASE}")
    if target.resolve().is_relative_to(home):
        raise ConfigError(f"{target} lies in the home itself", hint="choose a folder outside")
    if target.exists() or target.is_symlink():
        raise ConfigError(
            f"{target} exists, and a backup overwrites nothing", hint="name a new folder"
        )
    return Home.prepare(home, None, wait), target


def _copy(
    home: Home, target: Path, private_key: bool, beside: Callable[[Path], object] | None
) -> int:
    told = f"{home.path} could not be copied to {target}"
    with _appearing(target, told, "the home") as partial:
        partial.mkdir(mode=0o700)
        database = Database.open(home.database, read_only=True)
        try:
            database.backup(partial / DATABASE)
        finally:
            database.close()
        own = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "lock"}
        secret = shutil.ignore_patterns() if private_key else _without_private_key(home)
        entries = list(home.path.iterdir())
        own |= _of_users([entry.name for entry in entries])
        for entry in entries:
            if entry.name in own:
                continue
            if entry.is_dir():
                shutil.copytree(entry, partial / entry.name, symlinks=True, ignore=secret)
            else:
                shutil.copy2(entry, partial / entry.name, follow_symlinks=False)
        _copy_witnesses(home, partial, private_key)
        if beside is not None:
            beside(partial)
    return _size(target)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _of_users(names: Iterable[str]) -> set[str]:
    """Return which of these are the file of users or belong to it."""
    return {name for name in names if name == USERS or name.startswith((f"{USERS}-", f"{USERS}."))}


def _without_private_key(home: Home) -> Callable[[str, list[str]], set[str]]:
    keys = home.path / "keys"
    return lambda folder, names: {PRIVATE, FRESH} & set(names) if Path(folder) == keys else set()


def _copy_witnesses(home: Home, partial: Path, private_key: bool) -> None:
    """Copy heads and keys that are kept outside of the home to where a home has its own."""
    places = places_of(home.path)
    heads, keys = partial / "audit" / "heads.jsonl", partial / "keys"
    if not places.own and places.heads.is_file():
        heads.parent.mkdir(exist_ok=True)
        shutil.copy2(places.heads, heads)
    if places.keys.resolve() != (home.path / "keys").resolve() and places.keys.is_dir():
        keys.mkdir(mode=0o700, exist_ok=True)
        for pattern in ("key-*.pub", *((PRIVATE,) if private_key else ())):
            for file in places.keys.glob(pattern):
                shutil.copy2(file, keys / file.name)


def _cause(error: OSError | shutil.Error) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
