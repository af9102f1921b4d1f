"""`concertmaster serve --otel --log-json`: spans arrive, and log lines name them."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "concertmaster", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout.strip()


def one_run(process: subprocess.Popen, key: str) -> dict:
    said = ""
    while "/api/v1" not in said:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said += line
    url = re.search(r"(http://\S+)/api/v1", said)[1]
    request = urllib.request.Request(
        f"{url}/api/v1/workflows/refunds/runs?wait=30",
        json.dumps({"text": "I am Petrova: refund 20 EUR of order 42"}).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture
def asked(workspace):
    """Return what serves the workspace, has one run of Ana's, and returns the log's lines."""
    run("users", "import", workspace)
    key = run("users", "key", "create", "ana")

    def ask(*options: str) -> tuple[dict, list[dict]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "concertmaster", "serve", workspace, "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        try:
            told = one_run(process, key)
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return told, [json.loads(line) for line in errors.splitlines() if line.startswith("{")]

    return ask


def test_a_server_sends_spans_and_logs_their_ids(asked, receiver):
    _, lines = asked("--otel", "--log-json")
    (root,) = [s for s in receiver.spans() if not s.parent_span_id]
    (ended,) = [line for line in lines if line["message"] == "run.ended"]
    assert ended["trace_id"] == root.trace_id.hex()
    assert ended["span_id"] == root.span_id.hex()
    assert ended["status"] == "answered"
    assert receiver.metrics
    assert "Petrova" not in json.dumps(lines)


def test_a_server_that_nobody_listens_to_stops_in_time_and_says_what_was_lost(asked, receiver):
    receiver.mode = "hang"
    _, lines = asked("--otel", "--log-json")
    lost = [x["message"] for x in lines if x["logger"] == "concertmaster.telemetry"]
    assert any(re.fullmatch(r"spans lost in all: \d+", message) for message in lost), lines


def test_a_server_is_silent_unless_it_is_asked(asked, receiver):
    _, lines = asked()
    assert (lines, receiver.requests) == ([], 0)
