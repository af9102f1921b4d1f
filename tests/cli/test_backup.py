import asyncio
import fcntl
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from concertmaster.cli.places import home_of
from concertmaster.contracts import Principal
from concertmaster.errors import HomeBusy, StorageError, Unauthenticated
from concertmaster.orchestrator.backup import back_up
from concertmaster.serving.identity import Codes, Sessions, UserStore
from concertmaster.serving.identity.snapshot import snapshot
from concertmaster.serving.identity.user_file import users_path

OLGA = Principal(id="olga", name="Olga", roles=("finance",))


def test_backup_is_a_home_that_works(ask, waiting, workspace, home, tmp_path):
    target = tmp_path / "backups" / "monday"
    made, code = ask("backup", home / "refunds", target)
    assert (code, made["target"]) == (0, str(target))
    assert made["bytes"] > 10_000
    done, code = ask(
        "run",
        workspace,
        "refund 20 euros for order 7",
        "--as",
        "ana",
        "--home",
        target,
    )
    assert (done["outcome"]["text"], code) == ("Refunded 20.00 EUR for order 7.", 0)
    assert ask("run", "x", "y", "--as", "ana")[1] == 3


def test_approval_in_a_backup_is_no_reason_to_pay_again(ask, waiting, home, tmp_path):
    _, id_ = waiting
    target = tmp_path / "monday"
    ask("backup", home / "refunds", target)
    # It may have been given, and the money paid, after the backup was made.
    done, code = ask("approvals", "approve", id_, "--as", "li", "--home", target)
    assert (done["outcome"]["status"], code) == ("escalated", 0)
    assert "whether refund took effect is unknown" in done["outcome"]["cause"]
    # The original knows nothing of it.
    assert ask("approvals", "show", id_, "--home", home / "refunds")[0]["status"] == "pending"


def test_home_is_found_by_its_workspace_and_the_way_back_is_told(cli, waiting, workspace, tmp_path):
    result = cli("backup", workspace, tmp_path / "copy")
    assert result.exit_code == 0
    told = " ".join(result.stderr.split())
    assert f"concertmaster restore {tmp_path / 'copy'} {home_of(workspace)}" in told
    assert "without users" in told


def test_nothing_is_written_over(cli, waiting, home, tmp_path):
    (tmp_path / "there").mkdir()
    result = cli("backup", home / "refunds", tmp_path / "there")
    assert result.exit_code == 2
    assert list((tmp_path / "there").iterdir()) == []
    inside = cli("backup", home / "refunds", home / "refunds" / "copy")
    assert inside.exit_code == 2
    assert not (home / "refunds" / "copy").exists()


def test_home_in_use_is_not_copied(waiting, home, tmp_path):
    with (home / "refunds" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HomeBusy):
            asyncio.run(back_up(home / "refunds", tmp_path / "copy", wait=0.1))
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_what_is_no_home_is_told(cli, tmp_path, source):
    assert cli("backup", tmp_path / source, tmp_path / "copy").exit_code in (3, 4)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def signed_in(home):
    """Return the store of users as a server has it open, olga's key, cookie and code."""
    store = UserStore.open()

    async def begin() -> tuple[str, str, str]:
        await store.add(OLGA, by="root")
        key = (await store.keys.create("olga", by="root"))[1]
        sessions = Sessions(store.file, store.resolve)
        cookie = await sessions.begin(OLGA)
        return key, cookie, await Codes(store).create("olga", by="root")

    yield store, *asyncio.run(begin())
    store.close()


def lose(*places: Path) -> None:
    for place in places:
        for path in place.parent.glob(f"{place.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_users_are_in_a_backup_and_come_back_with_it(ask, waiting, signed_in, home, tmp_path):
    _, key, cookie, code = signed_in
    target = tmp_path / "monday"
    made, _ = ask("backup", home / "refunds", target)
    assert made["users"] == str(users_path())
    assert (mode(target), mode(target / "users.db")) == (0o700, 0o600)
    assert list(target.glob("users.db*")) == [target / "users.db"]
    lose(home / "refunds", users_path())
    done, exit_code = ask("restore", target, home / "refunds", "--as", "dora")
    assert (exit_code, done["users"], done["users_kept"]) == (0, str(users_path()), False)
    assert mode(users_path()) == 0o600
    assert not list((home / "refunds").glob("users.db*"))
    again = UserStore.open()
    try:
        assert again.resolve("olga") == OLGA
        assert asyncio.run(again.keys.check(key)) == OLGA
        # Nobody is signed in by an old copy.
        sessions = Sessions(again.file, again.resolve)
        assert asyncio.run(sessions.find(cookie)) is None
        with pytest.raises(Unauthenticated):
            asyncio.run(Codes(again).sign_in(code))
        assert (again.changes()[-1].what, again.changes()[-1].by) == (
            "put back from a copy",
            "dora",
        )
    finally:
        again.close()


def test_secrets_of_sessions_are_not_in_the_copy(signed_in, home, tmp_path):
    """Not even in what SQLite has deleted and not written over."""
    store = signed_in[0]
    digests = [bytes(row["digest"]) for row in store.file.rows("SELECT digest FROM sessions")]
    digests += [bytes(row["digest"]) for row in store.file.rows("SELECT digest FROM codes")]
    assert len(digests) == 2
    snapshot(users_path(), tmp_path / "copy.db")
    copied = (tmp_path / "copy.db").read_bytes()
    assert not [digest for digest in digests if digest in copied]
    key = store.file.row("SELECT digest FROM api_keys")
    assert bytes(key["digest"]) in copied
    # The original is as it was, and a second copy writes over nothing.
    assert len(store.file.rows("SELECT digest FROM sessions")) == 1
    with pytest.raises(FileExistsError):
        snapshot(users_path(), tmp_path / "copy.db")


def test_backup_has_what_is_committed_and_nothing_of_a_change_that_is_under_way(
    ask, waiting, signed_in, home, tmp_path
):
    writer = sqlite3.connect(users_path(), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE users SET disabled = 1")
    made, code = ask("backup", home / "refunds", tmp_path / "copy")
    writer.execute("ROLLBACK")
    writer.close()
    assert code == 0
    with closing(sqlite3.connect(Path(made["target"]) / "users.db")) as copy:
        assert copy.execute("SELECT id, disabled FROM users").fetchall() == [("olga", 0)]


def test_file_of_users_that_is_there_stays(cli, ask, waiting, signed_in, home, tmp_path):
    """Who was disabled since the backup is not let in again by it."""
    ask("backup", home / "refunds", tmp_path / "copy")
    ask("users", "disable", "olga")
    lose(home / "refunds")
    told = cli("restore", tmp_path / "copy", home / "refunds")
    assert (told.exit_code, "stays as it is" in told.stderr) == (0, True)
    assert signed_in[0].resolve("olga") is None


def test_backup_without_users_is_put_back(cli, ask, waiting, workspace, home, tmp_path):
    """As older releases made them, and where nobody was ever added."""
    made, _ = ask("backup", home / "refunds", tmp_path / "copy")
    assert made["users"] is None
    lose(home / "refunds")
    done, code = ask("restore", tmp_path / "copy", workspace)
    assert (code, done["users"], done["users_kept"]) == (0, None, False)
    assert done["home"] == str(home / "refunds")
    assert not users_path().exists()
    listed, _ = ask("approvals", "list")
    assert [a["id"] for a in listed] == [waiting[1]]
    lose(home / "refunds")
    assert "holds no users" in cli("restore", tmp_path / "copy", home / "refunds").stderr


def test_approval_in_a_home_that_was_put_back_is_no_reason_to_pay_again(
    ask, waiting, home, tmp_path
):
    ask("backup", home / "refunds", tmp_path / "copy")
    lose(home / "refunds")
    ask("restore", tmp_path / "copy", home / "refunds")
    done, _ = ask("approvals", "approve", waiting[1], "--as", "li")
    assert "whether refund took effect is unknown" in done["outcome"]["cause"]


def test_users_are_left_out_where_that_is_asked_for(ask, waiting, signed_in, home, tmp_path):
    made, _ = ask("backup", home / "refunds", tmp_path / "without", "--no-users")
    assert (made["users"], (tmp_path / "without" / "users.db").exists()) == (None, False)
    ask("backup", home / "refunds", tmp_path / "with")
    lose(home / "refunds")
    other = tmp_path / "other" / "users.db"
    ask("restore", tmp_path / "with", home / "refunds", "--no-users", "--users", other)
    assert not other.exists()
    lose(home / "refunds")
    ask("restore", tmp_path / "with", home / "refunds", "--users", other)
    assert mode(other) == 0o600


def test_users_beside_the_only_home_are_copied_as_of_one_moment_too(
    ask, cli, waiting, home, tmp_path, monkeypatch
):
    """Where CONCERTMASTER_HOME is a home itself, users.db lies in it."""
    only = home / "refunds"
    monkeypatch.setenv("CONCERTMASTER_HOME", str(only))
    cli("users", "add", "olga")
    made, code = ask("backup", only, tmp_path / "copy")
    assert (code, made["users"]) == (0, str(only / "users.db"))
    assert sorted(f.name for f in (tmp_path / "copy").glob("users.db*")) == ["users.db"]
    lose(only)
    ask("restore", tmp_path / "copy", only)
    assert ask("users", "list")[0][0]["id"] == "olga"


def test_nothing_is_put_back_over_a_home_or_from_what_is_no_backup(
    cli, ask, waiting, home, tmp_path
):
    ask("backup", home / "refunds", tmp_path / "copy")
    assert cli("restore", tmp_path / "copy", home / "refunds").exit_code == 2
    assert cli("restore", tmp_path, tmp_path / "new").exit_code == 4
    assert cli("restore", tmp_path / "copy", tmp_path / "copy" / "in").exit_code == 2
    assert not (tmp_path / "new").exists()
    assert cli("backup", home / "refunds", tmp_path / "b", "--users", "nowhere.db").exit_code == 2
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("file", ["concertmaster.sqlite3", "users.db"])
def test_damaged_backup_is_told_before_anything_is_put_back(
    cli, ask, waiting, signed_in, home, tmp_path, file
):
    ask("backup", home / "refunds", tmp_path / "copy")
    damaged = tmp_path / "copy" / file
    content = bytearray(damaged.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    damaged.write_bytes(content)
    told = cli("restore", tmp_path / "copy", tmp_path / "new", "--users", tmp_path / "u.db")
    assert (told.exit_code, "damaged" in told.stderr) == (4, True), told.stderr
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "u.db").exists()


def test_file_that_holds_no_users_is_no_snapshot(tmp_path, waiting, home):
    with pytest.raises(StorageError):
        snapshot(home / "refunds" / "concertmaster.sqlite3", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
