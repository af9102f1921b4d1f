"""Exported pieces of the trail, verified by themselves."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.audit.checking import Checked
from concertmaster.audit.erasing import erase_events
from concertmaster.audit.exporting import Wanted, export_home, moment
from concertmaster.audit.heads import read_heads
from concertmaster.audit.keys import Signer, public_keys
from concertmaster.audit.received import check_export
from concertmaster.audit.signing import sign_head
from concertmaster.storage import Database

Export = Callable[..., Any]


@pytest.fixture
async def database(tmp_path: Path):
    opened = Database.open(tmp_path / "home.db", MIGRATIONS)
    yield opened
    opened.close()


@pytest.fixture
async def trail(database: Database, tmp_path: Path) -> Trail:
    """A stream of two threads, signed after its 6th and its 10th event; two more follow."""
    made = Trail(database, "desk")
    for n in range(1, 13):
        thread = "t-1" if n % 2 else "t-2"
        made.emit("run.started", why=f"größte {n}", actor="ana", run=f"r-{n}", thread=thread)
        await made.flush()
        if n in (6, 10):
            await sign_head(database, "desk", tmp_path / "heads.jsonl", tmp_path / "keys")
    return made


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, bytes]:
    return public_keys(tmp_path / "keys")


@pytest.fixture
def export(database: Database, trail: Trail, tmp_path: Path, keys) -> Export:
    async def run(**wanted: Any) -> list[str]:
        lines: list[str] = []
        heads = tmp_path / "heads.jsonl"
        read = lambda: read_heads(heads, public_keys(tmp_path / "keys"))  # noqa: E731
        await export_home(database, read, Wanted(**wanted), lines.append)
        return lines

    return run


def one(found: list[Checked]) -> Checked:
    (checked,) = found
    return checked


async def test_everything_is_exported_and_verifies(export: Export, keys):
    lines = await export()
    checked = one(check_export(lines, keys))
    assert checked.whole
    assert (checked.events, checked.erased, checked.left_out, checked.signed) == (12, 0, 0, 10)


async def test_lines_are_cloudevents_with_their_links(export: Export):
    events = [json.loads(line) for line in await export()][1:-1]
    first = events[0]
    assert {"specversion", "id", "source", "type", "time", "data"} <= first.keys()
    assert first["data"]["why"] == "größte 1"
    assert len(bytes.fromhex(first["chainsalt"])) == 16
    assert [e["chainn"] for e in events] == [*range(1, 13)]
    assert all(e["chainprevious"] == b["chainhash"] for b, e in pairwise(events))


async def test_piece_leads_to_the_head_that_vouches_for_it(export: Export, keys):
    lines = await export(thread="t-1", run="r-3")
    checked = one(check_export(lines, keys))
    assert checked.whole
    assert (checked.events, checked.left_out, checked.signed) == (1, 3, 6)
    text = "\n".join(lines)
    assert "größte 3" in text
    assert not any(f"größte {n}" in text for n in (1, 2, 4, 5, 6))
    assert '"t-2"' not in text


async def test_what_comes_after_the_last_head_is_exported_and_not_vouched_for(export, keys):
    checked = one(check_export(await export(run="r-12"), keys))
    assert checked.whole
    assert (checked.events, checked.signed) == (1, 0)


async def test_erased_events_go_along_without_content(export, trail, database, tmp_path, keys):
    await database.write(lambda c: erase_events(c, trail, "t-1", by="li", why="asked"))
    await sign_head(database, "desk", tmp_path / "heads.jsonl", tmp_path / "keys")
    lines = await export()
    checked = one(check_export(lines, keys))
    assert checked.whole
    assert (checked.events, checked.erased) == (13, 6)
    assert "größte 3" not in "\n".join(lines)
    # Without the event that tells of it, nobody knows that it was on purpose.
    assert not one(check_export([line for line in lines if "audit.erased" not in line], keys)).whole


async def test_time_and_type_are_asked_for(export, trail: Trail, keys):
    times = [e.time for e in await trail.events()]
    lines = await export(since=times[3], until=times[5])
    assert one(check_export(lines, keys)).events == 2
    assert await export(types=("run.ended",)) == []
    assert len(await export(types=("run.started",))) == 14


async def test_stranger_cannot_vouch(export, keys, tmp_path: Path):
    lines = await export()
    theirs = Signer.open(tmp_path / "theirs")
    checked = one(check_export(lines, {theirs.key_id: theirs.public}))
    assert (checked.signed, checked.whole) == (0, False)


@pytest.mark.parametrize(
    "lines",
    [[], ["nonsense"], ["[]"], ['{"id": 1}'], ['{"export": 1}'], ['{"export": {}}'], ["{}", "{}"]],
)
def test_file_that_is_no_export_is_not_whole(lines: list[str]):
    assert not any(checked.whole for checked in check_export(lines, {}))


@pytest.fixture
async def exported(export: Export) -> Iterator[list[list[str]]]:
    return [await export(), await export(thread="t-1"), await export(run="r-3")]


@settings(max_examples=400, deadline=None)
@given(which=st.integers(0, 2), at=st.integers(0, 10**6), by=st.integers(1, 93))
def changed_character_shows(lines: list[list[str]], keys, which: int, at: int, by: int) -> None:
    text = "\n".join(lines[which]) + "\n"
    at %= len(text)
    fresh = chr(33 + (ord(text[at]) - 33 + by) % 94)
    changed = text[:at] + fresh + text[at + 1 :]
    if _same(text, changed):
        return
    checked = check_export(changed.splitlines(), keys)
    assert not all(c.whole for c in checked), (text[at - 40 : at + 20], fresh)


def _same(one: str, other: str) -> bool:
    """Tell whether only words were changed of what was asked for, which nothing vouches for."""
    for a, b in zip(one.splitlines(), other.splitlines(), strict=False):
        if a != b and not a.startswith(b.partition('"wanted"')[0]):
            return False
    return len(one.splitlines()) == len(other.splitlines())


async def test_changed_character_shows(exported, keys):
    changed_character_shows(exported, keys)


async def test_line_taken_away_shows(exported, keys):
    for lines in exported:
        for n in range(len(lines)):
            left = lines[:n] + lines[n + 1 :]
            checked = check_export(left, keys)
            assert not all(c.whole for c in checked), lines[n]


async def test_lines_exchanged_show(exported, keys):
    for lines in exported:
        for n in range(1, len(lines) - 2):
            moved = [*lines[:n], lines[n + 1], lines[n], *lines[n + 2 :]]
            assert not all(c.whole for c in check_export(moved, keys))


def test_moment_reads_iso_times():
    assert moment("2026-01-31T10:00+01:00") == "2026-01-31T09:00:00.000000Z"
    with pytest.raises(ValueError, match="Invalid isoformat"):
        moment("yesterday")
