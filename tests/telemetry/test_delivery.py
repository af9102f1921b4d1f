"""What is observed reaches a receiver by OTLP; one that does not take it costs nobody a run."""

import logging
import socket

import pytest

import concertmaster as cm
from concertmaster.telemetry import observe, trace_id
from concertmaster.telemetry.delivery import Delivery
from concertmaster.telemetry.losses import Losses

ASKED = "refund 20 EUR of order 42"


@pytest.fixture(autouse=True)
def _quiet_sdk():
    """Keep the SDK's own loggers, which tell of each failed attempt, out of the tests' output."""
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)


async def observed(workspace, home, runs: int = 1):
    async with cm.open(workspace, home=home) as desk:
        observer = observe(desk)
        done = [await desk.run(ASKED, principal="ana") for _ in range(runs)]
        observer.close()
    assert {run.status for run in done} == {"answered"}
    return observer, done


def told(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "concertmaster.telemetry"]


async def test_spans_arrive_whole(workspace, tmp_path, receiver, caplog):
    observer, (run,) = await observed(workspace, tmp_path / "home")
    spans = receiver.spans()
    (root,) = [s for s in spans if not s.parent_span_id]
    attributes = {a.key: a.value.string_value for a in root.attributes}
    assert root.trace_id.hex() == trace_id(run.id)
    assert attributes["concertmaster.run.id"] == run.id
    assert attributes["gen_ai.workflow.name"] == "refunds"
    assert {s.trace_id for s in spans} == {root.trace_id}
    assert {s.parent_span_id for s in spans} - {b""} <= {s.span_id for s in spans}
    assert "execute_tool refund" in {s.name for s in spans}
    (resource,) = receiver.traces[0].resource_spans
    named = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert named["service.name"] == "concertmaster"
    assert (observer.lost, told(caplog)) == (0, [])


async def test_metrics_arrive(workspace, tmp_path, receiver):
    await observed(workspace, tmp_path / "home", runs=2)
    found = {
        metric.name: metric
        for sent in receiver.metrics
        for resource in sent.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    (point,) = found["concertmaster.runs"].sum.data_points
    labels = {a.key: a.value.string_value for a in point.attributes}
    assert (point.as_double or point.as_int) == 2
    assert labels == {"workflow": "refunds", "outcome": "answered"}
    (waiting,) = found["concertmaster.approvals.pending"].gauge.data_points
    assert waiting.as_int == 0


async def test_the_service_is_named_as_the_environment_says(
    workspace, tmp_path, receiver, monkeypatch
):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "desk-eu")
    await observed(workspace, tmp_path / "home")
    (resource,) = receiver.traces[0].resource_spans
    named = {a.key: a.value.string_value for a in resource.resource.attributes}
    assert named["service.name"] == "desk-eu"


@pytest.mark.parametrize("mode", ["busy", "close", "hang"])
async def test_a_bad_receiver_costs_spans_and_no_run(workspace, tmp_path, receiver, caplog, mode):
    receiver.mode = mode
    observer, _ = await observed(workspace, tmp_path / "home", runs=2)
    assert receiver.requests > 0
    assert observer.lost > 0
    lines = [line for line in told(caplog) if line.startswith("spans")]
    assert len(lines) == 2  # Named once, and summed up at the end.
    assert str(observer.lost) in lines[1]
    assert receiver.url.removeprefix("http://") not in "".join(told(caplog))


async def test_nobody_there_costs_spans_and_no_run(workspace, tmp_path, caplog, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    observer, _ = await observed(workspace, tmp_path / "home")
    assert observer.lost > 0


def test_what_a_full_queue_drops_is_counted(receiver, monkeypatch):
    receiver.mode = "hang"
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    delivery = Delivery(metrics=False)
    tracer = delivery.tracer_provider.get_tracer("test")
    for _ in range(50):
        tracer.start_span("one").end()
    delivery.close(patience=0.5)
    assert delivery.spans.count == 50


def test_losses_are_named_once(caplog):
    losses = Losses("spans")
    for _ in range(5):
        losses.add(3, "the receiver did not take them")
    losses.sum_up()
    assert [r.getMessage() for r in caplog.records] == [
        "spans are lost (the receiver did not take them); runs go on, and further losses are only"
        " counted",
        "spans lost in all: 15",
    ]
