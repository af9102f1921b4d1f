"""`concertmaster doctor`: findings in words, for people at 80 columns and for machines."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from concertmaster.cli.app import app
from concertmaster.cli.places import home_of

FILE = "concertmaster.sqlite3"
PAST = "2026-01-01T00:00:00.000000+00:00"


def change(place: Path, sql: str, *values: object, file: str = FILE) -> None:
    connection = sqlite3.connect(place / file)
    try:
        assert connection.execute(sql, values).rowcount, sql
        connection.commit()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def played(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a copy of the sample desk and a home in which its conversations were played."""
    folder = tmp_path_factory.mktemp("played")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "examples" / "support_desk", folder / "desk", ignore=ignored)
    done = CliRunner().invoke(
        app, ["demo", str(folder / "desk"), "--fast", "--home", str(folder / "home")]
    )
    assert done.exit_code == 0, done.output
    return folder / "desk", folder / "home"


@pytest.fixture
def sample(played: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Return copies of both that may be damaged."""
    for path, name in zip(played, ("desk", "copy"), strict=True):
        shutil.copytree(path, tmp_path / name)
    (tmp_path / "copy" / "epoch").unlink()  # So that it is not told from the original.
    return tmp_path / "desk", tmp_path / "copy"


def codes(document) -> set[str]:
    return {f["code"] for home in document["homes"] for f in home["findings"]} - {"file.epoch"}


def test_home_of_the_sample_conversations_has_no_finding(ask, cli, played):
    desk, home = played
    document, code = ask("doctor", desk, "--home", home)
    assert (code, document["healthy"]) == (0, True)
    assert [place["findings"] for place in document["homes"]] == [[]]
    assert (
        "nothing is stuck, in doubt, overdue or inconsistent"
        in cli("doctor", "--home", home).stdout
    )


def test_intent_model_of_other_utterances(ask, sample):
    desk, home = sample
    assert codes(ask("doctor", desk, "--home", home)[0]) == set()
    intents = desk / "intents.yaml"
    text = intents.read_text()
    assert "utterances:\n" in text
    intents.write_text(text.replace("utterances:\n", "utterances:\n      - quark?\n", 1))
    document, code = ask("doctor", desk, "--home", home)
    assert (codes(document), code) == ({"intents.outdated"}, 0)
    (home / "intents" / "model.npz").write_bytes(b"PK")
    assert codes(ask("doctor", desk, "--home", home)[0]) == {"intents.outdated"}


def test_index_of_another_embedding_or_damaged(ask, sample):
    desk, home = sample
    index = "index/knowledge.sqlite3"
    change(home, "UPDATE meta SET value = 'other' WHERE key = 'embedding'", file=index)
    document, code = ask("doctor", desk, "--home", home)
    assert (codes(document), code) == ({"index.embedding"}, 0)
    (finding,) = (f for f in document["homes"][0]["findings"] if f["code"] == "index.embedding")
    assert finding["command"].startswith(f"concertmaster ingest {desk} --rebuild")
    change(home, "UPDATE meta SET value = 'all-MiniLM-L6-v2-int8' WHERE key = 'embedding'",
           file=index)  # fmt: skip
    change(home, "UPDATE passages SET state = 0", file=index)
    assert codes(ask("doctor", desk, "--home", home)[0]) == {"index.unfinished"}
    (home / index).write_bytes(b"no index" * 1000)
    document, code = ask("doctor", desk, "--home", home)
    assert (codes(document), code) == ({"index.damaged"}, 1)


def test_healthy_homes_are_found_by_themselves(cli, ask, waiting, workspace):
    document, code = ask("doctor")
    assert (code, document["healthy"], len(document["homes"])) == (0, True, 1)
    assert ask("doctor", workspace) == (document, 0)


def test_problem_is_told_with_what_since_when_and_the_command(cli, ask, waiting, workspace):
    _, id_ = waiting
    place = home_of(workspace)
    change(place, "UPDATE approvals SET record = json_set(record, '$.due', ?,"
           " '$.deadline', json('{\"seconds\": 60.0, \"then\": \"reject\"}'))", PAST)  # fmt: skip
    result = cli("doctor", workspace)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1] == f"  problem    approval {id_}  approval.overdue"
    assert "Since 2026-01-01 00:00 UTC" in " ".join(line.strip() for line in lines)
    assert lines[-1] == "    concertmaster approvals sweep"
    assert "1 problem, 0 for attention, 0 notes" in result.stderr
    document, code = ask("doctor", workspace)
    assert (code, document["healthy"]) == (1, False)
    (finding,) = document["homes"][0]["findings"]
    assert finding["severity"] == "problem"
    assert (finding["kind"], finding["id"], finding["since"]) == ("approval", id_, PAST)
    # The command mends it.
    assert cli(*finding["command"].split()[1:]).exit_code == 0
    assert cli("doctor", workspace).exit_code == 0


def test_lines_fit_80_columns(cli, waiting, workspace, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    place = home_of(workspace)
    change(place, "DELETE FROM runs")
    (workspace / "workflow.yaml").unlink()
    (place / "lock").unlink()
    lines = cli("doctor", "--home", place).stdout.splitlines()
    # Commands and paths stay whole.
    commands = ("    concertmaster", "    cp ", "/")
    told = [ln for ln in lines if not ln.startswith(commands) and str(place) not in ln]
    assert len(told) > 8
    assert max(map(len, told)) <= 80


def test_home_whose_database_is_gone_is_found_and_told(cli, ask, waiting, workspace):
    place = home_of(workspace)
    for end in ("", "-wal", "-shm"):
        (place / f"{FILE}{end}").unlink(missing_ok=True)
    for arguments in ((), (workspace,), ("--home", place)):
        document, code = ask("doctor", *arguments)
        assert (codes(document), code) == ({"file.database"}, 1)
    assert "is not there" in cli("doctor").stdout


def test_damaged_home_hides_no_other(ask, waiting, workspace, home):
    shutil.copytree(home_of(workspace), home / "other")
    (home / "other" / FILE).write_bytes(b"no database" * 1000)
    (home / "other" / "epoch").unlink()
    document, code = ask("doctor")
    assert (code, len(document["homes"])) == (1, 2)
    assert sorted(h["healthy"] for h in document["homes"]) == [False, True]


def test_text_for_terminals_obeys_nothing_in_ids(cli, waiting, workspace):
    place = home_of(workspace)
    change(place, "INSERT INTO checkpoints SELECT ?, checkpoint_ns, checkpoint_id,"
           " parent_checkpoint_id, type, checkpoint, metadata FROM checkpoints LIMIT 1",
           "t\x1b[2J\nproblem")  # fmt: skip
    result = cli("doctor", workspace)
    assert "left.rows" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\nproblem" not in result.stdout


def test_where_nothing_is_there_it_says_so(cli, workspace, tmp_path):
    result = cli("doctor")
    assert result.exit_code == 4
    assert "there is no home directory" in result.stderr
    assert cli("doctor", workspace).exit_code == 4
    assert cli("doctor", "--home", tmp_path / "nowhere").exit_code == 4
    assert cli("doctor", tmp_path).exit_code == 3


def test_call_in_doubt_is_settled_with_the_command_that_is_named(cli, ask, workspace, process):
    tools = workspace / "tools.py"
    text = tools.read_text().replace(
        '    "Pay money back."\n',
        '    "Pay money back."\n    import os\n    os.kill(os.getpid(), 9)\n',
    )
    tools.write_text(text)
    principals = workspace / "principals.yaml"
    principals.write_text(principals.read_text() + "  - {id: olga, roles: [ops]}\n")
    text = "refund 20 euros for order 1042"
    assert process("run", workspace, text, "--as", "ana").returncode == -9
    document, code = ask("doctor", workspace)
    assert (codes(document), code) == ({"run.abandoned", "call.in_doubt"}, 1)
    (recover,) = {f["command"] for f in document["homes"][0]["findings"]}
    assert process(*recover.split()[1:]).returncode == 0
    document, code = ask("doctor", workspace)
    assert (codes(document), code) == ({"call.in_doubt"}, 0)
    (finding,) = document["homes"][0]["findings"]
    settle = finding["command"].split()[1:]
    assert cli(*settle).exit_code == 2  # Nobody is called WHO.
    settle[settle.index("WHO")] = "li"
    assert cli(*settle).exit_code == 5
    settle[settle.index("li")] = "olga"
    result = cli(*settle)
    assert result.exit_code == 0, result.stderr
    assert "took effect, as olga found" in result.stderr
    assert cli(*settle).exit_code == 2
    assert codes(ask("doctor", workspace)[0]) == set()
    assert cli("audit", "verify").exit_code == 0


def test_commands_that_tell_of_a_run_do_so_also_if_its_row_is_gone(cli, ask, workspace):
    run, _ = ask("run", workspace, "refund 20 euros for order 1042", "--as", "ana")
    place = home_of(workspace)
    change(place, "DELETE FROM effects")
    change(place, "DELETE FROM runs")
    document, _ = ask("doctor", workspace)
    assert {"run.missing", "call.missing"} <= codes(document)
    for finding in document["homes"][0]["findings"]:
        if finding["code"] in ("run.missing", "call.missing"):
            told = cli(*finding["command"].split()[1:])
            assert told.exit_code == 0, told.stderr
            assert run["run"] in finding["command"]
            assert "concertmaster.effect.done" in told.stdout
