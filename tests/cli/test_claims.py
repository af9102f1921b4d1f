"""Deadlines and claims from the command line, and two processes that answer at once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from concertmaster.storage import Database

REVIEW = "review: policy"


@pytest.fixture
def timed(workspace: Path):
    """Give the reviewing step a deadline."""

    def set_(review: str) -> Path:
        flow = workspace / "workflow.yaml"
        flow.write_text(flow.read_text().replace(REVIEW, f"review: {review}"))
        known = workspace / "principals.yaml"
        known.write_text(known.read_text() + "  - {id: dora, roles: [manager]}\n")
        return workspace

    return set_


@pytest.fixture
def late(timed, ask):
    """Return the run and the approval of a call whose deadline is over by now."""

    def make(then: str = "reject"):
        folder = timed(f"{{deadline: 300ms, at_deadline: '{then}'}}")
        run, _ = ask("run", folder, "refund 80 euros for order 1042", "--as", "ana", "-t", "t-1")
        time.sleep(0.4)
        return run, run["pending"][0]["id"]

    return make


def test_claimed_approval_is_shown_and_kept_for_its_claimer(cli, ask, waiting):
    _, id_ = waiting
    claimed, code = ask("approvals", "claim", id_, "--as", "li", "--for", "30m")
    assert ([c["by"] for c in claimed["claims"]], code) == (["li"], 0)
    assert "claimed by li until" in cli("approvals", "list").stdout
    refused = cli("approvals", "approve", id_, "--as", "mo")
    assert refused.exit_code == 5
    assert "claimed by li as finance until" in refused.stderr
    released = cli("approvals", "release", id_, "--as", "li")
    assert (released.exit_code, "released by li" in released.stderr) == (0, True)
    assert cli("approvals", "approve", id_, "--as", "mo").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("claim", "apr-00000000", "--as", "li"), 2, "no approval"),
        (("claim", "ID", "--as", "ana"), 5, "may not decide"),
        (("claim", "ID", "--as", "li", "--for", "soon"), 2, "is no time"),
        (("claim", "ID", "--as", "li", "--for", "9h"), 5, "cannot be claimed"),
        (("release", "ID", "--as", "li"), 5, "has no claim"),
    ],
)
def test_claim_that_cannot_be_is_refused_in_words(cli, waiting, arguments, code, told):
    _, id_ = waiting
    result = cli("approvals", *(id_ if a == "ID" else a for a in arguments))
    assert (result.exit_code, told in result.stderr) == (code, True), result.stderr


def test_due_time_is_shown(cli, ask, timed):
    folder = timed("{deadline: 4h, at_deadline: 'escalate:manager'}")
    run, _ = ask("run", folder, "refund 80 euros for order 1042", "--as", "ana")
    assert "due in 3 h" in cli("approvals", "list").stdout
    shown = cli("approvals", "show", run["pending"][0]["id"]).stdout
    assert "then escalate to manager" in shown


def test_overdue_approval_comes_first_and_reading_changes_nothing(cli, ask, late):
    _, id_ = late()
    for _ in range(2):
        (found,) = ask("approvals", "list")[0]
        assert (found["id"], found["overdue"], found["status"]) == (id_, True, "pending")
    listed = cli("approvals", "list")
    assert "overdue for" in listed.stdout
    assert "approvals sweep" in listed.stderr


def test_sweep_ends_what_is_overdue_once(cli, ask, late):
    run, id_ = late()
    swept, code = ask("approvals", "sweep")
    assert ([(s["run"], s["status"]) for s in swept], code) == ([(run["run"], "refused")], 0)
    assert ask("approvals", "sweep")[0] == []
    shown = ask("approvals", "show", id_)[0]
    assert [h["what"] for h in shown["history"]] == ["requested", "overdue"]
    assert (
        "overdue by concertmaster: finance did not decide" in cli("approvals", "show", id_).stdout
    )


def test_late_answer_is_refused_and_the_run_is_over(cli, ask, late):
    run, id_ = late()
    assert cli("approvals", "approve", id_, "--as", "li").exit_code == 5
    assert ask("approvals", "list", "--status", "rejected")[0][0]["id"] == id_
    assert ask("audit", "show", "--type", "effect.done")[0] == []
    assert "did not decide by" in cli("audit", "why", run["run"]).stdout


def test_swept_escalation_names_what_waits_now(cli, late):
    _, id_ = late("escalate:manager")
    swept = cli("approvals", "sweep")
    assert (swept.exit_code, "waits" in swept.stdout) == (0, True)
    assert (
        f"{id_}, which asked 1 × finance"
        in cli("approvals", "show", swept.stdout.split(", ")[1].split()[0]).stdout
    )


def test_two_processes_that_answer_at_once_have_one_effect(ask, waiting):
    _, id_ = waiting
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "concertmaster", "approvals", "approve", id_, "--as", who],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for who in ("li", "mo")
    ]
    told = [one.communicate(timeout=120)[0] for one in both]
    assert sorted(one.returncode for one in both) == [0, 5], told
    assert sum("no longer pending" in text for text in told) == 1
    assert len(ask("audit", "show", "--type", "effect.done")[0]) == 1


def test_home_of_before_deadlines_is_brought_up_to_date(cli, ask, waiting, home):
    """What came with deadlines and since is taken away again, as an earlier release left a home."""
    _, id_ = waiting
    (file,) = home.glob("*/concertmaster.sqlite3")
    database = Database.open(file)
    database._connection.executescript(
        "DROP TRIGGER approval_readers_new; DROP TRIGGER approval_readers_changed;"
        " DROP TRIGGER approval_readers_gone; DROP TABLE approval_readers;"
        " DROP INDEX approvals_in_order; DROP INDEX approvals_in_order_by_status;"
        " DROP INDEX approvals_in_order_by_tool; DROP INDEX approvals_in_order_by_requester;"
        " ALTER TABLE approvals DROP COLUMN created; ALTER TABLE approvals DROP COLUMN tool;"
        " DROP INDEX approvals_by_due; ALTER TABLE approvals DROP COLUMN due;"
        " UPDATE schema_versions SET version = 1 WHERE room = 'approvals';"
        " UPDATE approvals SET record = json_remove(record,"
        " '$.due', '$.deadline', '$.claims', '$.replaces', '$.instead_of')"
    )
    database.close()
    assert [a["id"] for a in ask("approvals", "list")[0]] == [id_]
    assert cli("approvals", "sweep").exit_code == 0
    assert cli("approvals", "approve", id_, "--as", "li").exit_code == 0
