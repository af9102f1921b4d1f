"""Servers as processes of their own: ours with users and keys, and the echo."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from concertmaster.contracts import Principal
from concertmaster.serving.identity.user_store import UserStore
from serving_load.client import Target

__all__ = ["Ours", "echoing", "resident"]

_ROOT = Path(__file__).resolve().parents[2]
_WORKSPACE = _ROOT / "examples" / "support_desk"
_PEOPLE = (
    Principal(id="ana", roles=("customer",)),
    Principal(id="li", roles=("staff", "finance")),
)
_OPEN = {"requests": 1e9, "runs": 100_000, "runs_each": 100_000, "streams_each": 100_000}
_START = 180.0


class Ours:
    """`concertmaster serve` over the support desk, with a home of its own; may be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys: dict[str, str] = {}
        self._port = 0
        self._child: subprocess.Popen[str] | None = None
        self._env = {**os.environ, "CONCERTMASTER_HOME": str(folder / "home")}
        settings = {"limits": _OPEN, "sweep": 5, "drain": 5}
        settings["identity"] = {"users": str(folder / "users.db")}
        (folder / "settings.yaml").write_text(yaml.safe_dump(settings))

    async def enrol(self) -> None:
        """Make users and keys."""
        store = UserStore.open(self.folder / "users.db")
        try:
            for principal in _PEOPLE:
                await store.add(principal, by="benchmark")
                _, text = await store.keys.create(principal.id, by="benchmark")
                self.keys[principal.id] = text
        finally:
            store.close()

    def target(self, who: str) -> Target:
        """Return where to ask as somebody."""
        return Target(self._port, (("Authorization", f"Bearer {self.keys[who]}"),))

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        """Start the server and wait until it says that it serves; at the same port each time.

        Raises:
            RuntimeError: it did not start.
        """
        self._child = subprocess.Popen(
            [
                *(sys.executable, "-m", "concertmaster", "serve", str(_WORKSPACE)),
                *("--port", str(self._port), "--settings", str(self.folder / "settings.yaml")),
            ],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "server.log").open("a"),
            text=True,
            bufsize=1,
        )
        assert self._child.stdout is not None
        begun = time.monotonic()
        for line in self._child.stdout:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/api/v1", line):
                self._port = int(found[1])
                return
            if time.monotonic() - begun > _START:
                break
        raise RuntimeError(f"the server did not start; see {self.folder}/server.log")

    def stop(self, kill: bool = False) -> None:
        """Stop the server: as an operator does, or by taking its process away."""
        if self._child is None:
            return
        self._child.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        self._child.wait(60)
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._child = None

    async def restart(self, kill: bool) -> None:
        """Stop the server and start it again."""
        await asyncio.to_thread(self.stop, kill)
        await asyncio.to_thread(self.start)


def echoing(recorded: Path) -> tuple[subprocess.Popen[str], Target]:
    """Start the echo; return its process and where it listens."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("echo.py")), str(recorded)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    port = int(child.stdout.readline())
    return child, Target(port)


def resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
