"""Whatever is changed in the stored trail of a real desk shows."""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.refunds import FILES
from tests.workspaces import write_workspace

import concertmaster as cm
from concertmaster.audit.chain import Link, link_hash, payload_digest
from concertmaster.audit.checking import Checked, check_home
from concertmaster.errors import ConcertmasterError
from concertmaster.orchestrator.auditing import places_of, rotate_keys
from concertmaster.storage import Database

NAME = "concertmaster.sqlite3"

TEXTS = ("stream", "id", "type", "time")
BLOBS = ("previous", "payload", "hash")


async def _work(workspace: Path, home: Path) -> None:
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("Refund order 7", principal="ana", thread="one")
        await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
        await desk.run("Refund order 8", principal="ana", thread="two")
    await rotate_keys(home, by="dora", why="yearly")
    async with cm.open(workspace, home=home) as desk:
        await desk.forget("two", by="ana", why="asked for it", force=True)
        await desk.run("Order 9, please", principal="viewer", thread="three")
    async with cm.open(workspace, home=home) as desk:
        await desk.run("Refund 20 euros for order 10", principal="ana", thread="four")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose trail was written by a real desk, partly erased, signed several times."""
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(_work(write_workspace(folder / "refunds", FILES), folder / "home"))
    connection = sqlite3.connect(folder / "home" / NAME)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return folder / "home"


@dataclass
class Copy:
    """A copy of the home that may be tampered with."""

    home: Path

    @property
    def file(self) -> Path:
        return self.home / NAME

    @property
    def heads(self) -> Path:
        return self.home / "audit" / "heads.jsonl"

    def rows(self, sql: str) -> list[tuple]:
        connection = sqlite3.connect(self.file)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def change(self, *statements: tuple[str, tuple]) -> None:
        """Change rows as somebody would who can write the file: no trigger is in the way."""
        connection = sqlite3.connect(self.file)
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for sql, values in statements:
            assert connection.execute(sql, values).rowcount, sql
        connection.commit()
        connection.close()

    def check(self) -> list[Checked]:
        async def work() -> list[Checked]:
            database = Database.open(self.file, read_only=True)
            try:
                return await check_home(database, places_of(self.home).read)
            finally:
                database.close()

        return asyncio.run(work())

    def shows(self) -> bool:
        """Tell whether verifying it says that something is wrong, and what."""
        try:
            checked = self.check()
        except ConcertmasterError as error:
            return bool(error.message)
        told = [*(f.message for c in checked for f in c.findings)]
        told += [p for c in checked for p in c.problems]
        assert bool(told) != all(c.whole for c in checked)
        return bool(told)


@pytest.fixture(scope="module")
def copied(made: Path) -> Iterator[Callable[[], Copy]]:
    with tempfile.TemporaryDirectory() as folder:
        number = iter(range(10**6))

        def copy() -> Copy:
            home = Path(folder) / str(next(number) % 3)
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            shutil.copy(made / NAME, home / NAME)
            for name in ("audit", "keys"):
                shutil.copytree(made / name, home / name)
            return Copy(home)

        yield copy


@pytest.fixture
def copy(copied: Callable[[], Copy]) -> Copy:
    return copied()


def test_untouched_trail_is_whole(copy: Copy):
    assert not copy.shows()
    (checked,) = copy.check()
    assert checked.events > 60
    assert checked.erased > 10
    assert checked.signed == checked.events
    assert len(copy.heads.read_text().splitlines()) >= 5


def other_byte(value: bytes, at: int, by: int) -> bytes:
    at %= len(value)
    return value[:at] + bytes([(value[at] + 1 + by % 255) % 256]) + value[at + 1 :]


def other_text(value: str, at: int, by: int) -> str:
    at %= len(value)
    fresh = chr(33 + (ord(value[at]) - 33 + 1 + by % 93) % 94)
    return value[:at] + ("~" if fresh == value[at] else fresh) + value[at + 1 :]


numbers = st.integers(min_value=0, max_value=10**6)
checked_often = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("column", [*TEXTS, *BLOBS, "n"])
@checked_often
@given(row=numbers, at=numbers, by=numbers)
def test_changed_link_shows(copied, column: str, row: int, at: int, by: int):
    copy = copied()
    found = copy.rows(f"SELECT n, {column} FROM audit_links ORDER BY n")
    n, value = found[row % len(found)]
    if column == "n":
        taken = {place for place, _ in found}
        fresh: object = next(x for x in range(-(by % 5), 10**6) if x not in taken)
    else:
        fresh = (other_text if column in TEXTS else other_byte)(value, at, by)
    copy.change((f"UPDATE audit_links SET {column} = ? WHERE n = ?", (fresh, n)))
    assert copy.shows()


@pytest.mark.parametrize("column", ["envelope", "salt", "seq"])
@checked_often
@given(row=numbers, at=numbers, by=numbers)
def test_changed_event_shows(copied, column: str, row: int, at: int, by: int):
    copy = copied()
    found = copy.rows(f"SELECT seq, {column} FROM audit_events ORDER BY seq")
    seq, value = found[row % len(found)]
    if column == "seq":
        # Forwards to a free place before its own, or past the ones that follow.
        earlier, later = [s for s, _ in found if s < seq], [s for s, _ in found if s > seq]
        if not later and not earlier:
            return
        fresh: object = max(later) + 1 + by if later else min(earlier) - 1
        target = "UPDATE audit_events SET seq = ? WHERE seq = ?"
        copy.change((target, (fresh, seq)))
    elif column == "salt":
        fresh = other_byte(value, at, by)
        copy.change(("UPDATE audit_events SET salt = ? WHERE seq = ?", (fresh, seq)))
    else:
        fresh = other_text(value, at, by)
        try:
            copy.change(("UPDATE audit_events SET envelope = ? WHERE seq = ?", (fresh, seq)))
        except sqlite3.Error:
            return  # no JSON any more, or another event's id: the file does not take it
    assert copy.shows()


@checked_often
@given(row=numbers, at=numbers, by=numbers)
def test_byte_changed_in_the_file_itself_shows(copied, row: int, at: int, by: int):
    """Content, salt and the columns that SQLite computes: changed where they lie in the file."""
    copy = copied()
    found = copy.rows("SELECT envelope, id, type, workspace, thread, run, salt FROM audit_events")
    envelope, *rest, salt = found[row % len(found)]
    stored = "".join([envelope, *(r or "" for r in rest)]).encode() + salt
    raw = copy.file.read_bytes()
    start = raw.find(stored)
    if start < 0:
        return  # on several pages
    at = start + at % len(stored)
    copy.file.write_bytes(other_byte(raw, at, by))
    assert copy.shows()


@checked_often
@given(row=numbers, what=st.sampled_from(["link", "event", "both", "tail", "swap", "moved"]))
def test_taken_away_cut_off_or_moved_shows(copied, row: int, what: str):
    copy = copied()
    links = copy.rows("SELECT n, id FROM audit_links ORDER BY n")
    there = {r[0] for r in copy.rows("SELECT id FROM audit_events")}
    living = [(n, id_) for n, id_ in links if id_ in there]
    n, id_ = living[row % (len(living) - 1)]
    after = living[living.index((n, id_)) + 1]
    drop_link = ("DELETE FROM audit_links WHERE n = ?", (n,))
    drop_event = ("DELETE FROM audit_events WHERE id = ?", (id_,))
    match what:
        case "link":
            copy.change(drop_link)
        case "event":
            copy.change(drop_event)
        case "both":
            copy.change(drop_link, drop_event)
        case "tail":
            copy.change(
                ("DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_links WHERE n >= ?)",
                 (n,)),
                ("DELETE FROM audit_links WHERE n >= ?", (n,)),
            )  # fmt: skip
        case "swap":
            move = "UPDATE audit_links SET n = ? WHERE n = ?"
            copy.change((move, (-1, n)), (move, (n, after[0])), (move, (after[0], -1)))
        case "moved":
            (one,), (other,) = (
                copy.rows(f"SELECT seq FROM audit_events WHERE id = '{i}'")[0]
                for i in (id_, after[1])
            )
            move = "UPDATE audit_events SET seq = ? WHERE seq = ?"
            copy.change((move, (-1, one)), (move, (one, other)), (move, (other, -1)))
    assert copy.shows()


@checked_often
@given(at=numbers, by=numbers)
def test_changed_head_shows(copied, at: int, by: int):
    copy = copied()
    copy.heads.write_bytes(other_byte(copy.heads.read_bytes(), at, by))
    assert copy.shows()


@checked_often
@given(at=numbers, what=st.sampled_from(["cut", "line", "swap", "twice", "begin"]))
def test_heads_cut_off_taken_away_or_moved_show(copied, at: int, what: str):
    copy = copied()
    raw = copy.heads.read_bytes()
    lines = raw.splitlines(keepends=True)
    line = at % (len(lines) - 1)
    match what:
        case "cut":
            copy.heads.write_bytes(raw[: at % len(raw)])
        case "begin":
            copy.heads.write_bytes(b"".join(lines[line + 1 :]))
        case "line":
            copy.heads.write_bytes(b"".join(lines[:line] + lines[line + 1 :]))
        case "swap":
            lines[line : line + 2] = reversed(lines[line : line + 2])
            copy.heads.write_bytes(b"".join(lines))
        case "twice":
            copy.heads.write_bytes(raw + b"{}\n")
    assert copy.shows()


def rewritten(copy: Copy, n: int) -> None:
    """Change an event's reason, and every link from there on so that the chain is sound again."""
    names = ", ".join(Link.__slots__)
    links = [Link(**dict(zip(Link.__slots__, row, strict=True)))
             for row in copy.rows(f"SELECT {names} FROM audit_links ORDER BY n")]  # fmt: skip
    link = links[n]
    ((envelope, salt),) = copy.rows(
        f"SELECT envelope, salt FROM audit_events WHERE id = '{link.id}'"
    )
    value = json.loads(envelope)
    value["data"]["why"] = "nothing to see here"
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    changes: list[tuple[str, tuple]] = [
        ("UPDATE audit_events SET envelope = ? WHERE id = ?", (text, link.id))
    ]
    previous, payload = link.previous, payload_digest(salt, text)
    for link in links[n:]:
        fields = {k: getattr(link, k) for k in ("stream", "n", "id", "type", "time")}
        made = link_hash(**fields, previous=previous, payload=payload)
        changes.append(
            (
                "UPDATE audit_links SET previous = ?, payload = ?, hash = ? WHERE n = ?",
                (previous, payload, made, link.n),
            )
        )
        previous = made
        payload = links[link.n].payload if link.n < len(links) else payload
    copy.change(*changes)


@checked_often
@given(row=numbers)
def test_chain_rewritten_from_an_event_on_shows(copied, row: int):
    copy = copied()
    there = {r[0] for r in copy.rows("SELECT id FROM audit_events")}
    living = [n for n, id_ in copy.rows("SELECT n, id FROM audit_links") if id_ in there]
    rewritten(copy, living[row % len(living)] - 1)
    assert copy.shows()


def test_rewritten_chain_is_sound_in_itself_and_shows_by_its_heads_alone(copy: Copy):
    rewritten(copy, 3)
    (checked,) = copy.check()
    assert {f.fault for f in checked.findings} <= {"rewritten"}
    copy.change(("DELETE FROM audit_signed", ()))
    shutil.rmtree(copy.heads.parent)
    assert not copy.shows()  # so keep the heads elsewhere


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit_signed SET n = n + 1, head = zeroblob(32)",
        "UPDATE audit_signed SET stream = 'other'",
        "DELETE FROM audit_links",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE type = 'concertmaster.audit.erased'",
        "UPDATE audit_links SET stream = 'other'",
    ],
)
def test_whole_tables_changed_show(copy: Copy, sql: str):
    copy.change((sql, ()))
    assert copy.shows()


def test_stream_that_vanished_shows(copy: Copy):
    for table in ("audit_links", "audit_events", "audit_signed"):
        copy.change((f"DELETE FROM {table}", ()))
    assert copy.shows()


def test_home_put_in_the_place_of_another_shows(copy: Copy, copied, tmp_path: Path):
    """An older state of the database, with the heads as they are now."""
    lines = copy.heads.read_text().splitlines(keepends=True)
    older = json.loads(lines[0])
    copy.change(
        ("DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_links WHERE n > ?)",
         (older["n"],)),
        ("DELETE FROM audit_links WHERE n > ?", (older["n"],)),
        ("DELETE FROM audit_signed", ()),
    )  # fmt: skip
    faults = {f.fault for c in copy.check() for f in c.findings}
    assert "cut_off" in faults
