import pytest


def test_queue_shows_what_waits_for_whom(cli, waiting):
    _, id_ = waiting
    text = cli("approvals", "list").stdout
    assert id_ in text
    assert "refund(order_id=1042, amount_cents=8000) for ana" in text
    assert "1 × finance" in text


def test_queue_is_filtered_by_role_and_status(ask, waiting):
    _, id_ = waiting
    assert [a["id"] for a in ask("approvals", "list", "--role", "finance")[0]] == [id_]
    assert ask("approvals", "list", "--role", "legal")[0] == []
    assert ask("approvals", "list", "--status", "approved")[0] == []
    assert [a["id"] for a in ask("approvals", "list", "--status", "all")[0]] == [id_]


def test_one_approval_is_shown_in_full(cli, ask, waiting):
    run, id_ = waiting
    text = cli("approvals", "show", id_).stdout
    for part in ("refund 80 euros for order 1042", "8000", "finance", run["run"], "sha256:"):
        assert part in text
    assert ask("approvals", "show", id_)[0]["run_status"] == "awaiting_review"


def test_approved_call_runs_and_the_answer_is_told(cli, waiting):
    _, id_ = waiting
    result = cli("approvals", "approve", id_, "--as", "li", "--reason", "seen")
    assert result.exit_code == 0
    assert result.stdout == "Refunded 80.00 EUR for order 1042.\n"
    assert f"{id_} approved by li" in result.stderr
    shown = cli("approvals", "show", id_).stdout
    assert "li as finance" in shown
    assert "seen" in shown


@pytest.mark.parametrize(
    "change",
    [("--set", "amount_cents=6000"), ("--args", '{"order_id": 1042, "amount_cents": 6000}')],
)
def test_edited_call_is_reviewed_again_by_somebody_else(ask, waiting, change):
    _, id_ = waiting
    edited, code = ask("approvals", "edit", id_, "--as", "li", *change)
    assert (edited["status"], code) == ("awaiting_review", 0)
    assert edited["approval"]["status"] == "edited"
    again = edited["pending"][0]
    assert again["action"]["arguments"] == {"order_id": 1042, "amount_cents": 6000}
    assert ask("approvals", "approve", again["id"], "--as", "li")[1] == 5
    done, code = ask("approvals", "approve", again["id"], "--as", "mo")
    assert (done["outcome"]["text"], code) == ("Refunded 60.00 EUR for order 1042.", 0)


def test_edit_to_what_needs_nobody_runs_at_once(ask, waiting):
    _, id_ = waiting
    done, code = ask("approvals", "edit", id_, "--as", "li", "--set", "amount_cents=4000")
    assert (done["outcome"]["text"], code) == ("Refunded 40.00 EUR for order 1042.", 0)


def test_rejected_call_does_not_run_and_the_reason_is_told(ask, cli, waiting):
    _, id_ = waiting
    done, code = ask("approvals", "reject", id_, "--as", "li", "--reason", "no receipt")
    assert (done["status"], code) == ("refused", 0)
    assert "no receipt" in done["outcome"]["text"]
    assert ask("audit", "show", "--type", "effect.done")[0] == []


def test_response_stands_in_for_the_result(ask, waiting):
    _, id_ = waiting
    done, code = ask("approvals", "respond", id_, "--as", "li", "--text", "Paid back by hand.")
    assert code == 0
    assert done["approval"]["status"] == "responded"
    assert ask("audit", "show", "--type", "effect.done")[0] == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("approve", "apr-00000000", "--as", "li"), 2, "no approval"),
        (("approve", "ID", "--as", "ana"), 5, "requested"),
        (("approve", "ID", "--as", "ben"), 5, "it needs finance"),
        (("approve", "ID", "--as", "nobody"), 2, "nobody here knows"),
        (("edit", "ID", "--as", "li"), 2, "changes nothing"),
        (("edit", "ID", "--as", "li", "--args", "{"), 2, "no JSON"),
        (("edit", "ID", "--as", "li", "--args", "[1]"), 2, "no JSON object"),
        (("edit", "ID", "--as", "li", "--set", "amount=1"), 2, "order_id, amount_cents"),
        (("edit", "ID", "--as", "li", "--set", "amount_cents=a lot"), 2, "no JSON"),
        (("respond", "ID", "--as", "li", "--text", " "), 2, "needs a text"),
        (("show", "nonsense"), 2, "no approval"),
        (("list", "--status", "open"), 2, "pending"),
    ],
)
def test_wrong_answer_changes_nothing(cli, ask, waiting, arguments, code, told):
    _, id_ = waiting
    result = cli("approvals", *(id_ if a == "ID" else a for a in arguments))
    assert result.exit_code == code, result.stderr
    assert told in result.stderr
    assert ask("approvals", "show", id_)[0]["status"] == "pending"


def test_second_answer_comes_too_late(cli, waiting):
    _, id_ = waiting
    assert cli("approvals", "reject", id_, "--as", "li").exit_code == 0
    late = cli("approvals", "approve", id_, "--as", "mo")
    assert late.exit_code == 5
    assert "no longer pending" in late.stderr


def test_home_elsewhere_is_named(cli, ask, workspace, tmp_path):
    away = tmp_path / "away"
    text = "refund 80 euros for order 1042"
    run, _ = ask("run", workspace, text, "--as", "ana", "--home", away)
    id_ = run["pending"][0]["id"]
    assert cli("approvals", "show", id_).exit_code == 4
    assert cli("approvals", "show", id_, "--home", away).exit_code == 0
    assert cli("approvals", "approve", id_, "--as", "li", "--home", away).exit_code == 0


def test_workspace_that_was_moved_is_named(cli, workspace, waiting, tmp_path):
    _, id_ = waiting
    moved = workspace.rename(tmp_path / "moved")
    lost = cli("approvals", "approve", id_, "--as", "li")
    assert lost.exit_code == 3
    assert "--workspace" in lost.stderr
    assert cli("approvals", "approve", id_, "--as", "li", "-w", moved).exit_code == 0


def test_approval_is_decided_by_another_process_and_the_thread_goes_on(workspace, process):
    asked = process("run", workspace, "refund 80 euros for order 1042", "--as", "ana", "-t", "t-1")
    assert asked.returncode == 0, asked.stderr
    id_ = next(word for word in asked.stdout.split() if word.startswith("apr-"))
    queued = process("run", workspace, "refund 5 euros for order 7", "--as", "ana", "-t", "t-1")
    assert "queued" in queued.stderr
    decided = process("approvals", "approve", id_, "--as", "li")
    assert decided.stdout == "Refunded 80.00 EUR for order 1042.\n"
    after = process("run", workspace, "and refund 10 euros more", "--as", "ana", "-t", "t-1")
    assert "Refunded 10.00 EUR" in after.stdout
    shown = process("threads", "show", "t-1").stdout
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("run-")] == [
        "answered"
    ] * 3
    assert "Refunded 5.00 EUR for order 7." in " ".join(shown.split())
