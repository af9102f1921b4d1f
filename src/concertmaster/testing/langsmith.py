"""A stub of LangSmith's API on the loopback, for the real client (written against langsmith 0.15).

It decodes what the client sends, refuses what is malformed, and can be slow, refuse or vanish. It
stands in for somebody else's service: what it cannot prove is in docs/how-to/trace-in-langsmith.md.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from concertmaster.testing.langsmith_records import TENANT, Malformed, Records, joined, now

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
        return f"http://127.0.0.1:{self._http.server_address[1]}"

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
            body = _decoded(raw, encoding)
            writes = method != "GET" and where.path != "/runs/query"
            if self.status is not None and (writes or self.status == 401):
                status, document = self.status, {"detail": "as it was told"}
            else:
                with self._lock:
                    query = {k: v[0] for k, v in parse_qs(where.query).items()}
                    given = _Given(query, body, headers.get("content-type", ""))
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

    def _routed(self, method: str, path: str, given: _Given) -> tuple[int, Any]:
        for wanted, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if wanted == method and match:
                return answer(self, given, *match.groups())
        return 404, {"detail": f"the stub knows no {method} {path}"}

    def __enter__(self) -> Self:
        self._http = _HTTP(self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._http is not None:
            self._http.stopping.set()
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()


@dataclass(frozen=True)
class _Given:
    """What a request says."""

    query: Mapping[str, str]
    body: bytes
    kind: str

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    def parts(self) -> dict[str, Any]:
        """Return the parts of a multipart body by name."""
        boundary = re.search(r'boundary="?([^";]+)', self.kind)
        if not boundary:
            raise Malformed("the body is no multipart/form-data")
        found: dict[str, Any] = {}
        for piece in (b"\r\n" + self.body).split(b"\r\n--" + boundary[1].encode())[1:]:
            if piece.startswith(b"--"):
                break
            head, _, content = piece.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)
            if not name:
                raise Malformed("a part has no name")
            plain = b"application/json" in head
            found[name[1].decode()] = json.loads(content) if plain else content
        return found


def _decoded(raw: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(raw)
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    if encoding:
        raise Malformed(f"there is no encoding {encoding!r}")
    return raw


Answer = Callable[..., tuple[int, Any]]


def _info(server: LangSmithServer, _: _Given) -> tuple[int, Any]:
    return 200, {
        "version": "0.13.0",
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
        },
        "instance_flags": {
            "zstd_compression_enabled": server.compression,
            "dataset_examples_multipart_enabled": True,
            "examples_multipart_enabled": True,
        },
    }


def _settings(_server: LangSmithServer, _: _Given) -> tuple[int, Any]:
    return 200, {"id": TENANT, "display_name": "stub", "created_at": now()}


def _ingest(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
    for kind, record in joined(given.parts()):
        _take(server, kind, record)
    return 202, {}


def _take(server: LangSmithServer, kind: str, record: dict[str, Any]) -> None:
    """Take one record; what is malformed is left out and named, the rest of its batch is kept."""
    take = {
        "post": server.records.post_run,
        "patch": server.records.patch_run,
        "feedback": server.records.add_feedback,
    }[kind]
    try:
        take(record)
    except Malformed as error:
        server.records.rejected.append(str(error))


def _batch(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
    for kind in ("post", "patch"):
        for record in given.json.get(kind) or ():
            _take(server, kind, record)
    return 202, {}


def _post_run(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
    server.records.post_run(given.json)
    return 202, {}


def _patch_run(server: LangSmithServer, given: _Given, run: str) -> tuple[int, Any]:
    server.records.patch_run({**given.json, "id": run})
    return 202, {}


def _stored(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"session_id": str(uuid.UUID(int=0)), "app_path": f"/r/{run['id']}", **run}


def _get_run(server: LangSmithServer, _: _Given, run: str) -> tuple[int, Any]:
    found = server.records.runs.get(run)
    return (200, _stored(found)) if found else (404, {"detail": f"there is no run {run}"})


def _query_runs(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
    asked, records = given.json, server.records
    names = {records.projects[str(p)]["name"] for p in asked.get("session") or ()}
    ids = {str(i) for i in asked.get("id") or ()}
    roots = asked.get("is_root")
    found = [
        _stored(run)
        for run in records.runs.values()
        if (not names or run.get("session_name") in names)
        and (not ids or str(run["id"]) in ids)
        and (roots is None or (run.get("parent_run_id") is None) == roots)
    ]
    return 200, {"runs": found, "cursors": {}}


def _kept(store: str, add: str) -> tuple[Answer, Answer, Answer, Answer]:
    """Return how records of one kind are made, listed, read and changed."""

    def make(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
        body = given.json
        if isinstance(body, list):
            return 200, [getattr(server.records, add)(one) for one in body]
        return 200, getattr(server.records, add)(body)

    def listed(server: LangSmithServer, given: _Given) -> tuple[int, Any]:
        found = list(getattr(server.records, store).values())
        for name, field in (("name", "name"), ("dataset", "dataset_id"), ("run", "run_id")):
            if name in given.query:
                found = [one for one in found if str(one.get(field)) == given.query[name]]
        start = int(given.query.get("offset", 0))
        return 200, found[start : start + int(given.query.get("limit", 100))]

    def read(server: LangSmithServer, _: _Given, record: str) -> tuple[int, Any]:
        found = getattr(server.records, store).get(record)
        return (200, found) if found else (404, {"detail": f"there is no {record}"})

    def change(server: LangSmithServer, given: _Given, record: str) -> tuple[int, Any]:
        found = getattr(server.records, store).get(record)
        if found is None:
            return 404, {"detail": f"there is no {record}"}
        found.update({k: v for k, v in given.json.items() if v is not None})
        return 200, found

    return make, listed, read, change


def _put_examples(server: LangSmithServer, given: _Given, dataset: str) -> tuple[int, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in given.parts().items():
        record, _, piece = name.partition(".")
        if piece and piece not in ("inputs", "outputs") and not piece.startswith("attachment"):
            raise Malformed(f"part {name!r} belongs to nothing")
        place = found.setdefault(record, {"dataset_id": dataset, "id": record})
        place.update({piece: value} if piece else value)
    made = [server.records.add_example(body) for body in found.values()]
    ids = [one["id"] for one in made]
    return 201, {"example_ids": ids, "count": len(ids), "as_of": now()}


def _patch_examples(server: LangSmithServer, given: _Given, _dataset: str) -> tuple[int, Any]:
    ids = []
    for name, value in given.parts().items():
        record, _, piece = name.partition(".")
        server.records.examples[record].update({piece: value} if piece else value)
        ids.append(record)
    return 200, {"example_ids": list(dict.fromkeys(ids)), "count": len(set(ids))}


def _versions(server: LangSmithServer, _: _Given, dataset: str) -> tuple[int, Any]:
    return 200, [{"tags": ["latest"], "as_of": server.records.datasets[dataset]["modified_at"]}]


def _version(server: LangSmithServer, _: _Given, dataset: str) -> tuple[int, Any]:
    return 200, {"tags": ["latest"], "as_of": server.records.datasets[dataset]["modified_at"]}


def _done(_server: LangSmithServer, _: _Given, *_names: str) -> tuple[int, Any]:
    return 200, {}


_ID = r"([0-9a-f-]{36})"
_PROJECT, _DATASET = _kept("projects", "add_project"), _kept("datasets", "add_dataset")
_EXAMPLE, _FEEDBACK = _kept("examples", "add_example"), _kept("feedback", "add_feedback")
_ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("GET", "/info", _info),
    ("GET", "/settings", _settings),
    ("POST", "/runs/multipart", _ingest),
    ("POST", "/runs/batch", _batch),
    ("POST", "/runs/query", _query_runs),
    ("POST", "/runs", _post_run),
    ("GET", f"/runs/{_ID}", _get_run),
    ("PATCH", f"/runs/{_ID}", _patch_run),
    ("GET", f"/datasets/{_ID}/versions", _versions),
    ("GET", f"/datasets/{_ID}/version", _version),
    ("PUT", f"/datasets/{_ID}/tags", _done),
    ("POST", f"(?:/v1)?/platform/datasets/{_ID}/examples", _put_examples),
    ("PATCH", f"(?:/v1)?/platform/datasets/{_ID}/examples", _patch_examples),
    *(
        route
        for path, (make, listed, read, change) in (
            ("/sessions", _PROJECT),
            ("/datasets", _DATASET),
            ("/examples", _EXAMPLE),
            ("/feedback", _FEEDBACK),
        )
        for route in (
            ("POST", path, make),
            ("GET", path, listed),
            ("GET", f"{path}/{_ID}", read),
            ("PATCH", f"{path}/{_ID}", change),
        )
    ),
    ("POST", "/examples/bulk", _EXAMPLE[0]),
)


class _HTTP(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, stub: LangSmithServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stub = stub
        self.stopping = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away early are part of what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTP

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

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
