"""A stub of LangSmith's API on the loopback, for the real client (written against langsmith 0.15).

It decodes what the client sends, refuses what is malformed, and can be slow, refuse or vanish. It
stands in for somebody else's service: what it cannot prove is in docs/how-to/trace-in-langsmith.md.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from concertmaster.testing.langsmith_records import Malformed, Records
from concertmaster.testing.langsmith_routes import ROUTES, Given, decoded
from concertmaster.testing.loopback import Loopback, Quiet

__all__ = ["LangSmithRequest", "LangSmithServer", "langsmith_server"]

_LARGEST = 200_000_000


@dataclass(frozen=True)
class LangSmithRequest:
    """One request that came in: method, path, how its body was encoded, the status it got."""

    method: str
    path: str
    encoding: str
    status: int
    body: bytes


def langsmith_server(
    *, compression: bool = True, status: int | None = None, delay: float = 0.0
) -> LangSmithServer:
    """Return a stub; use it with `with`.

    Args:
        compression: whether it tells clients that it takes zstd.
        status: answer everything that is written with this status, such as 429.
        delay: seconds before each answer.
    """
    return LangSmithServer(compression=compression, status=status, delay=delay)


class LangSmithServer:
    """The running stub. `status` and `delay` may be changed while it runs."""

    def __init__(self, *, compression: bool, status: int | None, delay: float) -> None:
        self.compression, self.status, self.delay = compression, status, delay
        self.records = Records()
        self._http: _HTTP | None = None
        self._requests: list[LangSmithRequest] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        if self._http is None:
            raise RuntimeError("the stub is not running; use it with `with`")
        return self._http.url

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a process traces to it."""
        return {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": self.url,
            "LANGSMITH_API_KEY": "lsv2_pt_test",
        }

    @property
    def requests(self) -> tuple[LangSmithRequest, ...]:
        """Every request so far, in order."""
        with self._lock:
            return tuple(self._requests)

    @property
    def runs(self) -> tuple[dict[str, Any], ...]:
        """The runs that came in whole, by their order; malformed and orphaned ones are left out."""
        with self._lock:
            orphans = set(self.records.orphans())
            kept = [run for i, run in self.records.runs.items() if i not in orphans]
        return tuple(sorted(kept, key=lambda run: str(run.get("dotted_order"))))

    @property
    def feedback(self) -> tuple[dict[str, Any], ...]:
        """The feedback that came in."""
        with self._lock:
            return tuple(self.records.feedback.values())

    @property
    def projects(self) -> tuple[dict[str, Any], ...]:
        """The projects; those with a `reference_dataset_id` are experiments."""
        with self._lock:
            return tuple(self.records.projects.values())

    @property
    def datasets(self) -> tuple[dict[str, Any], ...]:
        """The datasets."""
        with self._lock:
            return tuple(self.records.datasets.values())

    @property
    def examples(self) -> tuple[dict[str, Any], ...]:
        """The examples of all datasets."""
        with self._lock:
            return tuple(self.records.examples.values())

    def faults(self) -> list[str]:
        """Return what is wrong with all that came in: malformed, orphaned, never ended."""
        with self._lock:
            return self.records.faults()

    def handle(self, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> Any:
        """Answer one request: `(status, document)`."""
        where = urlsplit(path)
        encoding = headers.get("content-encoding", "")
        status, document, body = 500, None, b""
        try:
            body = decoded(raw, encoding)
            writes = method != "GET" and where.path != "/runs/query"
            if self.status is not None and (writes or self.status == 401):
                status, document = self.status, {"detail": "as it was told"}
            else:
                with self._lock:
                    query = {k: v[0] for k, v in parse_qs(where.query).items()}
                    given = Given(query, body, headers.get("content-type", ""))
                    status, document = self._routed(method, where.path, given)
        except Malformed as error:
            status, document = 422, {"detail": str(error)}
            with self._lock:
                self.records.rejected.append(f"{method} {where.path}: {error}")
        except (KeyError, TypeError, ValueError) as error:
            status, document = 422, {"detail": f"{type(error).__name__}: {error}"}
            with self._lock:
                self.records.rejected.append(f"{method} {where.path}: {error!r}")
        with self._lock:
            self._requests.append(LangSmithRequest(method, where.path, encoding, status, body))
        return status, document

    def _routed(self, method: str, path: str, given: Given) -> tuple[int, Any]:
        for wanted, pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if wanted == method and match:
                return answer(self, given, *match.groups())
        return 404, {"detail": f"the stub knows no {method} {path}"}

    def __enter__(self) -> Self:
        self._http = _HTTP(self)
        self._http.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._http is not None:
            self._http.stop()


class _HTTP(Loopback):
    def __init__(self, stub: LangSmithServer) -> None:
        super().__init__(_Handler)
        self.stub = stub


class _Handler(Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTP

    def _serve(self) -> None:
        raw = self._body()
        self.server.stopping.wait(self.server.stub.delay)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, document = self.server.stub.handle(self.command, self.path, headers, raw)
        encoded = json.dumps(document, default=str).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("retry-after", "1")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(min(int(self.headers.get("content-length") or 0), _LARGEST))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        """Serve what is read."""
        self._serve()

    def do_POST(self) -> None:
        """Serve what is made."""
        self._serve()

    def do_PATCH(self) -> None:
        """Serve what is changed."""
        self._serve()

    def do_PUT(self) -> None:
        """Serve what is put."""
        self._serve()
