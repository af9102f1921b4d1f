import asyncio
import sqlite3
import threading

import pytest

from concertmaster.errors import HomeFenced, HomeReadOnly, HomeVersion, StorageError
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


def test_migrations_that_fail_leave_none_of_those_before_them(tmp_path):
    broken = Migration("zoom", 1, "CREATE TABLE zoom (value TEXT); CREATE TABLE zoom (x TEXT)")
    with pytest.raises(StorageError):
        Database.open(tmp_path / "a.sqlite3", [ONE, TWO, broken])
    connection = sqlite3.connect(tmp_path / "a.sqlite3")
    assert columns(connection) == []
    assert connection.execute("SELECT room FROM schema_versions").fetchall() == []
    connection.close()


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


class _Diary:
    """Rows that wait in memory and are stored by whatever transaction comes next."""

    def __init__(self, database):
        self.database = database
        self.waiting = {}

    def store(self, connection):
        rows = {n: text for n, text in self.waiting.copy().items() if self.database.once(n)}
        for text in rows.values():
            connection.execute("INSERT INTO room VALUES (?)", (text,))
        self.database.after_commit(lambda: [self.waiting.pop(n, None) for n in rows])


async def held(database):
    """Have the stores' thread wait, and return what lets it go on."""
    go_on, begun = threading.Event(), threading.Event()

    def hold(connection):
        begun.set()
        go_on.wait()

    task = asyncio.create_task(database.write(hold))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    return go_on, task


def rows(connection):
    return [row[0] for row in connection.execute("SELECT value FROM room ORDER BY rowid")]


def put(value, fails=False):
    def work(connection):
        connection.execute("INSERT INTO room VALUES (?)", (value,))
        if fails:
            raise ValueError(value)
        return value

    return work


async def test_writes_that_wait_together_share_a_transaction_and_fail_alone(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    seen = []

    def numbered(value, fails=False):
        def work(connection):
            seen.append(database._connection.total_changes)
            database.after_commit(lambda: seen.append(value))
            return put(value, fails)(connection)

        return work

    go_on, first = await held(database)
    writes = [database.write(numbered(v, v == "b")) for v in "abc"]
    others = asyncio.gather(*writes, return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    await first
    a, b, c = await others
    assert (a, c) == ("a", "c")
    assert isinstance(b, ValueError)
    assert await database.read(rows) == ["a", "c"]
    # Told of after all of them, and in their order: so it was one transaction.
    assert seen[3:] == ["a", "c"]
    database.close()


async def test_what_waits_in_memory_is_stored_once_by_writes_that_share_a_transaction(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    diary = _Diary(database)
    go_on, first = await held(database)
    diary.waiting = {1: "one", 2: "two"}

    def failing(connection):
        diary.store(connection)
        raise ValueError("no")

    def adding(connection):
        diary.waiting[3] = "three"
        diary.store(connection)

    works = (failing, diary.store, adding, diary.store)
    others = asyncio.gather(*(database.write(w) for w in works), return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    await first
    assert isinstance((await others)[0], ValueError)
    assert await database.read(rows) == ["one", "two", "three"]
    assert diary.waiting == {}
    database.close()


async def test_commit_that_fails_fails_all_that_shared_it_and_forgets_nothing(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    diary = _Diary(database)
    go_on, first = await held(database)
    diary.waiting = {1: "one"}

    def huge(connection):
        connection.execute("PRAGMA max_page_count = 10").fetchone()
        for _ in range(100):
            connection.execute("INSERT INTO room VALUES (?)", ("x" * 4000,))

    works = (diary.store, huge, put("after"))
    others = asyncio.gather(*(database.write(w) for w in works), return_exceptions=True)
    await asyncio.sleep(0)
    go_on.set()
    await first
    found = await others
    assert isinstance(found[1], StorageError)
    stored = await database.read(rows)
    # Whoever was told of a success is on disk, and nobody else is.
    assert ("one" in stored) == (found[0] is None)
    assert ("after" in stored) == (found[2] == "after")
    assert (1 in diary.waiting) == (found[0] is not None)
    database.close()


@pytest.mark.parametrize("who", [0, 1, 2])
async def test_write_that_is_called_off_while_it_waits_does_not_take_others_along(tmp_path, who):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    go_on, first = await held(database)
    tasks = [asyncio.create_task(database.write(put(v))) for v in "abc"]
    await asyncio.sleep(0)
    tasks[who].cancel()
    await asyncio.sleep(0)
    go_on.set()
    await first
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found.pop(who), asyncio.CancelledError)
    left = [v for n, v in enumerate("abc") if n != who]
    assert found == left
    assert await database.read(rows) == left
    database.close()


async def test_who_began_a_shared_transaction_may_be_called_off(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    go_on, first = await held(database)
    begun, go_on_again = threading.Event(), threading.Event()

    def slow(connection):
        begun.set()
        go_on_again.wait()
        return put("a")(connection)

    tasks = [asyncio.create_task(database.write(w)) for w in (slow, put("b"), put("c"))]
    await asyncio.sleep(0)
    go_on.set()
    await first
    while not begun.is_set():
        await asyncio.sleep(0.001)
    tasks[0].cancel()
    await asyncio.sleep(0.05)
    assert not tasks[1].done()
    go_on_again.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["b", "c"]
    assert await database.read(rows) == ["a", "b", "c"]
    database.close()


class _Fence:
    """Refuses the claims of an older epoch."""

    now = 2

    def __init__(self):
        self.epoch = 2

    def claim(self):
        return self.epoch

    def check(self, connection, claim):
        if claim != self.now:
            raise HomeFenced("taken over")

    def gone(self, connection, epoch):
        return False


async def test_of_writes_that_share_a_transaction_each_is_held_to_its_own_epoch(tmp_path):
    fence = _Fence()
    database = Database.open(tmp_path / "d.sqlite3", [ONE], fence=fence)
    go_on, first = await held(database)
    tasks = []
    for epoch, value in ((2, "a"), (1, "b"), (2, "c")):
        fence.epoch = epoch
        tasks.append(asyncio.create_task(database.write(put(value))))
        await asyncio.sleep(0)
    go_on.set()
    await first
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[1], HomeFenced)
    assert await database.read(rows) == ["a", "c"]
    database.close()


async def test_closed_file_refuses_every_write(tmp_path):
    database = Database.open(tmp_path / "d.sqlite3", [ONE])
    go_on, first = await held(database)
    others = asyncio.gather(*(database.write(put(v)) for v in "ab"), return_exceptions=True)
    await asyncio.sleep(0)
    threading.Timer(0.1, go_on.set).start()
    await asyncio.to_thread(database.close)
    await first
    for found in await asyncio.wait_for(others, timeout=30):
        assert isinstance(found, Exception)
    with pytest.raises(Exception, match=r"shutdown|closed"):
        await database.write(put("c"))


async def test_log_stays_near_a_megabyte(tmp_path):
    database = Database.open(tmp_path / "a.sqlite3", [Migration("a", 1, "CREATE TABLE a (t TEXT)")])
    text = "x" * 50_000
    for _ in range(100):
        await database.write(lambda c: c.execute("INSERT INTO a VALUES (?)", (text,)))
    log = tmp_path / "a.sqlite3-wal"
    assert 0 < log.stat().st_size < 1.5 * 2**20
    database.close()
