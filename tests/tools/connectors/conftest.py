"""What tests of MCP servers' tools share: a real server, over stdio and over HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.tools.connectors.seen import SCRIPT, TOKEN

from concertmaster.audit import Trail
from concertmaster.tools.artifacts import Artifacts
from concertmaster.tools.connectors import McpServer
from concertmaster.tools.effects import Carrier
from concertmaster.tools.journal import Journal
from concertmaster.tools.ledger import Ledger


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tracker"
    folder.mkdir()
    monkeypatch.setenv("TRACKER_TOKEN", TOKEN)
    return folder


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def local(state: Path, lock: Path) -> Callable[..., McpServer]:
    """Return what declares the tracker as a command."""

    def make(**more: Any) -> McpServer:
        env = {"TRACKER_STATE": str(state), "TRACKER_TOKEN": "$TRACKER_TOKEN"}
        command = [sys.executable, str(SCRIPT)]
        return McpServer("tracker", command=command, env=env, folder=lock, **more)

    return make


class Distant:
    """The tracker at an address."""

    def __init__(self, state: Path, lock: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._state, self._lock = state, lock
        self._running: subprocess.Popen[bytes] | None = None
        self.start()

    def __call__(self, **more: Any) -> McpServer:
        headers = {"Authorization": "Bearer $TRACKER_TOKEN"}
        url = f"http://127.0.0.1:{self._port}/mcp"
        return McpServer("tracker", url=url, headers=headers, folder=self._lock, **more)

    def start(self) -> None:
        self.stop()
        env = {**os.environ, "TRACKER_STATE": str(self._state)}
        command = [sys.executable, str(SCRIPT), "http", str(self._port)]
        self._running = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", self._port)) == 0:
                    break
            assert self._running.poll() is None
            time.sleep(0.05)

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@pytest.fixture
def distant(state: Path, lock: Path) -> Iterator[Distant]:
    """Return what declares the tracker at an address; it runs until the test ends."""
    there = Distant(state, lock)
    yield there
    there.stop()


@pytest.fixture(params=["stdio", "http"])
def server(request: pytest.FixtureRequest) -> Callable[..., McpServer]:
    """Return what declares the tracker, both ways to reach it."""
    return request.getfixturevalue({"stdio": "local", "http": "distant"}[request.param])


@pytest.fixture
def carrier(ledger: Ledger, trail: Trail, journal: Journal, tmp_path: Path) -> Carrier:
    return Carrier(ledger, Artifacts(tmp_path / "artifacts"), trail, journal)
