"""The stub of LangSmith's API, driven by the real client and by requests that no client sends."""

import gzip
import json
import uuid

import httpx
import langsmith as ls
import pytest
import zstandard

from concertmaster.testing import langsmith_server


@pytest.fixture(params=[True, False], ids=["zstd", "plain"])
def server(request):
    with langsmith_server(compression=request.param) as running:
        yield running


@pytest.fixture
def client(server):
    used = ls.Client(api_url=server.url, api_key="k")
    yield used
    used.close(timeout=5)


def order(*ids):
    return ".".join(f"20261121T0000000000{n:02}Z{i}" for n, i in enumerate(ids))


def run(run_id=None, parent=None, **more):
    run_id = run_id or str(uuid.uuid4())
    ids = (parent, run_id) if parent else (run_id,)
    basis = {
        "id": run_id, "trace_id": ids[0], "dotted_order": order(*ids), "name": "r",
        "run_type": "chain", "start_time": "2026-11-21T00:00:00Z", "session_name": "p",
        "end_time": "2026-11-21T00:00:01Z",
    }  # fmt: skip
    return {**basis, **({"parent_run_id": parent} if parent else {}), **more}


def post(server, *runs, **patches):
    return httpx.post(f"{server.url}/runs/batch", json={"post": list(runs), **patches})


def test_nested_runs_come_in_whole(server, client):
    @ls.traceable(run_type="tool")
    def inner(x):
        return x + 1

    @ls.traceable
    def outer(x):
        return inner(x)

    with ls.tracing_context(enabled=True, client=client, project_name="p"):
        assert outer(1) == 2
    client.flush()
    first, second = server.runs
    assert (first["name"], second["name"]) == ("outer", "inner")
    assert second["parent_run_id"] == first["id"]
    assert (second["inputs"], second["outputs"]) == ({"x": 1}, {"output": 2})
    assert first["session_name"] == "p"
    encodings = {r.encoding for r in server.requests if r.path == "/runs/multipart"}
    # What is sent before the client has read the stub's settings is sent plain.
    assert encodings <= ({"", "zstd"} if server.compression else {""})
    assert server.faults() == []


def test_gzip_and_zstd_are_understood_and_other_encodings_are_refused(server):
    def sent(encoding, pack):
        body = pack(json.dumps({"post": [run()]}).encode())
        headers = {"content-encoding": encoding, "content-type": "application/json"}
        answer = httpx.post(f"{server.url}/runs/batch", content=body, headers=headers)
        return answer.status_code

    assert sent("gzip", gzip.compress) == 202
    assert sent("zstd", zstandard.ZstdCompressor().compress) == 202
    assert sent("br", bytes) == 422
    assert len(server.runs) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "x"}, "is no UUID"),
        ({"name": ""}, "has no name"),
        ({"run_type": "magic"}, "no run_type 'magic'"),
        ({"start_time": None}, "has no start_time"),
        ({"session_name": None}, "names no project"),
        ({"dotted_order": "20261121Zx"}, "dotted_order"),
        ({"trace_id": str(uuid.uuid4())}, "dotted_order"),
        ({"parent_run_id": str(uuid.uuid4())}, "its parent is not the one before it"),
        ({"outputs": [1]}, "outputs is no dict"),
    ],
)
def test_malformed_run_is_rejected_and_the_rest_of_its_batch_is_kept(server, change, told):
    post(server, {**run(), **change}, run())
    assert len(server.runs) == 1
    assert told in server.faults()[0]


def test_orphaned_run_is_left_out_and_named_until_its_parent_comes(server):
    parent = str(uuid.uuid4())
    child = run(parent=parent)
    post(server, child)
    assert server.runs == ()
    assert "is an orphan" in server.faults()[0]
    post(server, run(parent))
    assert len(server.runs) == 2
    assert server.faults() == []


def test_end_without_a_beginning_and_run_without_an_end_are_told(server):
    late, open_ = str(uuid.uuid4()), run(end_time=None)
    post(server, open_, patch=[{"id": late, "end_time": "2026-11-21T00:00:02Z"}])
    assert server.faults() == [
        f"run {open_['id']} (r) never ended",
        f"the end of run {late} came without its beginning",
    ]
    post(server, run(late, end_time=None))
    assert [f for f in server.faults() if late in f] == []


def test_feedback_of_a_run_that_never_came_is_told(server, client):
    project = client.create_project("p")
    client.create_feedback(run_id=uuid.uuid4(), key="good", score=1, session_id=project.id)
    client.flush()
    assert "which never came" in server.faults()[0]
    assert httpx.post(f"{server.url}/feedback", json={"key": "x"}).status_code == 422


def test_parts_of_a_request_that_belong_to_nothing_are_refused(server):
    parts = {"post.x.inputs": (None, "{}", "application/json")}
    assert httpx.post(f"{server.url}/runs/multipart", files=parts).status_code == 422
    assert "belongs to nothing" in server.faults()[0]


def test_datasets_and_examples_are_kept(server, client):
    dataset = client.create_dataset("d", description="x")
    client.create_examples(dataset_id=dataset.id, examples=[{"inputs": {"n": n}} for n in range(3)])
    assert [e.inputs for e in client.list_examples(dataset_name="d")] == [
        {"n": 0},
        {"n": 1},
        {"n": 2},
    ]
    example = server.examples[0]["id"]
    assert client.read_example(example).inputs == {"n": 0}
    lost = {"dataset_id": str(uuid.uuid4()), "inputs": {}}
    assert httpx.post(f"{server.url}/examples", json=lost).status_code == 422


def test_stub_refuses_as_it_is_told(server):
    server.status = 429
    answer = post(server, run())
    assert (answer.status_code, answer.headers["retry-after"], server.runs) == (429, "1", ())
    assert httpx.get(f"{server.url}/info").status_code == 200
