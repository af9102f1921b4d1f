"""Damaged, restored and half-missing homes are told of in findings; none of them stops the look."""

import json
import os
import shutil
import sqlite3

import pytest

import concertmaster as cm
from concertmaster.orchestrator.auditing import rotate_keys
from concertmaster.orchestrator.doctor import examine

PAY = "refund 20 euros for order 1042"
FILE = "concertmaster.sqlite3"


@pytest.fixture
async def made(workspace, home):
    """Return a home that was worked in and is closed, its log written back."""
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
        await desk.run("refund order 7", principal="ana", thread="u")
    connection = sqlite3.connect(home / FILE)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return home


def restore(home, file):
    """Put an older database in the place of the one that is there."""
    for end in ("", "-wal", "-shm"):
        (home / f"{FILE}{end}").unlink(missing_ok=True)
    shutil.copy(file, home / FILE)


# Damage


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribbled(path):
    path.write_bytes(b"no database, " * 1000)


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def another_database(path):
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (text)")
    connection.close()


def overwritten_inside(path):
    content = bytearray(path.read_bytes())
    for at in range(3 * 4096 + 100, len(content), 2 * 4096):
        content[at : at + 400] = b"\xff" * 400
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        emptied,
        halved,
        scribbled,
        replaced_by_a_folder,
        another_database,
        overwritten_inside,
        os.unlink,
    ],
)
async def test_damaged_database_is_a_finding(made, workspace, damage):
    for end in ("-wal", "-shm"):
        (made / f"{FILE}{end}").unlink(missing_ok=True)
    damage(made / FILE)
    found = await examine(made, workspace)
    assert not found.healthy
    problems = [f for f in found.findings if f.severity == "problem"]
    assert {f.code for f in problems} & {"file.database", "file.damaged"}, problems
    assert all(f.command and str(made) in f.command for f in problems)


async def test_damaged_page_hides_no_other_table(made, workspace, examined, by_hand):
    connection = sqlite3.connect(made / FILE)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'approvals'"
    ).fetchone()
    connection.execute("DELETE FROM effects")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (made / FILE).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    found = await examined()
    assert {"file.damaged", "file.approvals", "call.missing"} <= set(found)


@pytest.mark.parametrize(("room", "version"), [("runs", 99), ("audit", 99)])
async def test_home_of_a_newer_release(made, examined, by_hand, room, version):
    by_hand("UPDATE schema_versions SET version = ? WHERE room = ?", version, room)
    found = await examined()
    assert found["home.newer"].severity == "problem"
    assert room in found["home.newer"].what


async def test_home_of_an_older_release(made, workspace, home, examined, by_hand):
    by_hand("DELETE FROM schema_versions WHERE room = 'orchestrator.lease'")
    found = await examined()
    assert set(found) == {"home.older_release"}
    assert found["home.older_release"].severity == "note"
    async with cm.open(workspace, home=home):
        pass
    assert await examined() == {}


async def test_home_without_leases_and_ledger_is_read_as_far_as_it_goes(made, examined, by_hand):
    connection = sqlite3.connect(made / FILE)
    connection.executescript("DROP TABLE leases; DROP TABLE effects; DROP TABLE distrusted_runs")
    connection.close()
    found = await examined()
    assert "call.missing" in found
    assert not [code for code in found if code.startswith("file.")]


# Lease, lock, epoch


async def test_older_copy_of_the_database_is_told(made, workspace, tmp_path, examined):
    shutil.copy(made / FILE, tmp_path / "old.sqlite3")
    async with cm.open(workspace, home=made) as desk:
        await desk.run(PAY, principal="ana", thread="v")
    restore(made, tmp_path / "old.sqlite3")
    found = await examined()
    assert found["home.older"].severity == "problem"
    assert "HOME/epoch says 2" in found["home.older"].what
    assert "stream.not_whole" in found  # The heads in the home know of more events.
    async with cm.open(workspace, home=made):
        pass
    assert "home.older" not in await examined()


async def test_copy_of_a_whole_home_is_told_until_it_is_opened(made, workspace, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    found = {f.code: f for f in (await examine(tmp_path / "copy", workspace)).findings}
    assert set(found) == {"home.copied"}
    assert found["home.copied"].severity == "attention"
    async with cm.open(workspace, home=tmp_path / "copy"):
        pass
    assert (await examine(tmp_path / "copy", workspace)).findings == ()


async def test_copy_that_nobody_looked_after_is_told(made, examined, by_hand):
    by_hand("UPDATE leases SET restored = 1")
    assert set(await examined()) == {"home.restored"}


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff\x00"])
async def test_epoch_that_is_missing_or_damaged(made, workspace, examined, content):
    (made / "epoch").unlink()
    if content is not None:
        (made / "epoch").write_bytes(content)
    found = await examined()
    assert set(found) == {"file.epoch"}
    assert found["file.epoch"].severity == "attention"
    async with cm.open(workspace, home=made):
        pass
    assert await examined() == {}


async def test_lock_that_is_missing(made, examined):
    (made / "lock").unlink()
    assert set(await examined()) == {"file.lock"}


async def test_clock_that_was_set_back(made, examined, by_hand):
    by_hand("UPDATE leases SET renewed = '2126-01-01T00:00:00.000+00:00'")
    assert set(await examined()) == {"home.clock"}


# Disk, results, leftovers


async def test_disk_that_is_nearly_full(made, examined):
    found = await examined(disk_low=2**60)
    assert found["home.disk"].severity == "attention"
    found = await examined(disk_full=2**60)
    assert (found["home.disk"].severity, found["home.disk"].command) == ("problem", None)


@pytest.fixture
async def large(workspace, home):
    """Return the file of a large result that rows name."""
    tools = workspace / "tools.py"
    text = tools.read_text().replace(
        '    return {"id": order_id, "total_cents": 12000}',
        '    return {"id": order_id, "total_cents": 12000, "text": "x" * 100_000}',
    )
    tools.write_text(text.replace('dict[str, int]:\n    "Look', 'dict[str, object]:\n    "Look'))
    async with cm.open(workspace, home=home) as desk:
        await desk.run("order 9, please", principal="viewer", thread="t")
    (file,) = (home / "artifacts").glob("??/*.json")
    return file


async def test_large_result_that_rows_name(large, examined):
    assert await examined() == {}
    content = large.read_bytes()
    large.write_bytes(content[:-1])
    finding = (await examined())["file.artifact"]
    assert (finding.severity, finding.id) == ("problem", f"artifact:{large.stem}")
    assert "was changed" in finding.what
    large.unlink()
    finding = (await examined())["file.artifact"]
    assert "is not there" in finding.what
    assert finding.command.endswith(f"artifacts/{large.stem[:2]}/{large.name}")


async def test_large_result_that_retention_removed_is_no_finding(
    large, workspace, home, declare, later, settled, examined
):
    declare("retention: {artifacts: {after: 30d}}")
    settled()
    later(90)
    async with cm.open(workspace, home=home) as desk:
        await desk.prune()
    assert not large.exists()
    assert await examined() == {}


async def test_large_result_that_no_row_names(large, home, examined):
    stray = large.with_name(f"{'0' * 64}.json")
    stray.write_text("{}")
    assert await examined() == {}  # It may be on its way into a row.
    os.utime(stray, (1, 1))
    finding = (await examined())["left.artifact"]
    assert (finding.severity, finding.command) == ("note", f"rm {stray}")


async def test_half_written_files_are_left_over(made, examined):
    (made / ".epoch.1.2").write_text("{")
    assert await examined() == {}
    os.utime(made / ".epoch.1.2", (1, 1))
    finding = (await examined())["left.half"]
    assert (finding.severity, finding.id) == ("note", ".epoch.1.2")


async def test_states_of_a_forgotten_thread(made, workspace, examined):
    connection = sqlite3.connect(made / FILE)
    connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM checkpoints WHERE thread_id = 't'")
    async with cm.open(workspace, home=made) as desk:
        await desk.forget("t", by="ana", why="asked for it")
    assert await examined() == {}
    connection.execute("INSERT INTO checkpoints SELECT * FROM kept")
    connection.commit()
    connection.close()
    finding = (await examined())["left.rows"]
    assert (finding.severity, finding.kind, finding.id) == ("attention", "thread", "t")
    assert "whose thread was erased" in finding.what
    async with cm.open(workspace, home=made) as desk:
        await desk.graph.checkpointer.adelete_thread("t")
    assert await examined() == {}


async def test_rows_of_a_thread_that_never_was_are_a_note(made, examined, by_hand):
    by_hand("UPDATE checkpoints SET thread_id = 'other' WHERE thread_id = 't'")
    finding = (await examined())["left.rows"]
    assert (finding.severity, finding.id) == ("note", "other")


async def test_states_that_were_set_aside_are_a_note(made, workspace, examined, by_hand):
    by_hand("UPDATE checkpoints SET checkpoint = x'ff' WHERE thread_id = 't'")
    async with cm.open(workspace, home=made) as desk:
        await desk.run(PAY, principal="ana", thread="t")
    finding = (await examined())["left.state"]
    assert (finding.severity, finding.id) == ("note", "t")


# The trail and its keys


async def test_changed_event_is_named_without_its_content(made, examined, by_hand):
    by_hand(
        "UPDATE audit_events SET envelope = json_set(envelope, '$.data.why', 'a private matter')"
        " WHERE type = 'concertmaster.run.received' AND thread = 't'"
    )
    found = await examined()
    assert set(found) == {"stream.not_whole"}
    finding = found["stream.not_whole"]
    assert (finding.severity, finding.id) == ("problem", "refunds")
    assert "changed at 1 (evt-" in finding.what
    assert "audit verify" in finding.command
    assert "private" not in str(finding)


async def test_events_that_no_head_vouches_for(made, workspace, examined, by_hand):
    (made / "audit" / "heads.jsonl").unlink()
    by_hand("DELETE FROM audit_signed")
    assert await examined() == {}  # They may be signed any moment.
    found = await examined(unsigned=0)
    assert set(found) == {"stream.unsigned"}
    assert "No signed head" in found["stream.unsigned"].what
    async with cm.open(workspace, home=made):
        pass
    assert await examined(unsigned=0) == {}


async def test_heads_that_are_missing(made, examined):
    (made / "audit" / "heads.jsonl").unlink()
    assert "is not in the file of signed heads" in (await examined())["stream.not_whole"].what


async def test_head_that_is_older_than_the_stream(made, workspace, home, examined):
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="w")
        found = await examined(unsigned=0)
        assert set(found) == {"stream.unsigned"}
        assert "The last signed head is of event" in found["stream.unsigned"].what
    assert await examined(unsigned=0) == {}


@pytest.mark.parametrize("how", ["scribbled", "a folder", "public"])
async def test_key_that_cannot_be_used(made, examined, how):
    key = made / "keys" / "audit.key"
    if how == "scribbled":
        key.write_text("not a key")
    elif how == "a folder":
        key.unlink()
        key.mkdir()
    else:
        key.write_bytes(next((made / "keys").glob("*.pub")).read_bytes()[:20])
    found = await examined()
    assert "file.key" in found
    assert (found["file.key"].severity, found["file.key"].id) == ("problem", "keys/audit.key")


async def test_public_key_that_cannot_be_read(made, examined):
    (public,) = (made / "keys").glob("*.pub")
    public.unlink()
    public.mkdir()
    found = await examined()
    assert found["file.audit"].severity == "problem"
    assert "keys cannot be read" in found["file.audit"].what


async def test_key_that_others_can_read(made, examined):
    (made / "keys" / "audit.key").chmod(0o644)
    assert set(await examined()) == {"file.key_shared"}


async def test_key_that_was_rotated_or_left_out_is_no_finding(made, examined):
    await rotate_keys(made, by="dora", why="yearly")
    assert await examined() == {}
    (made / "keys" / "audit.key").unlink()
    assert await examined() == {}


async def test_findings_are_plain_json(made, workspace, by_hand):
    by_hand("DELETE FROM effects")
    found = (await examine(made, workspace)).as_json()
    assert json.loads(json.dumps(found)) == found
    assert (found["healthy"], found["findings"][0]["code"]) == (False, "call.missing")
