"""Copies of users.db: one for a backup, and the way back.

A copy holds who there is, with roles, and the SHA-256 of keys, as the file does; sessions and
one-time codes stay out of it, so that nobody is signed in by an old copy. It is readable by its
owner alone. What happened after it was made is not in it: a key that was revoked since then is
good again once it is put back, and who was removed is there again.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from concertmaster.errors import ConfigError, StorageError
from concertmaster.orchestrator.backup import check_whole
from concertmaster.serving.identity.user_store import UserStore
from concertmaster.storage import Database, storage_error

__all__ = ["put_back_users", "snapshot"]


def snapshot(source: Path, target: Path) -> None:
    """Copy a file of users, as it is at one moment, to a new file; servers may go on using it.

    Raises:
        FileExistsError: the target exists.
        StorageError: it cannot be read or copied, or is no file of users.
    """
    _copied(source, target)
    try:
        with closing(sqlite3.connect(target)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA journal_mode = DELETE")
            _end_sessions(connection)
            connection.commit()
            connection.execute("VACUUM")
        check_whole(target)
    except sqlite3.Error as error:
        target.unlink()
        raise storage_error(error, source) from error
    except StorageError:
        target.unlink()
        raise


async def put_back_users(source: Path, target: Path, *, by: str) -> None:
    """Copy a snapshot to where users are to be kept, and note that in its log.

    Args:
        source: the snapshot.
        target: the file to make.
        by: who does it, for the log.

    Raises:
        ConfigError: the target exists.
        HomeVersion: a newer release wrote the snapshot.
        StorageError: the snapshot is damaged, or cannot be copied.
    """
    store = _opened(source, target)

    def work(connection: sqlite3.Connection) -> None:
        _end_sessions(connection)
        store.file.note(connection, by, "put back from a copy", "everyone")

    try:
        await store.file.write(work)
    finally:
        store.close()


def _opened(source: Path, target: Path) -> UserStore:
    check_whole(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copied(source, target)
    except FileExistsError:
        raise ConfigError(
            f"{target} exists, and nothing is written over",
            hint="stop the server, and move it away",
        ) from None
    try:
        return UserStore.open(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copied(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        database = Database.open(source.absolute(), read_only=True)
        try:
            database.backup(target)
        finally:
            database.close()
    except BaseException:
        target.unlink()
        raise


def _end_sessions(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM sessions")
    connection.execute("DELETE FROM codes")
