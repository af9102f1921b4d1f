"""A disk that is full at one single write, at each of them in turn, or from one of them on."""

import contextlib
import errno
import io
import os
import re
import shutil
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.auditing import places_of
from concertmaster.storage import Database

LARGE = "Please refund order 1042"
NAME = "concertmaster.sqlite3"
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "ALTER", "DROP", "COMMIT")


@dataclass
class Disk:
    """Counts the writes to the home's database on all connections, and refuses some of them."""

    at: int = 0
    stays: bool = False
    seen: list[str] = field(default_factory=list)

    def write(self, what: str) -> None:
        if not what.lstrip().upper().startswith(WRITES):
            return
        self.seen.append(" ".join(what.split()).rstrip(";")[:60])
        count = len(self.seen)
        if self.at and (count == self.at or (self.stays and count > self.at)):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_FULL", sqlite3.SQLITE_FULL
            raise error

    def make_room(self) -> None:
        self.at = 0


@pytest.fixture
def disk(monkeypatch, home):
    """Return the disk that every connection to the home's database writes to from now on."""
    there = Disk()

    class Cursor(sqlite3.Cursor):
        def execute(self, sql, *values):
            there.write(sql)
            return super().execute(sql, *values)

        def executemany(self, sql, values):
            there.write(sql)
            return super().executemany(sql, values)

    class Connection(sqlite3.Connection):
        def cursor(self, factory=Cursor):
            return super().cursor(factory)

        def execute(self, sql, *values):
            return self.cursor().execute(sql, *values)

        def executemany(self, sql, values):
            return self.cursor().executemany(sql, values)

        def executescript(self, sql):
            # One by one, so that a script can be cut off in its middle.
            statement = ""
            for part in sql.split(";"):
                statement += f"{part};"
                if sqlite3.complete_statement(statement):
                    self.execute(statement)
                    statement = ""
            return self.cursor()

        def commit(self):
            if self.in_transaction:
                there.write("COMMIT")
            return super().commit()

    connect = sqlite3.connect

    def connecting(path, *arguments, **options):
        own = str(path).removeprefix("file://").partition("?")[0].endswith(f"home/{NAME}")
        return connect(path, *arguments, **({"factory": Connection} if own else {}) | options)

    monkeypatch.setattr(sqlite3, "connect", connecting)
    return there


@dataclass
class Course:
    """What people were told in a run with one approval, on a disk that refused a write."""

    run: cm.Run | None = None
    errors: list[ConcertmasterError] = field(default_factory=list)
    approval: str | None = None

    async def take(self, desk) -> None:
        """Ask, and approve what waits."""
        with self.telling():
            self.run = await desk.run(LARGE, principal="ana", thread="t")
        if self.run is not None and self.run.pending:
            self.approval = self.run.pending[0].id
            with self.telling():
                self.run = await desk.decide(self.approval, cm.Approve(), principal="li")

    @contextlib.contextmanager
    def telling(self):
        """Note an error in our words; any other is a failure of the test."""
        try:
            yield
        except ConcertmasterError as error:
            self.errors.append(error)

    @property
    def in_words(self) -> bool:
        """Whether somebody was told of the disk: in an error, or as the cause of an end."""
        told = [e.message for e in self.errors if e.hint]
        told += [self.run.outcome.cause or ""] if self.run else []
        return any("no room left on the disk" in text for text in told)


async def brought_to_an_end(desk):
    """Approve what waits, as a person would; return how the run ended, None if there is none."""
    for approval in await desk.approvals():
        await desk.decide(approval.id, cm.Approve(), principal="li")
    if not await desk.threads():
        return None
    asked = [run for run in await desk.history("t") if run.text == LARGE]
    assert len(asked) <= 1
    return asked[0] if asked else None


async def accounted_for(workspace, home, paid):
    """Open the home again with room on the disk: the run ends, and says what took place."""
    async with cm.open(workspace, home=home) as desk:
        run = await brought_to_an_end(desk)
    count = paid().count((1042, 12000))
    cause = (run.outcome.cause or "") if run else ""
    match run.status if run else "refused":
        case "answered":
            assert count == 1
        case "escalated":
            assert "refund took effect" in cause or "is unknown" in cause
            assert count <= 1
        case "failed" | "refused" as status:
            # It says that it may be tried again, so nothing may have been paid.
            assert count == 0, (status, cause)
        case status:
            raise AssertionError(f"the run is {status}")
    database = Database.open(home / NAME, read_only=True)
    try:
        (checked,) = await check_home(database, places_of(home).read)
    finally:
        database.close()
    assert checked.whole, checked
    return run.status if run else "refused"


@pytest.fixture
def fresh(workspace, home, tmp_path):
    """Return a maker of homes as they are after they were opened once."""
    kept = tmp_path / "kept"

    async def make():
        if not kept.exists():
            async with cm.open(workspace, home=home):
                pass
            home.rename(kept)
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(kept, home)

    return make


async def struck(workspace, home, disk, at, *, stays):
    """Take the course on a disk that refuses its write number `at`; return what people heard."""
    course = Course()
    async with cm.open(workspace, home=home) as desk:
        disk.seen.clear()
        disk.at, disk.stays = at, stays
        await course.take(desk)
        if not stays:
            disk.make_room()
            # The same desk goes on, with the next message on the same thread.
            later = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
            assert later.status in ("answered", "queued"), later.outcome
    disk.make_room()
    return course


async def writes_of(workspace, home, disk):
    """Return the writes of a course that nothing disturbs, in order."""
    async with cm.open(workspace, home=home) as desk:
        disk.seen.clear()
        course = Course()
        await course.take(desk)
        assert course.run.status == "answered"
        return list(disk.seen)


async def test_every_single_write_of_a_run_may_fail_once(workspace, home, disk, fresh, refunds):
    await fresh()
    writes = await writes_of(workspace, home, disk)
    assert writes.count("COMMIT") > 10
    ends = Counter()
    for at, write in enumerate(writes, start=1):
        await fresh()
        course = await struck(workspace, home, disk, at, stays=False)
        assert course.in_words, (at, write)
        ends[await accounted_for(workspace, home, refunds)] += 1
    assert set(ends) == {"refused", "failed", "answered", "escalated"}


async def test_disk_that_is_full_from_any_transaction_on_loses_and_doubles_nothing(
    workspace, home, disk, fresh, refunds
):
    await fresh()
    writes = await writes_of(workspace, home, disk)
    # Once one write fails for good, so do those that follow: the first and the last of each
    # transaction stand for what lies between them.
    ends = [n for n, write in enumerate(writes, start=1) if write == "COMMIT"]
    for at in sorted({1, *ends, *(n + 1 for n in ends if n < len(writes))}):
        await fresh()
        course = await struck(workspace, home, disk, at, stays=True)
        assert course.in_words, (at, writes[at - 1])
        await accounted_for(workspace, home, refunds)


async def test_home_whose_first_opening_finds_no_room_is_told_and_opens_later(
    workspace, home, disk, refunds
):
    async with cm.open(workspace, home=home):
        pass
    writes = list(disk.seen)
    ends = [n for n, write in enumerate(writes, start=1) if write == "COMMIT"]
    assert len(ends) > 2
    # Every commit, the write before it, and of those between two commits each third.
    for at in sorted({*ends, *(n - 1 for n in ends), *range(1, len(writes), 3)}):
        shutil.rmtree(home)
        disk.seen.clear()
        disk.at = at
        course = Course()
        with course.telling():
            async with cm.open(workspace, home=home):
                pass
        # The last write signs the head, when the desk closes: it says so in the trail.
        assert course.in_words or at > len(writes) - 2, (at, writes[at - 1])
        disk.make_room()
        async with cm.open(workspace, home=home) as desk:
            assert await desk.threads() == []
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana")
        assert run.status == "answered"
    assert refunds() == [(1042, 2000)]


# Files beside the database


class _Full:
    """A file that takes one byte and no more, as on a disk that is full."""

    def __init__(self, file) -> None:
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, content):
        self._file.write(content[:1])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def files(monkeypatch, home):
    """Return the files of the home that were opened to be written, and refuse one of them."""
    opened, refused = [], set()
    real, by_number = io.open, os.fdopen

    def noted(file, name):
        part = re.sub(r"[0-9a-f]{8,}|[.][0-9]+", "", name)
        opened.append(part)
        return _Full(file) if part in refused else file

    def opening(path, mode="r", *arguments, **options):
        file = real(path, mode, *arguments, **options)
        own = isinstance(path, str | Path) and Path(path).is_relative_to(home)
        if not own or not set(mode) & set("wax+") or "sqlite3" in str(path):
            return file
        return noted(file, str(Path(path).relative_to(home)))

    def numbered(number, mode="r", *arguments, **options):
        file = by_number(number, mode, *arguments, **options)
        return noted(file, "keys/private") if "w" in mode else file

    monkeypatch.setattr(io, "open", opening)
    monkeypatch.setattr(os, "fdopen", numbered)
    return opened, refused


async def test_every_file_beside_the_database_may_find_no_room(
    workspace, home, files, refunds, caplog
):
    opened, refused = files
    tools = workspace / "tools.py"
    large = '"amount_cents": amount_cents, "slip": [7] * 40_000}'
    text = tools.read_text().replace("-> dict[str, int]", "-> dict[str, object]")
    tools.write_text(text.replace('"amount_cents": amount_cents}', large))
    async with cm.open(workspace, home=home) as desk:
        await Course().take(desk)
    names = sorted(set(opened))
    assert {name.partition("/")[0].strip(".") for name in names} >= {
        "artifacts", "audit", "epoch", "keys", "lock", "workspace.json",
    }  # fmt: skip
    for name in names:
        shutil.rmtree(home)
        refused.add(name)
        course = Course()
        with course.telling():
            async with cm.open(workspace, home=home) as desk:
                await course.take(desk)
                assert course.run.status == "answered"
        assert all(error.hint for error in course.errors), name
        paid = len(refunds()) if (home / "data" / "shop.sqlite3").exists() else 0
        assert paid == (not course.errors), name
        refused.clear()
        async with cm.open(workspace, home=home) as desk:
            again = await desk.run("refund 20 euros for order 1042", principal="ana")
            assert again.status == "answered", (name, again.outcome)
        assert len(refunds()) == paid + 1
        database = Database.open(home / NAME, read_only=True)
        (checked,) = await check_home(database, places_of(home).read)
        database.close()
        assert checked.whole, (name, checked)
        assert checked.signed == checked.events, name
