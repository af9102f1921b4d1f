"""A small workspace, the command line within this process, and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.refunds import HEAD, POLICY_FOR_ANYBODY, REFUND, RULES
from tests.workspaces import step, write_workspace
from typer.testing import CliRunner

from concertmaster.cli.app import app

WORKFLOW = (
    HEAD
    + "knowledge: {paths: [knowledge], default_owner: ops}\nsteps:\n"
    + step("search", "Look for documents.", agent="retriever", metric="search_done", timeout="60s")
    + step(
        "executor",
        "Refund orders.",
        tools="get_order, refund",
        policy=RULES,
        metric="executor_done",
        timeout="60s",
        playbook="refund",
    )
    + step(
        "responder",
        "Tell what was found or done.",
        reads="evidence, actions",
        metric="responder_done",
        timeout="60s",
    )
    + step("critic", "Check the answer.", reads="draft", metric="critic_done", timeout="60s")
    + """\
routes:
  - {when: "principal.id == 'reader' && !retrieved", to: search}
  - {when: "principal.id == 'reader' && !sufficient", to: escalate, owner: ops, why: "no source"}
  - {when: "principal.id != 'reader' && !('executor' in done)", to: executor}
  - {when: "draft == null", to: responder}
  - {when: "verdict == null", to: critic}
  - {when: "verdict.status == 'pass'", to: finish}
  - {to: escalate, owner: ops, why: "the answer did not pass"}
"""
)

TOOLS = """
import time
from concertmaster.errors import ToolError
from concertmaster.tools import ToolContext, declare

@declare(effect="read", label="internal", timeout=50)
def get_order(order_id: int, ctx: ToolContext) -> dict[str, int]:
    "Look an order up; order 404 is lost, order 777 takes its time when it is first asked for."
    if order_id == 404:
        raise ToolError("there is no such order")
    asked = ctx.data_dir / "asked"
    if order_id == 777 and not asked.exists():
        asked.touch()
        time.sleep(20)
    return {"id": order_id, "total_cents": 12000}

@declare(effect="irreversible", label="internal")
def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict[str, int]:
    "Pay money back."
    return {"order_id": order_id, "amount_cents": amount_cents}
"""

PRINCIPALS = """
principals:
  - {id: ana, roles: [customer]}
  - {id: ben, roles: [customer]}
  - {id: reader, roles: [customer]}
  - {id: li, roles: [finance]}
  - {id: mo, roles: [finance]}
"""

FILES = {
    "workflow.yaml": WORKFLOW,
    "playbooks.yaml": REFUND,
    "principals.yaml": PRINCIPALS,
    "tools.py": TOOLS,
    RULES: POLICY_FOR_ANYBODY,
    "knowledge/parcels.md": "# Parcels\n\nA parcel takes three working days to arrive.\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a small workspace."""
    return write_workspace(tmp_path / "refunds", FILES)


@pytest.fixture
def cli():
    """Run a command within this process; the result has exit_code, stdout and stderr."""

    def run(*arguments: object, given: str | None = None):
        result = CliRunner().invoke(app, [str(a) for a in arguments], input=given)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


@pytest.fixture
def ask(cli):
    """Run a command with --json, and return its document and its exit code."""

    def run(*arguments: object, given: str | None = None):
        result = cli(*arguments, "--json", given=given)
        return json.loads(result.stdout), result.exit_code

    return run


@pytest.fixture
def waiting(workspace: Path, ask):
    """Return the run of a refund that waits for finance, and its approval's id."""
    run, code = ask("run", workspace, "refund 80 euros for order 1042", "--as", "ana", "-t", "t-1")
    assert (run["status"], code) == ("awaiting_review", 0)
    return run, run["pending"][0]["id"]


def command(*arguments: object) -> list[str]:
    """Return the command line of a process of its own."""
    return [sys.executable, "-m", "concertmaster", *map(str, arguments)]


@pytest.fixture
def process():
    """Run a command as a process of its own."""

    def run(*arguments: object, given: str | None = None):
        return subprocess.run(
            command(*arguments),
            check=False,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ,
        )

    return run


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard():
    """Let children hear Ctrl-C even if the tests run in the background, where it is ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def press_ctrl_c(*arguments: object, after: str, given: str | None = None):
    """Run a command, press Ctrl-C once its output holds `after`; return code and output."""
    process = subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if given:
        process.stdin.write(given)
        process.stdin.flush()
    seen = ""
    while after not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    return process.returncode, seen + rest


@pytest.fixture
def interrupted():
    """Run a command as a process and press Ctrl-C; see `press_ctrl_c`."""
    return press_ctrl_c
