import asyncio
import sqlite3

import pytest

from concertmaster.errors import HomeReadOnly, HomeVersion, StorageError
from concertmaster.storage import Database, Migration

ONE = Migration("room", 1, "CREATE TABLE room (value TEXT) STRICT")
TWO = Migration("room", 2, "ALTER TABLE room ADD COLUMN more TEXT")


def columns(connection):
    return [row[1] for row in connection.execute("PRAGMA table_info(room)")]


async def test_migrations_run_once_and_in_order(tmp_path):
    path = tmp_path / "d.sqlite3"
    Database.open(path, [ONE]).close()
    for _ in range(2):
        database = Database.open(path, [TWO, ONE])
        assert await database.read(columns) == ["value", "more"]
        database.close()


def test_file_of_a_newer_release_is_refused(tmp_path):
    path = tmp_path / "d.sqlite3"
    Database.open(path, [ONE, TWO]).close()
    with pytest.raises(HomeVersion, match="version 2"):
        Database.open(path, [ONE])


def test_migration_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "d.sqlite3"
    broken = Migration("room", 1, "CREATE TABLE room (value TEXT); CREATE TABLE room (x TEXT)")
    with pytest.raises(StorageError):
        Database.open(path, [broken])
    database = Database.open(path, [ONE])
    database.close()


async def test_what_follows_a_commit_follows_no_rollback(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    told = []

    def work(connection, fails):
        database.after_commit(lambda: told.append(fails))
        if fails:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(lambda c: work(c, True))
    await database.write(lambda c: work(c, False))
    await database.write(lambda c: None)
    assert told == [False]
    database.close()


async def test_work_that_raises_is_rolled_back(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])

    def work(connection):
        connection.execute("INSERT INTO room VALUES ('x')")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(work)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM room").fetchone()[0]) == 0
    database.close()


async def test_writers_at_once_do_not_interleave(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])

    def work(connection):
        count = connection.execute("SELECT count(*) FROM room").fetchone()[0]
        connection.execute("INSERT INTO room VALUES (?)", (str(count),))
        return count

    assert sorted(await asyncio.gather(*(database.write(work) for _ in range(40)))) == list(
        range(40)
    )
    database.close()


def test_what_is_no_database_is_told(tmp_path):
    path = tmp_path / "d.sqlite3"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError, match="damaged"):
        Database.open(path, [ONE])


def test_missing_file_cannot_be_opened_for_reading(tmp_path):
    with pytest.raises(HomeReadOnly):
        Database.open(tmp_path / "none.sqlite3", read_only=True)


async def test_full_disk_is_told_and_nothing_of_the_transaction_stays(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    await database.read(lambda c: c.execute("PRAGMA max_page_count = 10").fetchone())

    def work(connection):
        for _ in range(100):
            connection.execute("INSERT INTO room VALUES (?)", ("x" * 4000,))

    with pytest.raises(StorageError, match="no room left"):
        await database.write(work)
    assert await database.read(lambda c: c.execute("SELECT count(*) FROM room").fetchone()[0]) == 0
    database.close()


async def test_backup_is_a_whole_database(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    await database.write(lambda c: c.execute("INSERT INTO room VALUES ('x')"))
    database.backup(tmp_path / "copy.sqlite3")
    database.close()
    copy = sqlite3.connect(tmp_path / "copy.sqlite3")
    assert copy.execute("SELECT value FROM room").fetchall() == [("x",)]
    copy.close()
