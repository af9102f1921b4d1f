"""A consistent copy of a home directory."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from concertmaster.audit.keys import FRESH, PRIVATE
from concertmaster.contracts import new_id
from concertmaster.errors import ConfigError, HomeError, StorageError
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.home import DATABASE, WAIT, Home
from concertmaster.storage import Database

__all__ = ["Backup", "back_up"]


@dataclass(frozen=True)
class Backup:
    """Where the copy lies and how many bytes it has."""

    target: Path
    size: int


async def back_up(
    home: Path, target: Path, *, wait: float = WAIT, private_key: bool = False
) -> Backup:
    """Copy a home to a folder that does not exist yet, while nobody works in the home.

    The target appears whole or not at all. Signed heads and public keys that are kept elsewhere
    are copied, too, so that the copy can be verified by itself.

    Args:
        home: what is copied.
        target: the folder to make; those above it are made, too.
        wait: seconds to wait for a process that works in the home.
        private_key: copy the key that signs the trail, too. Whoever has it can sign another one.

    Raises:
        HomeError: there is no home, or the target lies in it.
        HomeBusy: another process works in it.
        ConfigError: the target exists.
        StorageError: it could not be read or copied, or the disk is full.
    """
    place, target = _checked(home, target, wait)
    async with place.busy():
        size = await asyncio.to_thread(_copy, place, target, private_key)
    return Backup(target, size)


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


def _copy(home: Home, target: Path, private_key: bool) -> int:
    partial = target.with_name(f".{target.name}.{new_id('partial')}")
    try:
        partial.mkdir(parents=True)
        database = Database.open(home.database, read_only=True)
        try:
            database.backup(partial / DATABASE)
        finally:
            database.close()
        own = {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", "lock"}
        secret = shutil.ignore_patterns() if private_key else _without_private_key(home)
        for entry in home.path.iterdir():
            if entry.name in own:
                continue
            if entry.is_dir():
                shutil.copytree(entry, partial / entry.name, symlinks=True, ignore=secret)
            else:
                shutil.copy2(entry, partial / entry.name, follow_symlinks=False)
        _copy_witnesses(home, partial, private_key)
        partial.rename(target)
    except (OSError, shutil.Error) as error:
        raise StorageError(
            f"{home.path} could not be copied to {target}: {_cause(error)}",
            hint="free some space or choose another folder; the home is as it was",
        ) from error
    finally:
        if partial.exists():
            shutil.rmtree(partial, ignore_errors=True)
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file())


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
