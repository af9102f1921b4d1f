"""A desk signs how far its trail has come, and never stumbles over it."""

import asyncio
import json
import logging
import shutil
import stat
from pathlib import Path

import pytest

import concertmaster as cm
from concertmaster.audit.checking import Checked, check_home
from concertmaster.audit.keys import Signer, public_keys
from concertmaster.errors import ConfigError
from concertmaster.orchestrator.auditing import places_of, rotate_keys
from concertmaster.orchestrator.backup import back_up
from concertmaster.storage import Database

ASK = "Order 9, please"


async def ask(desk: cm.Desk, thread: str = "t") -> cm.Run:
    run = await desk.run(ASK, principal="viewer", thread=thread)
    assert run.status == "answered"
    return run


def heads(home: Path) -> list[dict]:
    file = home / "audit" / "heads.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


async def checked(home: Path, **places: Path) -> Checked:
    database = Database.open(home / "concertmaster.sqlite3", read_only=True)
    try:
        (found,) = await check_home(database, places_of(home, **places).read)
        return found
    finally:
        database.close()


async def test_head_is_signed_when_the_desk_closes(workspace: Path, home: Path):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
        assert heads(home) == []
    (head,) = heads(home)
    found = await checked(home)
    assert found.whole
    assert head["n"] == found.signed == found.events
    assert stat.S_IMODE((home / "keys" / "audit.key").stat().st_mode) == 0o600


async def test_nothing_new_is_not_signed_again(workspace: Path, home: Path):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    for _ in range(2):
        async with cm.open(workspace, home=home):
            pass
    assert len(heads(home)) == 1


async def test_head_is_signed_while_the_desk_is_open(workspace, home, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_EVERY", "0.2")
    async with cm.open(workspace, home=home) as desk:
        for n in range(6):
            await ask(desk, f"t-{n}")
        await asyncio.sleep(0.6)
        between = len(heads(home))
        assert 1 <= between <= 6
        assert (await checked(home)).signed == len(await desk.events())
        await asyncio.sleep(0.5)
        assert len(heads(home)) == between  # nothing happened
    assert len(heads(home)) == between


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
async def test_interval_that_is_none_is_told(workspace, home, monkeypatch, value):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_EVERY", value)
    with pytest.raises(ConfigError, match="CONCERTMASTER_AUDIT_EVERY"):
        async with cm.open(workspace, home=home):
            pass


async def test_heads_and_keys_lie_where_they_are_told_to(workspace, home, tmp_path, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_HEADS", str(tmp_path / "far" / "heads.jsonl"))
    monkeypatch.setenv("CONCERTMASTER_AUDIT_KEYS", str(tmp_path / "safe"))
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    assert not (home / "audit").exists()
    assert not (home / "keys").exists()
    assert (await checked(home)).whole


async def test_homes_share_a_file_of_heads(workspace, home, tmp_path, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_HEADS", str(tmp_path / "heads.jsonl"))
    homes = [home, home.with_name("other")]
    for place in homes:
        async with cm.open(workspace, home=place) as desk:
            await ask(desk)
    for place in homes:
        found = await checked(place, keys=homes[0] / "keys")
        assert found.signed == (found.events if place == homes[0] else 0)
        # The other home signed with a key that is not among these.
        assert len(found.problems) >= 1
    monkeypatch.setenv("CONCERTMASTER_AUDIT_KEYS", str(tmp_path / "keys"))
    for place in homes:
        for file in (place / "keys").glob("*.pub"):
            (tmp_path / "keys").mkdir(exist_ok=True)
            shutil.copy(file, tmp_path / "keys")
    for place in homes:
        found = await checked(place)
        assert found.whole
        assert found.signed == found.events


async def test_home_that_never_signed_in_a_shared_file_shows(workspace, home, tmp_path):
    other = home.with_name("other")
    for place in (home, other):
        async with cm.open(workspace, home=place) as desk:
            await ask(desk)
    found = await checked(home, heads=other / "audit/heads.jsonl", keys=other / "keys")
    assert any("none of this home's" in problem for problem in found.problems)


async def test_failure_to_sign_is_told_once_and_breaks_nothing(
    workspace, home, caplog, monkeypatch
):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_EVERY", "0.05")
    home.mkdir()
    (home / "audit").write_text("in the way")
    with caplog.at_level(logging.WARNING, "concertmaster.orchestrator"):
        async with cm.open(workspace, home=home) as desk:
            for n in range(3):
                await ask(desk, f"t-{n}")
                await asyncio.sleep(0.2)
            told = [e for e in await desk.events() if e.type == "audit.unsigned"]
    assert len(told) == 1
    assert told[0].data == {"code": "CM130"}
    assert len([r for r in caplog.records if "could not be signed" in r.message]) == 1
    (home / "audit").unlink()
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    assert (await checked(home)).whole


async def test_damaged_key_does_not_keep_a_desk_from_closing(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    (home / "keys" / "audit.key").write_text("nothing of the kind")
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    assert len(heads(home)) == 1


async def test_rotation_is_in_the_trail_and_old_heads_still_verify(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    former, fresh = await rotate_keys(home, by="dora", why="yearly")
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
        (told,) = [e for e in await desk.events() if e.type == "audit.rotated"]
    assert (told.actor, told.why) == ("dora", "yearly")
    assert (told.data["former"], told.data["key"]) == (former, fresh)
    assert bytes.fromhex(told.data["public"]) == public_keys(home / "keys")[fresh]
    assert [h["key"] for h in heads(home)] == [former, former, fresh, fresh]
    assert heads(home)[1]["n"] == heads(home)[2]["n"]  # both vouch for the rotation itself
    assert Signer.open(home / "keys").key_id == fresh
    assert (await checked(home)).whole


async def test_key_that_was_rotated_by_another_process_is_used_at_once(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
        Signer.rotate(home / "keys")
        await ask(desk)
    assert heads(home)[-1]["key"] == Signer.open(home / "keys").key_id


async def test_backup_verifies_by_itself_and_has_no_private_key(
    workspace, home, tmp_path, monkeypatch
):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_HEADS", str(tmp_path / "far" / "heads.jsonl"))
    monkeypatch.setenv("CONCERTMASTER_AUDIT_KEYS", str(tmp_path / "safe"))
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    await back_up(home, tmp_path / "copy")
    await back_up(home, tmp_path / "secret", private_key=True)
    monkeypatch.delenv("CONCERTMASTER_AUDIT_HEADS")
    monkeypatch.delenv("CONCERTMASTER_AUDIT_KEYS")
    found = await checked(tmp_path / "copy")
    assert found.whole
    assert found.signed == found.events
    assert not list((tmp_path / "copy").rglob("audit.key"))
    assert len(list((tmp_path / "secret").rglob("audit.key"))) == 1


async def test_backup_of_a_home_with_its_own_keys_leaves_the_private_one_out(
    workspace, home, tmp_path
):
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    await back_up(home, tmp_path / "copy")
    await back_up(home, tmp_path / "secret", private_key=True)
    assert not (tmp_path / "copy" / "keys" / "audit.key").exists()
    assert (tmp_path / "secret" / "keys" / "audit.key").exists()
    async with cm.open(workspace, home=tmp_path / "copy") as desk:
        await ask(desk)
    assert (await checked(tmp_path / "copy")).whole


async def test_old_backup_in_the_place_of_a_home_shows(workspace, home, tmp_path, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_HEADS", str(tmp_path / "heads.jsonl"))
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    await back_up(home, tmp_path / "old", private_key=True)
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
    found = await checked(tmp_path / "old")
    assert [f.fault for f in found.findings] == ["cut_off"]


async def test_verifying_while_a_desk_works_finds_nothing_wrong(workspace, home, monkeypatch):
    monkeypatch.setenv("CONCERTMASTER_AUDIT_EVERY", "0.01")
    async with cm.open(workspace, home=home) as desk:
        await ask(desk)
        work = asyncio.gather(*(ask(desk, f"t-{n}") for n in range(12)))
        seen = 0
        wrong = []
        while not work.done():
            found = await checked(home)
            wrong += [] if found.whole else [found]
            seen += 1
        await work
    assert wrong == []
    assert seen > 2
