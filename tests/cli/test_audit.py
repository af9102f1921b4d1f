"""The trail from the command line: verified, exported, told, erased, its keys rotated."""

import json
import sqlite3

import pytest

from concertmaster.cli.places import home_of


@pytest.fixture
def done(cli, ask, waiting):
    """Return the id of a run that was approved and ended."""
    run, id_ = waiting
    assert cli("approvals", "approve", id_, "--as", "li", "-r", "both seen").exit_code == 0
    return run["run"]


@pytest.fixture
def place(done, workspace):
    return home_of(workspace)


def tamper(place, sql):
    connection = sqlite3.connect(place / "concertmaster.sqlite3")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(sql).rowcount
    connection.commit()
    connection.close()


def test_whole_trail_tells_how_far_heads_vouch(cli, ask, place):
    result = cli("audit", "verify")
    assert result.exit_code == 0
    assert "refunds: whole, " in result.stdout
    assert "signed heads vouch up to event" in result.stdout
    ((found,), code) = ask("audit", "verify")
    (stream,) = found["streams"]
    assert (code, found["whole"], stream["findings"], stream["problems"]) == (0, True, [], [])
    assert stream["signed"] == stream["events"] > 10


def test_changed_event_is_named_with_place_id_type_and_time(cli, ask, place):
    tamper(place, "UPDATE audit_events SET envelope = replace(envelope, 'both', 'none')"
                  " WHERE type = 'concertmaster.approval.answered'")  # fmt: skip
    result = cli("audit", "verify", "--home", place)
    assert result.exit_code == 1
    ((found,), code) = ask("audit", "verify")
    (finding,) = found["streams"][0]["findings"]
    assert (code, finding["fault"]) == (1, "changed")
    assert finding["type"] == "concertmaster.approval.answered"
    line = next(line for line in result.stdout.splitlines() if "changed" in line)
    for known in (str(finding["n"]), finding["event"], "approval.answered", finding["time"]):
        assert known in line


def test_cut_off_end_shows_by_the_heads(cli, place):
    tamper(place, "DELETE FROM audit_events WHERE seq > 5")
    tamper(place, "DELETE FROM audit_links WHERE n > 5")
    result = cli("audit", "verify")
    assert result.exit_code == 1
    assert "the stream ends at event 5" in result.stdout


def test_heads_and_keys_may_lie_elsewhere(cli, place, tmp_path):
    (place / "audit" / "heads.jsonl").rename(tmp_path / "kept.jsonl")
    (place / "keys").rename(tmp_path / "keys")
    assert cli("audit", "verify").exit_code == 1
    where = ("--heads", tmp_path / "kept.jsonl", "--keys", tmp_path / "keys")
    assert cli("audit", "verify", *where).exit_code == 0


def test_damaged_home_is_not_whole(cli, ask, place):
    (place / "concertmaster.sqlite3").write_bytes(b"no database" * 1000)
    ((found,), code) = ask("audit", "verify")
    assert (code, found["whole"]) == (1, False)
    assert "damaged" in found["error"]
    assert "damaged" in cli("audit", "verify").stdout


def test_export_is_verified_by_itself(cli, ask, done, place, tmp_path):
    file = tmp_path / "piece.jsonl"
    result = cli("audit", "export", "--run", done, "--out", file)
    assert result.exit_code == 0
    assert "events exported; signed heads vouch for" in result.stderr
    assert cli("audit", "verify", "--export", file).exit_code == 0
    (place / "keys").rename(tmp_path / "keys")
    assert cli("audit", "verify", "--export", file, "--keys", tmp_path / "keys").exit_code == 0
    file.write_text(file.read_text().replace("both seen", "both sean"))
    result = cli("audit", "verify", "--export", file, "--keys", tmp_path / "keys")
    assert result.exit_code == 1
    assert "approval.answered" in result.stdout


def test_export_goes_to_standard_output(cli, place):
    result = cli("audit", "export", "--type", "effect", "--since", "2020-01-01")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    events = [line for line in lines if "data" in line]
    assert {e["type"] for e in events} == {
        "concertmaster.effect.intended",
        "concertmaster.effect.done",
    }
    assert cli("audit", "export", "--until", "2020-01-01").stdout == ""


@pytest.mark.parametrize(
    "wrong",
    [("--since", "soon"), ("--type", "effects"), ("--out", "/nowhere/at/all")],
)
def test_wrong_export_is_told(cli, place, wrong):
    assert cli("audit", "export", *wrong).exit_code == 2


def test_missing_export_file_is_told(cli, place, tmp_path):
    assert cli("audit", "verify", "--export", tmp_path / "none").exit_code == 2


def test_why_tells_the_run_in_sentences(cli, ask, done):
    result = cli("audit", "why", done)
    assert result.exit_code == 0
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    words = " ".join(result.stdout.split())
    for told in (
        "ana asked: “refund 80 euros for order 1042”.",
        "The executor proposed refund",
        "Rule refunds.large sent refund to somebody with the role finance:"
        " refunds over 50.00 go to finance.",
        "li, as finance, approved it with the words “both seen”.",
        "refund took effect.",
        "The run ended as answered. It took 2 tool calls and no model.",
    ):
        assert told in words
    sentences, code = ask("audit", "why", done)
    assert code == 0
    assert " ".join(s["text"] for s in sentences) == words
    assert all(s["event"].startswith("evt-") for s in sentences)
    assert cli("audit", "why", "run-none").exit_code == 2


def test_erased_thread_is_gone_and_the_trail_is_whole(cli, ask, done, place, workspace):
    with (workspace / "principals.yaml").open("a") as file:
        file.write("  - {id: olga, roles: [ops]}\n")
    assert cli("audit", "erase", "t-1", "--as", "li", "--why", "ticket 7").exit_code == 5
    assert (
        cli("audit", "erase", "t-9", "--as", "olga", "--why", "t", "--home", place / "x").exit_code
        == 4
    )
    result, code = ask("audit", "erase", "t-1", "--as", "olga", "--why", "ticket 7")
    assert (code, result["runs"], result["purged"]) == (0, 1, True)
    assert cli("audit", "why", done).exit_code == 2
    assert cli("threads", "show", "t-1").exit_code == 2
    ((found,), code) = ask("audit", "verify")
    (stream,) = found["streams"]
    assert (code, found["whole"], stream["erased"]) == (0, True, result["events"])
    assert stream["signed"] == stream["events"]
    again = cli("audit", "erase", "t-1", "--as", "olga", "--why", "ticket 7")
    assert "0 runs, 0 events" in again.stdout


def test_waiting_thread_is_erased_with_force(cli, waiting):
    refused = cli("audit", "erase", "t-1", "--as", "ana", "--why", "asked for it")
    assert refused.exit_code == 2
    assert "awaiting review" in refused.stderr
    forced = cli("audit", "erase", "t-1", "--as", "ana", "--why", "asked for it", "--force")
    assert forced.exit_code == 0
    assert "approvals" not in cli("approvals", "list").stdout


def test_keys_are_shown_and_rotated(cli, ask, place):
    ((before,), _) = ask("audit", "keys", "show")
    assert before["signs"]
    assert before["heads"] >= 1
    rotated, code = ask("audit", "keys", "rotate", "--as", "olga", "--why", "yearly")
    assert (code, rotated["former"]) == (0, before["id"])
    (old, new), _ = ask("audit", "keys", "show")
    assert [old["signs"], new["signs"]] == [False, True]
    assert new["id"] == rotated["key"]
    assert new["since"] > old["since"]
    assert cli("audit", "verify").exit_code == 0
    assert "audit.rotated" in cli("audit", "show", "--type", "audit").stdout
    assert "signs now" in cli("audit", "keys", "show").stdout


def test_backup_leaves_the_private_key_out_unless_it_is_asked_for(cli, place, tmp_path):
    assert cli("backup", place, tmp_path / "one").exit_code == 0
    assert cli("backup", place, tmp_path / "two", "--private-key").exit_code == 0
    assert not (tmp_path / "one" / "keys" / "audit.key").exists()
    assert (tmp_path / "two" / "keys" / "audit.key").exists()
    assert cli("audit", "verify", "--home", tmp_path / "one").exit_code == 0
