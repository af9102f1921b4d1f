"""An HTTP server of a test's own: a free port of the loopback, a thread, and nothing said."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Loopback", "Quiet"]


class Loopback(ThreadingHTTPServer):
    """Listens from `start` to `stop`; a handler that waits does so on `stopping`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.stopping = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Answer from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of handlers that wait, close the port and wait for the thread."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away early are part of what is tested."""


class Quiet:
    """What a handler is besides `BaseHTTPRequestHandler`: nothing is logged."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
