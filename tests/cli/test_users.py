"""Users from the command line."""

import asyncio
import json
import os
import pty
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.identity import Codes, UserStore


@pytest.fixture
def store(home):
    """The store that the commands write, seen from another place, as a server does."""
    opened = UserStore.open()
    yield opened
    opened.close()


@pytest.fixture
def li(cli):
    assert cli("users", "add", "li", "--name", "Li Zhang", "--role", "finance").exit_code == 0


def whose(store, text):
    return asyncio.run(store.keys.check(text)).id


def test_user_is_added_listed_and_shown(cli, ask, li, store):
    assert store.resolve("li") == Principal(id="li", name="Li Zhang", roles=("finance",))
    assert "Li Zhang" in cli("users", "list").stdout
    (listed,), code = ask("users", "list")
    assert (listed["id"], listed["roles"], listed["keys"], code) == ("li", ["finance"], [], 0)
    shown = cli("users", "show", "li").stdout
    assert "finance" in shown
    assert "added by login:" in shown


def test_nobody_yet_is_told_with_the_next_step(cli, ask, home):
    assert "users add ID" in cli("users", "list").stderr
    assert ask("users", "list") == ([], 0)


@pytest.mark.parametrize("kind", ["roles", "groups"])
def test_roles_and_groups_are_added_removed_and_set(cli, ask, li, kind, store):
    def names(*arguments):
        return ask("users", kind, "li", *arguments)[0][kind]

    assert names("set", "a", "b") == ["a", "b"]
    assert names("add", "c", "a") == ["a", "b", "c"]
    assert names("remove", "a", "z") == ["b", "c"]
    assert getattr(store.resolve("li"), kind) == ("b", "c")
    assert "a, b, c → b, c" in cli("users", "show", "li").stdout
    assert "nothing changed" in cli("users", kind, "li", "add", "b").stderr
    assert names("set") == []
    assert f"has no {kind}" in cli("users", kind, "li", "set").stdout


def test_key_is_printed_once_and_alone_on_standard_output(cli, ask, li, store):
    made = cli("users", "key", "create", "li", "--expires", "90d", "--note", "laptop")
    text = made.stdout.strip()
    assert whose(store, text) == "li"
    assert text not in made.stderr
    assert "not shown again" in made.stderr
    for command in (["key", "list"], ["key", "list", "li"], ["show", "li"], ["list"]):
        for told in (cli("users", *command), cli("users", *command, "--json")):
            assert text[16:] not in told.stdout + told.stderr
    (key,), _ = ask("users", "key", "list", "li")
    assert key["note"] == "laptop"
    assert key["expires"] > key["created"]
    assert "good until" in cli("users", "key", "list").stdout


def test_key_in_json_has_its_text(ask, li, store):
    made, _ = ask("users", "key", "create", "li")
    assert whose(store, made["text"]) == "li"
    assert made["expires"] is None


@pytest.mark.parametrize("by", ["id", "text", "user"])
def test_revoked_key_is_refused_by_a_running_server(cli, ask, li, store, by):
    made, _ = ask("users", "key", "create", "li")
    assert whose(store, made["text"]) == "li"
    told = cli("users", "revoke", {"id": made["id"], "text": made["text"], "user": "li"}[by])
    assert f"{made['id']} of li is revoked" in told.stdout
    with pytest.raises(Unauthenticated, match="revoked"):
        whose(store, made["text"])
    assert "no key was good" in cli("users", "revoke", "li").stderr
    assert "revoked 20" in cli("users", "key", "list").stdout


def test_disabled_user_is_refused_by_a_running_server_until_enabled(cli, ask, li, store):
    made, _ = ask("users", "key", "create", "li")
    assert cli("users", "disable", "li", "--as", "dora").exit_code == 0
    assert store.resolve("li") is None
    assert "li (disabled)" in cli("users", "list").stdout
    assert "disabled by dora" in cli("users", "show", "li").stdout
    with pytest.raises(Unauthenticated, match="disabled"):
        whose(store, made["text"])
    assert ask("users", "enable", "li") == ({"id": "li", "disabled": False}, 0)
    assert whose(store, made["text"]) == "li"


def test_removed_user_is_gone_and_the_id_is_kept_from_others(cli, ask, li, store):
    made, _ = ask("users", "key", "create", "li", "--note", "lis laptop")
    done, code = ask("users", "remove", "li", "--yes", "--as", "dora")
    assert (code, done["removed"], done["keys"]) == (0, True, 1)
    assert store.resolve("li") is None
    with pytest.raises(Unauthenticated, match="not known"):
        whose(store, made["text"])
    assert cli("users", "show", "li").exit_code == 2
    told = cli("users", "log").stdout
    assert f"{done['logged_as']}  removed by dora" in told
    assert "Li Zhang" not in told
    for id_ in ("li", "LI"):
        refused = cli("users", "add", id_)
        assert (refused.exit_code, "--again" in refused.stderr) == (2, True)
    assert cli("users", "add", "li", "--again").exit_code == 0
    assert store.resolve("li").roles == ()


def test_who_is_removed_with_a_server_beside_it_is_told_what_may_be_left(cli, li, store):
    reader = sqlite3.connect(store.file.path)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM users").fetchall()
    told = cli("users", "remove", "li", "--yes")
    reader.close()
    assert (told.exit_code, "until it is closed" in told.stderr) == (0, True)
    assert "audit erase" in told.stderr


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("y\n", 0), ("\x04", 130)])
def test_somebody_at_a_terminal_is_asked_first(li, store, answer, code):
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        command = [sys.executable, "-m", "concertmaster", "users", "remove", "li"]
        done = subprocess.run(
            command, check=False, stdin=theirs, capture_output=True, text=True, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert "Remove li for good?" in done.stderr
    assert (store.find("li") is None) == (code == 0)


def test_removed_people_are_left_out_of_an_import(cli, ask, workspace, store):
    ask("users", "import", workspace)
    ask("users", "remove", "mo", "--yes")
    done, code = ask("users", "import", workspace)
    assert (done["added"], done["removed"], code) == ([], ["mo"], 0)
    assert "left out: mo" in cli("users", "import", workspace).stderr
    assert store.resolve("mo") is None


def test_code_signs_in_once(ask, cli, li, store):
    made = cli("users", "code", "li")
    signed_in = asyncio.run(Codes(store).sign_in(made.stdout))
    assert (signed_in.id, "good once" in made.stderr) == ("li", True)
    with pytest.raises(Unauthenticated):
        asyncio.run(Codes(store).sign_in(made.stdout))


def test_people_of_a_workspace_become_users_and_stay_as_they_are(cli, ask, workspace, store):
    cli("users", "add", "li", "--role", "auditor")
    done, code = ask("users", "import", workspace)
    told = {"added": ["ana", "ben", "reader", "mo"], "there": ["li"], "removed": []}
    assert (done, code) == (told, 0)
    assert store.resolve("mo").roles == ("finance",)
    assert store.resolve("li").roles == ("auditor",)
    assert "added: nobody" in cli("users", "import", workspace).stdout


def test_log_tells_who_changed_what_of_whom(cli, ask, li):
    assert ask("users", "log")[0][0]["subject"] == "li"
    cli("users", "roles", "li", "add", "manager", "--as", "dora")
    told = cli("users", "log").stdout
    assert "li  changed by dora: roles finance → finance, manager" in told
    assert "added" not in cli("users", "log", "--last", "1").stdout


def test_id_that_is_none_imports_nobody(cli, workspace, store):
    file = workspace / "principals.yaml"
    file.write_text(file.read_text() + "  - {id: 'corp:7', roles: [finance]}\n")
    refused = cli("users", "import", workspace)
    assert (refused.exit_code, "'corp:7' cannot be" in refused.stderr) == (2, True)
    assert store.users() == []


@pytest.mark.parametrize(
    "content", [None, "principals: 7", "principals: [{id: x, secret: y}]", "["]
)
def test_workspace_without_people_is_told(cli, tmp_path, content):
    if content is not None:
        (tmp_path / "principals.yaml").write_text(content)
    told = cli("users", "import", tmp_path)
    assert (told.exit_code, "cannot be read" in told.stderr) == (3, True)


def test_whom_tokens_named_is_listed_and_can_be_disabled(cli, ask, store):
    assert "no token" in cli("users", "list", "--tokens").stderr
    person = Principal(id="corp:4711", roles=("customer",))
    asyncio.run(store.seen.keep(person, issued=1.0, seconds=3600))
    (named,), _ = ask("users", "list", "--tokens")
    assert named["principal"]["id"] == "corp:4711"
    assert cli("users", "disable", "corp:4711").exit_code == 0
    assert "disabled" in cli("users", "list", "--tokens").stdout
    assert store.resolve("corp:4711") is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nobody"), "users list"),
        (("disable", "nobody"), "users list"),
        (("remove", "nobody", "--yes"), "users list"),
        (("remove", "li"), "add --yes"),
        (("remove", "li", "--json"), "add --yes"),
        (("roles", "nobody", "add", "x"), "users list"),
        (("roles", "li", "add"), "roles li add NAME"),
        (("roles", "li", "add", "a b"), "cannot be a role"),
        (("groups", "li", "give", "x"), "Invalid value"),
        (("add", "li"), "'li' already"),
        (("add", "LI"), "'li' already"),
        (("add", "corp:li"), "ASCII letters"),
        (("add", "anonymous"), "not anonymous"),
        (("add", ""), "cannot be the id"),
        (("key", "create", "nobody"), "users add"),
        (("key", "create", "li", "--expires", "soon"), "write 30m"),
        (("key", "create", "li", "--expires", "0d"), "write 30m"),
        (("key", "list", "nobody"), "users list"),
        (("revoke", "apikey-00000000"), "no key or user"),
        (("code", "nobody"), "users list"),
    ],
)
def test_what_cannot_be_is_refused_in_words(cli, li, store, arguments, told):
    before = store.changes()
    result = cli("users", *arguments)
    assert (result.exit_code, told in result.stderr) == (2, True), result.stderr
    assert store.changes() == before


def test_file_of_users_can_be_named_and_is_private(cli, tmp_path, home):
    file = tmp_path / "people" / "users.db"
    assert cli("users", "add", "li", "--users", file).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (home / "users.db").exists()
    assert "li" in cli("users", "list", "--users", file).stdout


def test_wrong_key_is_not_repeated(cli, home):
    told = cli("users", "revoke", "cm_0123456789ab_some-secret-that-was-cut", "--json")
    assert told.exit_code == 2
    assert "secret" not in told.stdout + told.stderr


def test_control_characters_of_a_name_are_shown_not_obeyed(cli, home):
    cli("users", "add", "li", "--name", "Li\x1b[2J")
    for command in ("list", "show"):
        told = cli("users", command, *(["li"] if command == "show" else []))
        assert "\x1b" not in told.stdout


def test_tables_fit_eighty_columns(cli, home, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    roles = [part for n in range(9) for part in ("--role", f"department-{n}")]
    cli("users", "add", "somebody.with.a.long.name", "--name", "A Quite Long Name", *roles)
    cli("users", "key", "create", "somebody.with.a.long.name", "--note", "x" * 60)
    for command in (["list"], ["key", "list"]):
        assert max(map(len, cli("users", *command).stdout.splitlines())) <= 80


def test_users_need_no_server(process, home):
    """The commands work where the server's libraries are not installed."""
    program = (
        "import sys\n"
        "for name in ('fastapi', 'starlette', 'jwt', 'uvicorn'): sys.modules[name] = None\n"
        "sys.argv = ['concertmaster', 'users', 'add', 'li']\n"
        "from concertmaster.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, "li is added" in done.stdout) == (0, True), done.stderr
    assert json.loads(process("users", "list", "--json").stdout)[0]["id"] == "li"


@pytest.mark.parametrize(
    "command",
    [
        *("add", "list", "show", "disable", "enable", "remove", "roles", "groups"),
        *("key create", "key list", "revoke", "code", "import", "log"),
    ],
)
def test_help_of_every_command_shows_an_example(cli, command):
    told = " ".join(cli("users", *command.split(), "--help").stdout.split())
    assert f"Example: concertmaster users {command}" in told


@pytest.mark.parametrize("how", ["disabled", "removed", "forgotten"])
async def test_waiting_run_of_somebody_who_may_not_any_more_is_refused(workspace, home, how):
    """Approved or not: what counts is who the requester is when the run is resumed."""
    present = [datetime.now(UTC)]
    store = UserStore.open(clock=lambda: present[0])
    await store.add(Principal(id="li", roles=("finance",)), by="root")
    ana = Principal(id="corp:ana", roles=("customer",))
    if how != "forgotten":
        ana = ana.model_copy(update={"id": "ana"})
        await store.add(ana, by="root")
    else:
        await store.seen.keep(ana, issued=1.0, seconds=3600)
    try:
        async with cm.open(workspace, resolve=store.resolve) as desk:
            run = await desk.run("refund 80 euros for order 1042", principal=ana, thread="t-1")
            assert run.status == "awaiting_review"
            if how == "disabled":
                await store.disable("ana", by="root")
            elif how == "removed":
                await store.remove("ana", by="root")
            else:
                present[0] += timedelta(hours=1)
            run = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
            assert run.status == "refused", run.outcome
            assert run.outcome.text
            assert not await desk.services.carrier.ledger.effects(run.id)
    finally:
        store.close()
