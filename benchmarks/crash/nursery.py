"""Forks workers from one process that has everything imported: a worker begins in milliseconds.

Run as a program it is that process: each line on stdin is a worker to fork, lines on stdout tell
which process it is and how it ended.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

__all__ = ["Nursery"]


class Nursery:
    """The forking process, seen from the benchmark."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crash.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "workers.log").open("w"),
            text=True,
            env=environment,
        )
        self._at = threading.Condition()
        self._pids: dict[str, int] = {}
        self._codes: dict[int, int] = {}
        self._running: set[int] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        for pid in self._running.copy():
            _kill(pid)
        self._process.wait(timeout=30)

    def fork(self, name: str, **given: Any) -> int:
        """Begin a worker and return its process number."""
        assert self._process.stdin is not None
        with self._at:
            self._process.stdin.write(json.dumps({"name": name, **given}) + "\n")
            self._process.stdin.flush()
            if not self._at.wait_for(lambda: name in self._pids, timeout=60):
                raise RuntimeError("no worker could be forked; see workers.log")
            return self._pids[name]

    def ended(self, pid: int, seconds: float) -> int | None:
        """Wait for a worker to end; return its exit code, None if it took longer."""
        with self._at:
            self._at.wait_for(lambda: pid in self._codes, timeout=seconds)
            return self._codes.get(pid)

    def kill(self, pid: int) -> None:
        """End a worker that does not end."""
        if pid in self._running:
            _kill(pid)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._at:
                if "name" in told:
                    self._pids[told["name"]] = told["pid"]
                    self._running.add(told["pid"])
                else:
                    self._codes[told["pid"]] = told["code"]
                    self._running.discard(told["pid"])
                self._at.notify_all()


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, 9)


def _serve() -> None:
    from crash.worker import main, warm_up

    warm_up()
    waiting = b""
    while True:
        ready, _, _ = select.select([0], [], [], 0.02)
        if ready:
            got = os.read(0, 65536)
            if not got:
                return
            waiting += got
            *lines, waiting = waiting.split(b"\n")
            for line in lines:
                _fork(main, json.loads(line))
        _reap()


def _fork(main: Any, given: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(0)
            os.dup2(2, 1)
            code = main(given)
        finally:
            sys.stderr.flush()
            os._exit(code)
    print(json.dumps({"name": given["name"], "pid": pid}), flush=True)


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        print(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    _serve()
