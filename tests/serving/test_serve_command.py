"""`concertmaster serve` as a process: what it says, why it does not start, how it stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

HELD = "refund 20 EUR of order 77"
"""The small workspace holds this one for as long as there is no file `go` among its data."""


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "concertmaster", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )


class Running:
    """A server as a process, with a key of Ana's."""

    def __init__(self, *arguments: str, key: str) -> None:
        self.key = key
        self.process = subprocess.Popen(
            [sys.executable, "-m", "concertmaster", "serve", *map(str, arguments), "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        self.told = ""
        while "/api/v1" not in self.told:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self.told += line
        self.url = re.search(r"(http://\S+)/api/v1", self.told)[1]

    def ask(self, method: str, path: str, body=None, key: str | None = None):
        request = urllib.request.Request(
            f"{self.url}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {key or self.key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def stop(self, signal_: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(signal_)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture
def workspace(refunds_folder):
    return refunds_folder


@pytest.fixture
def key(workspace) -> str:
    assert run("users", "import", workspace).returncode == 0
    return run("users", "key", "create", "ana").stdout.strip()


@pytest.fixture
def serve(key):
    running: list[Running] = []

    def start(*arguments: str) -> Running:
        running.append(Running(*arguments, key=key))
        return running[-1]

    yield start
    for server in running:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
        for pipe in (server.process.stdout, server.process.stderr):
            pipe.close()


def test_server_says_what_it_serves_and_where(workspace, serve):
    server = serve(workspace)
    assert server.told.startswith("serving refunds; Ctrl-C stops\n")
    assert f"{server.url}/v1\n" in server.told
    assert server.ask("GET", "/readyz") == (200, {"status": "ready"})
    assert [m["id"] for m in server.ask("GET", "/v1/models")[1]["data"]] == ["refunds"]
    code, errors = server.stop()
    assert (code, errors) == (0, "")


def test_nobody_gets_in_without_a_key(workspace, serve):
    server = serve(workspace)
    status, problem = server.ask("GET", "/v1/models", key="cm_000000000000_made_up")
    assert status == 401
    assert "made_up" not in json.dumps(problem)
    assert server.ask("GET", "/api/v1/workflows", key="other")[0] == 401


def test_run_that_is_cut_off_by_a_stop_goes_on_with_the_next_start(workspace, serve, home):
    (workspace.parent / "server.yaml").write_text("drain: 0.2\n")
    arguments = (workspace, "--settings", workspace.parent / "server.yaml")
    server = serve(*arguments)
    status, started = server.ask("POST", "/api/v1/workflows/refunds/runs", {"text": HELD})
    assert status == 202
    path = f"/api/v1/workflows/refunds/runs/{started['id']}"
    assert server.ask("GET", path)[1]["status"] == "running"
    code, errors = server.stop()
    assert code == 0
    assert "Traceback" not in errors
    (home / "refunds" / "data" / "go").touch()
    again = serve(*arguments)
    status, ended = again.ask("GET", f"{path}/wait?seconds=60&until=end")
    assert (status, ended["status"]) == (200, "answered")
    assert ended["outcome"]["text"] == "Refunded 20.00 EUR for order 77."
    assert "its process went away" in json.dumps(again.ask("GET", f"{path}/timeline")[1])


def test_folder_that_is_no_workspace_is_named():
    done = run("serve", "nowhere", "--port", "0")
    assert done.returncode == 3
    assert "nowhere cannot be read as a workspace" in done.stderr
    assert "Traceback" not in done.stderr


def test_port_that_is_taken_is_named(workspace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", workspace, "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "cannot listen at 127.0.0.1" in done.stderr
    assert "--port 0 takes a free one" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("conflct: queue", "there is no such key; is 'conflict' meant?"),
        ("limits: {body: 3}", "limits.body"),
        ("origins: ['*']", "without a star"),
        ("[1", "cannot be read as settings"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_opened(workspace, tmp_path, text, told):
    (tmp_path / "server.yaml").write_text(text)
    done = run("serve", workspace, "--port", "0", "--settings", tmp_path / "server.yaml")
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_two_workflows_of_one_name_are_refused(workspace):
    done = run("serve", workspace, workspace, "--port", "0")
    assert done.returncode == 2
    assert "two workflows are called 'refunds'" in done.stderr
