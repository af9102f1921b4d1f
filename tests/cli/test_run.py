import json
import os

import pytest

from concertmaster.testing import openai_server

SMALL = "refund 20 euros for order 1042"


def test_answer_goes_to_stdout_and_the_rest_to_stderr(cli, workspace):
    result = cli("run", workspace, SMALL, "--as", "ana", "-t", "t-1")
    assert result.exit_code == 0
    assert result.stdout == "Refunded 20.00 EUR for order 1042.\n"
    assert "→ executor" in result.stderr
    assert "refund done" in result.stderr
    assert "thread t-1" in result.stderr


def test_quiet_leaves_the_steps_out(cli, workspace):
    result = cli("run", workspace, SMALL, "--as", "ana", "--quiet")
    assert result.stdout == "Refunded 20.00 EUR for order 1042.\n"
    assert "→" not in result.stderr


def test_sources_follow_the_answer(cli, workspace):
    result = cli("run", workspace, "How long does a parcel take?", "--as", "reader")
    assert result.exit_code == 0
    assert "three working days" in result.stdout
    assert "[1] Parcels (parcels)" in result.stdout


def test_what_waits_is_told_with_the_command_that_decides_it(cli, workspace):
    result = cli("run", workspace, "refund 80 euros for order 1042", "--as", "ana")
    assert result.exit_code == 0
    assert "refund(order_id=1042, amount_cents=8000) for ana" in result.stdout
    assert "refunds over 50.00 go to finance" in result.stdout
    assert "concertmaster approvals approve apr-" in result.stdout
    assert "--as li\n" in result.stdout


def test_command_that_decides_names_a_home_that_is_not_found_by_itself(cli, workspace, tmp_path):
    away = tmp_path / "away"
    text = "refund 80 euros for order 1042"
    result = cli("run", workspace, text, "--as", "ana", "--home", away)
    assert f"--as li --home {away}" in result.stdout


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (SMALL, "answered", 0),
        ("refund 80 euros for order 1042", "awaiting_review", 0),
        ("refund 2,000 euros for order 1042", "refused", 5),
        ("refund 20 euros for order 404", "failed", 6),
        ("I want my money back", "answered", 0),
    ],
)
def test_exit_code_is_that_of_the_outcome(ask, workspace, text, status, code):
    run, actual = ask("run", workspace, text, "--as", "ana")
    assert (run["status"], actual) == (status, code), run["outcome"]


def test_escalated_run_is_done(ask, workspace):
    run, code = ask("run", workspace, "Do you sell zeppelins?", "--as", "reader")
    assert (run["status"], run["outcome"]["owner"], code) == ("escalated", "ops", 0)


def test_document_holds_the_whole_run(ask, workspace):
    run, _ = ask("run", workspace, SMALL, "--as", "ana", "-t", "t-9")
    assert run["thread"] == "t-9"
    assert run["principal"] == "ana"
    assert run["outcome"]["text"] == "Refunded 20.00 EUR for order 1042."
    assert run["pending"] == []
    assert run["ms"] > 0


def test_message_comes_from_standard_input(cli, workspace):
    result = cli("run", workspace, "-", "--as", "ana", given=SMALL)
    assert result.stdout == "Refunded 20.00 EUR for order 1042.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((SMALL, "--as", "nobody"), 2, "principals.yaml declares: ana, ben, li, mo, reader"),
        (("", "--as", "ana"), 2, "the message is empty"),
        (("x" * 30000, "--as", "ana"), 2, "limits.message"),
        ((SMALL, "--as", "ana", "--thread", "a\nb"), 2, "thread id"),
        ((SMALL, "--as", "ana", "--model", "nonsense"), 2, "nonsense"),
    ],
    ids=["principal", "empty", "long", "thread", "model"],
)
def test_wrong_input_is_told_in_one_line_with_a_way_out(cli, workspace, arguments, code, told):
    result = cli("run", workspace, *arguments)
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error CM")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_model_writes_the_answer_and_the_timeline_tells_what_it_took(cli, workspace):
    file = workspace / "workflow.yaml"
    head, responder, tail = file.read_text().partition("- id: responder")
    tail = tail.replace("model: none", "model: {need: chat, tier: small}", 1)
    file.write_text(head + responder + tail)
    question = "How long does a parcel take?"
    with openai_server("It takes three working days to arrive, a parcel. [1]") as server:
        url = server.url
        result = cli("run", workspace, question, "--as", "reader", "-t", "t-1", "--model", url)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("It takes three working days to arrive, a parcel. [1]")
    assert [r.path for r in server.requests].count("/v1/chat/completions") == 1
    text = " ".join(cli("threads", "show", "t-1").stdout.split())
    assert "wrote the answer" in text
    assert "spent: 0 tool calls, 1 model call, " in text
    assert "price unknown" in text


def test_thread_of_somebody_else_is_refused(cli, workspace):
    assert cli("run", workspace, SMALL, "--as", "ana", "-t", "t-1").exit_code == 0
    result = cli("run", workspace, SMALL, "--as", "ben", "-t", "t-1")
    assert result.exit_code == 5
    assert "belongs to another principal" in result.stderr


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_home_that_cannot_be_used(cli, workspace, home):
    result = cli("run", workspace, SMALL, "--as", "ana", "--home", home)
    assert result.exit_code == 4
    assert "--home" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_home_that_is_read_only(cli, workspace, tmp_path):
    (tmp_path / "ro").mkdir(mode=0o500)
    result = cli("run", workspace, SMALL, "--as", "ana", "--home", tmp_path / "ro")
    assert result.exit_code == 4
    assert "cannot be written" in result.stderr


def test_bytes_that_are_no_text_and_terminal_commands_do_no_harm(workspace, process):
    evil = "refund 20 euros for order 1042 \udcff\x1b[2J\x1b]0;owned\x07 \u202edone"
    done = process("run", workspace, evil, "--as", "ana", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "answered"
    assert "\x1b" not in done.stderr
