"""The world outside of the workers: it counts effects, and strikes workers where they ask it to."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["Seen", "Service"]


@dataclass
class Seen:
    """What the service saw of one scenario."""

    effects: list[str] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)
    late: list[int] = field(default_factory=list)
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)
    at: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, done: Any, seconds: float) -> bool:
        """Wait until `done(self)`; False if it took longer."""
        with self.at:
            return bool(self.at.wait_for(lambda: done(self), timeout=seconds))


class Service:
    """A server on a Unix socket, in threads of the benchmark's own process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: defaultdict[str, Seen] = defaultdict(Seen)
        service = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if not line:
                    return
                answer = service._answer(json.loads(line))
                with suppress(BrokenPipeError):  # Whoever asked was killed.
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        self._server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def seen(self, scenario: str) -> Seen:
        """Return what was seen of a scenario so far."""
        return self._seen[scenario]

    def _answer(self, said: dict[str, Any]) -> Any:
        seen, pid = self._seen[said["scenario"]], said["pid"]
        with seen.at:
            match said["op"]:
                case "effect":
                    seen.calls.append(pid)
                    if pid in seen.struck:
                        seen.late.append(pid)
                    if not (said["idempotent"] and said["key"] in seen.effects):
                        seen.effects.append(said["key"])
                case "look up":
                    return said["key"] in seen.effects
                case "reached":
                    # The answer is not read before the worker goes on, which a killed one never
                    # does: it is struck exactly here.
                    os.kill(pid, signal.SIGSTOP if said["pause"] else signal.SIGKILL)
                    seen.struck.append(pid)
                case "ended":
                    seen.ended[pid] = said
            seen.at.notify_all()
        return True
