import asyncio
import sqlite3
import stat
import subprocess
import sys

import pytest

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, HomeVersion, StorageError, UnknownPrincipal
from concertmaster.serving.identity import UserStore
from concertmaster.serving.identity.user_file import users_path

ANA = Principal(id="ana", name="Ana", roles=("customer",), groups=("north",), tenant="shop")


async def test_user_is_resolved_with_the_roles_of_now(store):
    await store.add(ANA, by="root")
    assert store.resolve("ana") == ANA
    await store.change("ana", by="root", roles=("staff", "staff"))
    assert store.resolve("ana") == ANA.model_copy(update={"roles": ("staff",)})
    assert store.resolve("ben") is None


async def test_disabled_user_is_nobody_until_enabled(store):
    await store.add(ANA, by="root")
    await store.disable("ana", by="root")
    assert store.resolve("ana") is None
    await store.disable("ana", by="root", disabled=False)
    assert store.resolve("ana") == ANA


async def test_other_process_sees_a_change_at_once(store, path):
    other = UserStore.open(path)
    try:
        await store.add(ANA, by="root")
        assert other.resolve("ana") == ANA
        await store.disable("ana", by="root")
        assert other.resolve("ana") is None
    finally:
        other.close()


async def test_id_that_differs_in_case_only_is_refused(store):
    await store.add(ANA, by="root")
    with pytest.raises(ConfigError, match="'ana' already"):
        await store.add(Principal(id="Ana"), by="root")
    assert store.resolve("Ana") is None


@pytest.mark.parametrize(
    "id_", ["corp:4711", "anonymous", "Concertmaster", "a b", "", "-x", "ana\n", "аna", "x" * 101]
)
async def test_id_of_somebody_else_cannot_be_a_users(store, id_):
    with pytest.raises((ConfigError, ValueError)):
        await store.add(Principal(id=id_), by="root")
    assert store.users() == []


@pytest.mark.parametrize("role", ["", "a b", "a,b", "x" * 101, "a\u202eb"])
async def test_name_that_is_none_is_refused(store, role):
    await store.add(ANA, by="root")
    with pytest.raises(ConfigError, match="cannot be a role"):
        await store.change("ana", by="root", roles=[role])
    assert store.resolve("ana") == ANA


async def test_roles_are_edited_in_one_step_whoever_else_edits(store, path):
    await store.add(ANA, by="root")
    other = UserStore.open(path)
    try:
        await asyncio.gather(
            *(
                (store, other)[n % 2].edit_names("ana", "roles", by="root", add=[f"r{n}"])
                for n in range(20)
            )
        )
    finally:
        other.close()
    assert set(store.get("ana").principal.roles) == {"customer", *(f"r{n}" for n in range(20))}


async def test_every_change_is_told_with_who_and_when(store):
    await store.add(ANA, by="root")
    await store.edit_names("ana", "roles", by="dora", add=["staff"], remove=["customer"])
    await store.edit_names("ana", "roles", by="dora", add=["staff"])
    await store.disable("ana", by="dora")
    told = store.changes("ana")
    assert [(c.by, c.what) for c in told] == [
        ("root", "added"),
        ("dora", "changed"),
        ("dora", "disabled"),
    ]
    assert told[1].detail == {"before": {"roles": ["customer"]}, "after": {"roles": ["staff"]}}
    assert all(change.at for change in told)


async def test_told_changes_cannot_be_changed_or_deleted(store, path):
    await store.add(ANA, by="root")
    for sql in ("UPDATE changes SET by = 'x'", "DELETE FROM changes"):
        with pytest.raises(StorageError, match="only ever added"):
            await store.file.write(lambda connection, sql=sql: connection.execute(sql))
    assert [c.by for c in store.changes()] == ["root"]


async def test_change_that_fails_is_not_told(store):
    await store.add(ANA, by="root")
    with pytest.raises(ConfigError):
        await store.add(ANA, by="mallory")
    with pytest.raises(UnknownPrincipal):
        await store.disable("ben", by="mallory")
    assert [c.by for c in store.changes()] == ["root"]


async def test_file_and_its_log_are_readable_by_their_owner_alone(store, path):
    await store.add(ANA, by="root")
    files = list(path.parent.glob("users.db*"))
    assert {f.name for f in files} >= {"users.db", "users.db-wal"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def test_file_that_others_may_read_is_made_private(path):
    UserStore.open(path).close()
    path.chmod(0o644)
    UserStore.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_lies_beside_the_homes(home):
    UserStore.open().close()
    assert users_path() == home / "users.db"
    assert users_path().is_file()


def test_file_of_a_newer_release_is_refused(path):
    UserStore.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_versions SET version = 99")
    connection.close()
    with pytest.raises(HomeVersion, match="version 99"):
        UserStore.open(path)


def test_file_that_is_no_database_is_told(path):
    path.write_text("no database " * 100)
    with pytest.raises(StorageError, match="damaged or is no"):
        UserStore.open(path)


def test_many_processes_may_begin_at_once(path):
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from concertmaster.contracts import Principal\n"
        "from concertmaster.serving.identity import UserStore\n"
        "store = UserStore.open(Path(sys.argv[1]))\n"
        "asyncio.run(store.add(Principal(id=sys.argv[2]), by='root'))\n"
        "store.close()\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    running = [
        subprocess.Popen([*command, f"u{n}"], stderr=subprocess.PIPE, text=True) for n in range(6)
    ]
    told = [process.communicate(timeout=60)[1] for process in running]
    assert [p.returncode for p in running] == [0] * 6, told
    store = UserStore.open(path)
    assert len(store.users()) == len(store.changes()) == 6
    store.close()
