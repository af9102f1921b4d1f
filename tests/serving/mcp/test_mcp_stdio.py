"""`concertmaster mcp` as a process: what a client of the official SDK gets, how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

import concertmaster as cm
from concertmaster.cli.failures import INTERRUPTED
from concertmaster.orchestrator.home import DATABASE
from concertmaster.serving.mcp.wire import Lines

REFUND = "Please refund 80.00 for order 7"
HELD = "refund 20 EUR of order 77"
"""The small workspace holds this one for as long as there is no file `go` among its data."""


@pytest.fixture
def workspace(refunds_folder: Path) -> Path:
    """Return a workspace whose modules print, which is not to disturb anybody."""
    tools = refunds_folder / "tools.py"
    noisy = tools.read_text().replace('"Look an order up."', '"Look an order up."\n    print("x")')
    tools.write_text(f"{noisy}\nprint('hello from tools.py')\n")
    return refunds_folder


@pytest.fixture
def key(workspace: Path) -> str:
    assert command("users", "import", workspace).returncode == 0
    return command("users", "key", "create", "ana").stdout.strip()


def command(*words: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "concertmaster", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **({"stdin": subprocess.DEVNULL} | more),
    )


@contextlib.asynccontextmanager
async def client(*words: Any, mode: str = "auto", **env: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "concertmaster", "mcp", *map(str, words)],
        env={**os.environ, **env},
    )
    with Path(os.environ["CONCERTMASTER_HOME"], "stderr").open("w") as errors:
        async with Client(stdio_client(parameters, errlog=errors), mode=mode, cache=None) as there:
            yield there


def said() -> str:
    return Path(os.environ["CONCERTMASTER_HOME"], "stderr").read_text()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_workflow_is_asked_and_looked_at_by_a_client_that_started_it(
    workspace: Path, mode: str
) -> None:
    async with client(workspace, "--as", "ana", mode=mode) as mcp:
        names = [t.name for t in (await mcp.list_tools()).tools]
        assert names == ["refunds", "refunds_status"]
        asked = await mcp.call_tool("refunds", {"message": REFUND, "thread_id": "t-1"})
        data = asked.structured_content
        assert (data["status"], data["thread_id"]) == ("awaiting_review", "t-1")
        (pending,) = data["pending"]
        assert (pending["tool"], pending["needs"]) == ("refund", ["finance"])
        assert pending["approval_id"] in asked.content[0].text
        looked = await mcp.call_tool("refunds_status", {"run_id": data["run_id"]})
        assert looked.structured_content["pending"] == data["pending"]
    # What anybody printed went where people look, and the conversation was not disturbed.
    assert said().splitlines() == ["hello from tools.py", "x"]
    async with cm.open(workspace) as desk:
        run = await desk.decide(pending["approval_id"], cm.Approve(reason="seen"), principal="li")
        assert run.outcome.status == "answered"


async def test_wrong_arguments_start_nothing_and_end_nothing(workspace: Path) -> None:
    async with client(workspace, "--as", "ana") as mcp:
        for tool, arguments in (
            ("refunds", {}),
            ("refunds", {"message": "a", "principal": "li"}),
            ("refunds_status", {"message": "a"}),
            ("payroll", {"message": "a"}),
        ):
            with pytest.raises(MCPError) as caught:
                await mcp.call_tool(tool, arguments)
            assert caught.value.code == -32602
        nowhere = await mcp.call_tool("refunds_status", {"run_id": "run-0123456789abcdef"})
        assert nowhere.is_error
        assert len((await mcp.list_tools()).tools) == 2
    async with cm.open(workspace) as desk:
        assert await desk.runs.threads(10) == []


async def test_client_with_a_key_is_who_the_key_is_of_until_it_is_revoked(
    workspace: Path, key: str
) -> None:
    async with client(workspace, CONCERTMASTER_API_KEY=key) as mcp:
        asked = await mcp.call_tool("refunds", {"message": REFUND})
        run = asked.structured_content["run_id"]
        revoked = command("users", "revoke", "ana")
        assert revoked.returncode == 0, revoked.stderr
        refused = await mcp.call_tool("refunds", {"message": REFUND})
        assert refused.is_error
        assert "revoked" in refused.content[0].text
        with pytest.raises(MCPError):
            await mcp.list_tools()
    async with cm.open(workspace) as desk:
        assert (await desk.runs.get(run)).principal.id == "ana"
    assert key not in said()


@pytest.mark.parametrize(
    ("words", "env", "told"),
    [
        ((), {}, "say for whom this is"),
        (("--as", "ana"), {"CONCERTMASTER_API_KEY": "cm_x"}, "say for whom this is"),
        (("--as", "nobody"), {}, "nobody here knows the principal 'nobody'"),
        ((), {"CONCERTMASTER_API_KEY": "other"}, "no kind that is accepted here"),
        ((), {"CONCERTMASTER_API_KEY": "cm_0123_made_up"}, "not complete"),
    ],
)
def test_nobody_is_served_who_is_not_known_or_named_twice(
    workspace: Path, words: tuple[str, ...], env: dict[str, str], told: str
) -> None:
    done = command("mcp", workspace, *words, env={**os.environ, **env})
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "made_up" not in done.stderr


def test_missing_extra_is_told_with_the_command_that_installs_it(
    workspace: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "path" / "mcp"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ModuleNotFoundError('no mcp', name='mcp')")
    done = command(
        "mcp", workspace, "--as", "ana", env={**os.environ, "PYTHONPATH": str(broken.parent)}
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'concertmaster[serve,mcp]'" in done.stderr


def call(number: int, message: str) -> str:
    params = {"name": "refunds", "arguments": {"message": message}}
    asked = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    return json.dumps(asked) + "\n"


BEGIN = (
    '{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion":'
    ' "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}\n'
    '{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
)


def test_what_was_asked_before_the_input_ends_is_answered_and_nothing_else_is_said(
    workspace: Path,
) -> None:
    lines = [BEGIN, call(1, REFUND), "\n", "nonsense\n", call(2, "x" * 300_000), call(3, REFUND)]
    # The last one without its end of line.
    done = command("mcp", workspace, "--as", "ana", stdin=None, input="".join(lines).rstrip())
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    answers = {m["id"]: m for m in said if m["id"] is not None}
    assert sorted(answers) == [0, 1, 3]
    for number in (1, 3):
        assert answers[number]["result"]["structuredContent"]["status"] == "awaiting_review"
    assert [m["error"]["code"] for m in said if m["id"] is None] == [-32700, -32600]


class Process:
    """The command, spoken to line by line."""

    def __init__(self, *words: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "concertmaster", "mcp", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def send(self, text: str) -> None:
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def hear(self) -> Any:
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[int, str, str]:
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors


@pytest.fixture
def start() -> Any:
    running: list[Process] = []

    def begin(*words: Any) -> Process:
        running.append(Process(*words))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()
        for pipe in (each.process.stdin, each.process.stdout, each.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


async def under_way(home: Path) -> None:
    """Wait until a run of the small workspace looks up what it does not get."""
    file = home / "refunds" / DATABASE
    async with asyncio.timeout(60):
        while not _running(file):
            await asyncio.sleep(0.05)


def _running(file: Path) -> bool:
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database,
    ):
        told = database.execute("SELECT 1 FROM runs WHERE status = 'running'").fetchone()
        return told is not None
    return False


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """Return settings by which runs are waited for longer than any test takes."""
    file = tmp_path / "patient.yaml"
    file.write_text("drain: 3600\n")
    return file


@pytest.mark.parametrize(
    ("which", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 0)], ids=["int", "term"]
)
async def test_signal_ends_it_at_once_and_the_run_goes_on_with_the_next_start(
    workspace: Path,
    home: Path,
    patient: Path,
    start: Callable[..., Process],
    which: int,
    code: int,
) -> None:
    process = start(workspace, "--as", "ana", "--settings", patient)
    process.send(BEGIN)
    assert process.hear()["id"] == 0
    process.send(call(1, HELD))
    await under_way(home)
    process.process.send_signal(which)
    ended, _, errors = process.end()
    assert ended == code
    assert "Traceback" not in errors
    (home / "refunds" / "data").mkdir(exist_ok=True)
    (home / "refunds" / "data" / "go").touch()
    async with cm.open(workspace) as desk:
        (run,) = await desk.runs.with_status("answered")
        assert run.principal.id == "ana"


async def test_signal_while_the_end_of_input_is_waited_out_ends_that(
    workspace: Path, home: Path, patient: Path, start: Callable[..., Process]
) -> None:
    process = start(workspace, "--as", "ana", "--settings", patient)
    process.send(BEGIN + call(1, HELD))
    await under_way(home)
    process.process.stdin.close()
    process.process.send_signal(signal.SIGTERM)
    process.process.wait(timeout=60)
    assert process.process.returncode == 0


async def test_client_that_listens_no_more_ends_it(
    workspace: Path, start: Callable[..., Process]
) -> None:
    process = start(workspace, "--as", "ana")
    process.send(BEGIN)
    assert process.hear()["id"] == 0
    process.process.stdout.close()
    process.send(call(1, REFUND))
    process.process.wait(timeout=60)
    assert process.process.returncode == 0
    assert "Traceback" not in process.process.stderr.read()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.lists(st.integers(1, 20)), st.integers(0, 40))
def test_lines_are_the_same_however_they_arrive(data: bytes, cuts: list[int], longest: int) -> None:
    lines, found, rest = Lines(longest), [], data
    for cut in cuts:
        found += lines.feed(rest[:cut])
        rest = rest[cut:]
    found += lines.feed(rest)
    whole = data.split(b"\n")[:-1]
    assert found == [line if len(line) <= longest else None for line in whole]
