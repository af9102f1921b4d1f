import json
import sqlite3

import pytest

SMALL = "refund 20 euros for order 1042"


def test_timeline_tells_hops_decisions_calls_approvals_and_costs(cli, ask, waiting):
    _, id_ = waiting
    ask("approvals", "approve", id_, "--as", "li", "--reason", "both charges seen")
    text = " ".join(cli("threads", "show", "t-1").stdout.split())
    for part in (
        "ana: refund 80 euros for order 1042",
        "→ executor: because",
        "refund: review [refunds.large]: refunds over 50.00 go to finance",
        f"{id_} requested for refund(order_id=1042, amount_cents=8000)",
        f"{id_} approve by li as finance: both charges seen",
        "get_order done",
        "refund done",
        "answered: Refunded 80.00 EUR for order 1042.",
        "spent: 2 tool calls, no model",
    ):
        assert part in text


def test_timeline_names_the_evidence(cli, workspace):
    cli("run", workspace, "How long does a parcel take?", "--as", "reader", "-t", "t-2")
    text = " ".join(cli("threads", "show", "t-2").stdout.split())
    assert "evidence" in text
    assert "parcels (" in text


def test_timeline_fits_eighty_columns_without_colour(cli, workspace, monkeypatch):
    cli("run", workspace, SMALL, "--as", "ana", "-t", "t-1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("threads", "show", "t-1").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "\x1b" in line or line != line.rstrip()]


def test_last_runs_of_a_long_thread(ask, workspace):
    for order in (1, 2, 3):
        ask("run", workspace, f"refund 5 euros for order {order}", "--as", "ana", "-t", "t-1")
    shown, _ = ask("threads", "show", "t-1", "--last", "2")
    assert [r["text"][-7:] for r in shown["runs"]] == ["order 2", "order 3"]
    listed, _ = ask("threads", "list")
    assert [(t["id"], t["runs"], t["principal"]) for t in listed] == [("t-1", 3, "ana")]


def test_export_holds_runs_approvals_and_events_in_order(cli, waiting, tmp_path):
    file = tmp_path / "thread.jsonl"
    assert cli("threads", "export", "t-1", "--output", file).exit_code == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["kind"] for line in lines[:3]] == ["run", "approval", "event"]
    events = [line for line in lines if line["kind"] == "event"]
    assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)
    assert {"run.received", "policy.decided", "approval.requested"} <= {e["type"] for e in events}
    assert cli("threads", "export", "t-1").stdout == file.read_text()
    assert cli("threads", "export", "t-1", "--output", file).exit_code == 2


def test_unknown_thread_is_told(cli, ask, waiting):
    for command in ("show", "export"):
        result = cli("threads", command, "t-404")
        assert result.exit_code == 2
        assert "there is no thread 't-404'" in result.stderr
    assert ask("threads", "show", "t-404")[0]["error"]["code"] == "CM620"


@pytest.mark.parametrize(
    "command", [("threads", "list"), ("runs", "list"), ("approvals", "list"), ("audit", "show")]
)
def test_without_any_home_the_way_to_one_is_told(cli, command):
    result = cli(*command)
    assert result.exit_code == 4
    assert "concertmaster run" in result.stderr
    assert result.stdout == ""


def test_all_homes_are_looked_at_and_a_damaged_one_is_left_out(cli, ask, workspace, home):
    ask("run", workspace, SMALL, "--as", "ana", "-t", "t-1")
    (home / "broken").mkdir()
    (home / "broken" / "concertmaster.sqlite3").write_bytes(b"no database at all" * 100)
    result = cli("threads", "list")
    assert result.exit_code == 0
    assert "t-1" in result.stdout
    assert "is damaged" in result.stderr
    assert cli("threads", "list", "--home", home / "broken").exit_code == 4


def test_home_is_found_by_its_workspace(ask, cli, workspace, tmp_path):
    ask("run", workspace, SMALL, "--as", "ana", "-t", "t-1")
    assert [t["id"] for t in ask("threads", "list", "-w", workspace)[0]] == ["t-1"]
    assert cli("threads", "list", "-w", tmp_path).exit_code == 3


def test_reading_takes_no_lock_and_writes_nothing(cli, home, waiting):
    import fcntl

    with (home / "refunds" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = sqlite3.connect(home / "refunds/concertmaster.sqlite3")
        changes = before.execute("PRAGMA data_version").fetchone()
        for command in (("threads", "show", "t-1"), ("approvals", "list"), ("runs", "list")):
            assert cli(*command).exit_code == 0
        assert before.execute("PRAGMA data_version").fetchone() == changes
        before.close()


def test_events_are_chosen_by_run_type_and_family(ask, cli, waiting):
    run, _ = waiting
    hops, _ = ask("audit", "show", "--run", run["run"], "--type", "route.hop")
    assert {e["type"] for e in hops} == {"route.hop"}
    family, _ = ask("audit", "show", "--thread", "t-1", "--type", "approval")
    assert {e["type"] for e in family} == {"approval.requested"}
    assert ask("audit", "show", "--last", "2")[0] == ask("audit", "show")[0][-2:]
    unknown = cli("audit", "show", "--type", "rout.hop")
    assert unknown.exit_code == 2
    assert "route.hop" in unknown.stderr
    assert cli("audit", "show", "--run", "run-404").exit_code == 2
    assert "refunds over 50.00 go to finance" in cli("audit", "show").stdout


def test_waiting_run_is_cancelled_by_its_owner_alone(ask, cli, waiting):
    run, id_ = waiting
    assert cli("runs", "cancel", run["run"], "--as", "ben").exit_code == 2
    cancelled, code = ask(
        "runs", "cancel", run["run"], "--as", "ana", "--reason", "changed my mind"
    )
    assert (cancelled["status"], code) == ("cancelled", 0)
    assert cancelled["outcome"]["cause"] == "changed my mind"
    assert ask("approvals", "show", id_)[0]["status"] == "void"
    assert cli("runs", "cancel", run["run"], "--as", "ana").exit_code == 0
    assert [r["status"] for r in ask("runs", "list", "--status", "cancelled")[0]] == ["cancelled"]
    assert ask("runs", "list", "--status", "open")[0] == []
    assert cli("runs", "list", "--status", "lost").exit_code == 2


def test_run_that_has_ended_is_not_cancelled(ask, cli, workspace):
    run, _ = ask("run", workspace, SMALL, "--as", "ana")
    late = cli("runs", "cancel", run["run"], "--as", "ana")
    assert late.exit_code == 1
    assert "had ended before: answered" in late.stderr


def test_nothing_to_recover(ask, workspace):
    assert ask("runs", "recover", workspace) == ([], 0)
