import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from concertmaster.cli.conversation import _split
from concertmaster.errors import ConfigError

SMALL = "refund 20 euros for order 1042"


def test_each_piped_line_is_a_message_on_one_thread(cli, workspace):
    lines = f"{SMALL}\n\nand refund 10 euros more\n"
    result = cli("chat", workspace, "--as", "ana", "-q", given=lines)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Refunded 20.00 EUR for order 1042.",
        "Refunded 10.00 EUR for order 1042.",
    ]


def test_each_message_is_one_document_on_a_line(cli, workspace):
    given = f"{SMALL}\nrefund 80 euros for order 7\n"
    result = cli("chat", workspace, "--as", "ana", "-t", "t-1", "--json", given=given)
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["status"], r["thread"]) for r in runs] == [
        ("answered", "t-1"),
        ("awaiting_review", "t-1"),
    ]


def test_reviewer_decides_in_the_chat_and_what_was_queued_follows(cli, ask, workspace, waiting):
    _, id_ = waiting
    given = f"/pending\nrefund 5 euros for order 7\n/approve {id_} --as li both seen\n"
    result = cli("chat", workspace, "--as", "ana", "-t", "t-1", given=given)
    assert result.exit_code == 0
    assert result.stdout.index(id_) < result.stdout.index("Refunded 80.00 EUR for order 1042.")
    assert result.stdout.index("80.00") < result.stdout.index("Refunded 5.00 EUR for order 7.")
    assert ask("approvals", "show", id_)[0]["votes"][0]["answer"]["reason"] == "both seen"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/edit ID --as li amount_cents=4000", "Refunded 40.00 EUR for order 1042."),
        ("/reject ID --as li no receipt", "no receipt"),
        ("/respond ID --as li Paid back by hand.", "Paid back by hand."),
    ],
)
def test_other_answers_in_the_chat(cli, workspace, waiting, line, expected):
    _, id_ = waiting
    result = cli("chat", workspace, "--as", "ana", "-t", "t-1", given=line.replace("ID", id_))
    assert result.exit_code == 0, result.stderr
    assert expected in result.stdout


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("/approve", 2, "/help shows how"),
        ("/approve apr-00000000 --as li", 2, "no approval"),
        ("/approve 'apr --as li", 2, "quotation"),
        ("/dance", 2, "/dance is no command"),
        ("x" * 30000, 2, "limits.message"),
    ],
)
def test_line_that_fails_leaves_the_conversation_open(cli, workspace, line, code, told):
    result = cli("chat", workspace, "--as", "ana", "-q", given=f"{line}\n{SMALL}\n")
    assert told in result.stderr
    assert result.stdout == "Refunded 20.00 EUR for order 1042.\n"
    assert result.exit_code == code


def test_commands_of_the_chat(cli, workspace):
    given = "/help\n/thread\n/thread t-7\n/pending\n/new\n/quit\nnever read\n"
    result = cli("chat", workspace, "--as", "ana", "-t", "t-1", given=given)
    assert result.exit_code == 0
    assert result.stdout == ""
    for part in ("/respond ID", "thread t-1", "thread t-7", "nothing waits", "thread thread-"):
        assert part in result.stderr


def test_unknown_principal_is_told_before_the_first_line(cli, workspace):
    result = cli("chat", workspace, "--as", "nobody", given=SMALL)
    assert result.exit_code == 2
    assert "principals.yaml declares" in result.stderr


def test_reviewer_may_stand_anywhere_in_the_line():
    assert _split("approve", ["apr-1", "--as=li", "all", "fine"]) == (
        "apr-1",
        "li",
        ["all", "fine"],
    )
    assert _split("edit", ["apr-1", "a=1", "--as", "li"]) == ("apr-1", "li", ["a=1"])
    with pytest.raises(ConfigError):
        _split("approve", ["apr-1", "--as"])


class Terminal:
    """A chat at a terminal of its own."""

    def __init__(self, *arguments: object) -> None:
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "concertmaster", *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "dumb"},
        )
        os.close(slave)
        self.text = ""

    def until(self, pattern: str, seconds: float = 60) -> str:
        """Read until the pattern comes up in what was not matched yet; return the match."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not come: {self.text}"
            if select.select([self._master], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self._master, 65536).decode(errors="replace")
        self.text = self.text[found.end() :]
        return found.group()

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def interrupt_until(self, pattern: str) -> None:
        """Press Ctrl-C, again if need be: a line editor that is about to wait may miss one."""
        for _ in range(20):
            self.interrupt()
            with contextlib.suppress(AssertionError):
                self.until(pattern, 3)
                return
        raise AssertionError(f"{pattern!r} did not come: {self.text}")

    def leave(self) -> int:
        os.write(self._master, b"\x04")
        code = self._process.wait(30)
        os.close(self._master)
        return code


def test_ctrl_c_cancels_the_turn_and_keeps_the_session(workspace, ask):
    chat = Terminal("chat", workspace, "--as", "ana", "-t", "t-1")
    chat.until("ana> ")
    chat.type("refund 20 euros for order 777")
    chat.until("→ executor")
    time.sleep(0.5)
    begun = time.monotonic()
    chat.interrupt()
    chat.until("is cancelled, what was done stays done; thread t-1 goes on")
    assert time.monotonic() - begun < 10
    chat.until("ana> ")
    chat.interrupt_until("Ctrl-D or /quit leaves")
    chat.type(SMALL)
    chat.until("Refunded 20.00 EUR for order 1042.")
    chat.until("ana> ")
    assert chat.leave() == 0
    runs, _ = ask("runs", "list")
    assert [r["status"] for r in runs] == ["cancelled", "answered"]


def test_run_of_a_killed_process_is_taken_up(workspace, ask):
    told = ["run", str(workspace), "refund 20 euros for order 777", "--as", "ana", "-t", "t-1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "concertmaster", *told], stderr=subprocess.PIPE, text=True
    )
    with process:
        assert "→ executor" in process.stderr.readline()
        time.sleep(0.5)
        process.kill()
    assert [r["status"] for r in ask("runs", "list", "--status", "open")[0]] == ["running"]
    recovered, code = ask("runs", "recover", workspace)
    assert code == 0
    assert [r["outcome"]["text"] for r in recovered] == ["Refunded 20.00 EUR for order 777."]
    assert ask("runs", "list", "--status", "open")[0] == []


@pytest.mark.parametrize("command", ["run", "chat"])
def test_ctrl_c_ends_a_command_cleanly_and_the_thread_goes_on(workspace, ask, interrupted, command):
    text = "refund 20 euros for order 777"
    message = [text] if command == "run" else []
    code, told = interrupted(
        command,
        workspace,
        *message,
        "--as",
        "ana",
        "-t",
        "t-1",
        after="→ executor",
        given=None if message else f"{text}\n",
    )
    assert code == 130, told
    assert "Traceback" not in told
    assert [r["status"] for r in ask("runs", "list")[0]] == ["cancelled"]
    run, _ = ask("run", workspace, SMALL, "--as", "ana", "-t", "t-1")
    assert run["status"] == "answered"
