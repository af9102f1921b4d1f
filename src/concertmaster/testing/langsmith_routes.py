"""What the stub of LangSmith answers to each request of its API."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.testing.langsmith_records import TENANT, Malformed, joined, now

if TYPE_CHECKING:
    from concertmaster.testing.langsmith import LangSmithServer

__all__ = ["ROUTES", "Given", "decoded"]


@dataclass(frozen=True)
class Given:
    """What a request says."""

    query: Mapping[str, str]
    body: bytes
    kind: str

    @property
    def json(self) -> Any:
        """The body as JSON; an empty object if there is none."""
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


def decoded(raw: bytes, encoding: str) -> bytes:
    """Return a body as it was before it was packed.

    Raises:
        Malformed: the encoding is not known.
    """
    if encoding == "gzip":
        return gzip.decompress(raw)
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    if encoding:
        raise Malformed(f"there is no encoding {encoding!r}")
    return raw


Answer = Callable[..., tuple[int, Any]]


def _info(server: LangSmithServer, _: Given) -> tuple[int, Any]:
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


def _settings(_server: LangSmithServer, _: Given) -> tuple[int, Any]:
    return 200, {"id": TENANT, "display_name": "stub", "created_at": now()}


def _ingest(server: LangSmithServer, given: Given) -> tuple[int, Any]:
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


def _batch(server: LangSmithServer, given: Given) -> tuple[int, Any]:
    for kind in ("post", "patch"):
        for record in given.json.get(kind) or ():
            _take(server, kind, record)
    return 202, {}


def _post_run(server: LangSmithServer, given: Given) -> tuple[int, Any]:
    server.records.post_run(given.json)
    return 202, {}


def _patch_run(server: LangSmithServer, given: Given, run: str) -> tuple[int, Any]:
    server.records.patch_run({**given.json, "id": run})
    return 202, {}


def _stored(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"session_id": str(uuid.UUID(int=0)), "app_path": f"/r/{run['id']}", **run}


def _get_run(server: LangSmithServer, _: Given, run: str) -> tuple[int, Any]:
    found = server.records.runs.get(run)
    return (200, _stored(found)) if found else (404, {"detail": f"there is no run {run}"})


def _query_runs(server: LangSmithServer, given: Given) -> tuple[int, Any]:
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

    def make(server: LangSmithServer, given: Given) -> tuple[int, Any]:
        body = given.json
        if isinstance(body, list):
            return 200, [getattr(server.records, add)(one) for one in body]
        return 200, getattr(server.records, add)(body)

    def listed(server: LangSmithServer, given: Given) -> tuple[int, Any]:
        found = list(getattr(server.records, store).values())
        for name, field in (("name", "name"), ("dataset", "dataset_id"), ("run", "run_id")):
            if name in given.query:
                found = [one for one in found if str(one.get(field)) == given.query[name]]
        start = int(given.query.get("offset", 0))
        return 200, found[start : start + int(given.query.get("limit", 100))]

    def read(server: LangSmithServer, _: Given, record: str) -> tuple[int, Any]:
        found = getattr(server.records, store).get(record)
        return (200, found) if found else (404, {"detail": f"there is no {record}"})

    def change(server: LangSmithServer, given: Given, record: str) -> tuple[int, Any]:
        found = getattr(server.records, store).get(record)
        if found is None:
            return 404, {"detail": f"there is no {record}"}
        found.update({k: v for k, v in given.json.items() if v is not None})
        return 200, found

    return make, listed, read, change


def _put_examples(server: LangSmithServer, given: Given, dataset: str) -> tuple[int, Any]:
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


def _patch_examples(server: LangSmithServer, given: Given, _dataset: str) -> tuple[int, Any]:
    ids = []
    for name, value in given.parts().items():
        record, _, piece = name.partition(".")
        server.records.examples[record].update({piece: value} if piece else value)
        ids.append(record)
    return 200, {"example_ids": list(dict.fromkeys(ids)), "count": len(set(ids))}


def _versions(server: LangSmithServer, _: Given, dataset: str) -> tuple[int, Any]:
    return 200, [{"tags": ["latest"], "as_of": server.records.datasets[dataset]["modified_at"]}]


def _version(server: LangSmithServer, _: Given, dataset: str) -> tuple[int, Any]:
    return 200, {"tags": ["latest"], "as_of": server.records.datasets[dataset]["modified_at"]}


def _done(_server: LangSmithServer, _: Given, *_names: str) -> tuple[int, Any]:
    return 200, {}


_ID = r"([0-9a-f-]{36})"
_PROJECT, _DATASET = _kept("projects", "add_project"), _kept("datasets", "add_dataset")
_EXAMPLE, _FEEDBACK = _kept("examples", "add_example"), _kept("feedback", "add_feedback")
ROUTES: tuple[tuple[str, str, Answer], ...] = (
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
