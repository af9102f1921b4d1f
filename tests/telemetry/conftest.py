"""What tests of telemetry share: small desks, spans in memory, a receiver that speaks OTLP."""

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.refunds import FILES
from tests.workspaces import write_workspace


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """Wait for the threads that a test started: an exporter that tries again uses `random`.

    Whatever draws from it while Hypothesis generates a case fails that test, which is another one.
    """
    before = set(threading.enumerate())
    yield
    for thread in threading.enumerate():
        if thread not in before and thread.name != "concertmaster-tool":  # That one stays.
            thread.join(60)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a small workspace: refunds over 50.00 wait for finance."""
    return write_workspace(tmp_path / "refunds", FILES)


@pytest.fixture
def support_desk(root: Path) -> Path:
    """Return the folder of the sample workspace."""
    return root / "examples" / "support_desk"


class Seen:
    """A provider of a program's own, and what its exporter got."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def roots(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.parent is None]

    def text(self) -> str:
        """Everything that was told, as one text."""
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def seen() -> Seen:
    """Return a provider of the program's own, with its spans in memory."""
    return Seen()


class Receiver:
    """An OTLP receiver on the loopback; `mode` says how it behaves: ok, busy, hang or close."""

    def __init__(self) -> None:
        self.mode = "ok"
        self.requests = 0
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.let_go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = request.rfile.read(int(request.headers["content-length"]))
        if self.mode == "hang":
            self.let_go.wait(30)
        if self.mode != "ok":
            if self.mode == "busy":
                request.send_response(429)
                request.send_header("retry-after", "3600")
                request.end_headers()
            request.close_connection = True
            return
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if request.path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(body))
        elif request.path == "/v1/metrics":
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        request.send_response(200)
        request.send_header("content-length", "0")
        request.end_headers()

    def spans(self) -> list:
        return [
            span
            for sent in self.traces
            for resource in sent.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Return a receiver to which the environment sends what is observed."""
    there = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    yield there
    there.close()
    # The exporters' threads see their connection close before the test's warnings are looked at.
    time.sleep(0.05)
