"""Figures of runs: what is counted, under which labels, and how Prometheus reads it."""

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import concertmaster as cm
from concertmaster.contracts import AuditEvent
from concertmaster.telemetry.facts import Names
from concertmaster.telemetry.measures import MEASURES, Measures
from concertmaster.telemetry.meters import Meters
from concertmaster.telemetry.pending import pending
from concertmaster.telemetry.tally import Tally

NAMES = Names(
    workflow="desk",
    steps=frozenset({"executor"}),
    tools=frozenset({"pay"}),
    models={"gpt": ("openai", "gpt-9")},
)


class Story:
    """Events of runs, one a second."""

    def __init__(self, *sinks) -> None:
        self.found: list[tuple[str, float, dict[str, str]]] = []
        keep = lambda m, v, labels: self.found.append((m.name, v, dict(labels)))  # noqa: E731
        self._measures = Measures(NAMES, keep, *sinks)
        self._second = 0

    def tell(self, type_: str, run: str = "run-1", actor: str = "gate", **data) -> None:
        self._second += 1
        minute, second = divmod(self._second, 60)
        hour, minute = divmod(minute, 60)
        self._measures.event(
            AuditEvent(
                id=f"evt-{self._second}",
                time=f"2026-01-01T{hour:02}:{minute:02}:{second:02}Z",
                type=type_,
                workspace="desk",
                run=run,
                actor=actor,
                why="because",
                data=data,
            )
        )

    def of(self, name: str) -> list[tuple[float, dict[str, str]]]:
        return [
            (v, {k: x for k, x in labels.items() if k != "workflow"})
            for n, v, labels in self.found
            if n == name
        ]


def test_a_run_is_counted_and_timed_by_its_outcome():
    story = Story()
    story.tell("run.received")
    story.tell("route.hop", to="executor")
    story.tell("route.hop", to="finish")
    story.tell("run.ended", status="answered")
    assert story.of("concertmaster.runs") == [(1, {"outcome": "answered"})]
    assert story.of("concertmaster.run.duration") == [(3, {"outcome": "answered"})]
    assert story.of("concertmaster.steps") == [(1, {"step": "executor"})]
    assert story.of("concertmaster.step.duration") == [(1, {"step": "executor"})]


def test_a_model_call_is_counted_with_tokens_time_and_cost():
    story = Story()
    story.tell("model.chosen", model="gpt")
    story.tell("model.called", model="gpt", input_tokens=900, output_tokens=50, cost=0.25)
    labels = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-9",
    }
    assert story.of("gen_ai.client.operation.duration") == [(1, labels)]
    assert story.of("gen_ai.client.token.usage") == [
        (900, {**labels, "gen_ai.token.type": "input"}),
        (50, {**labels, "gen_ai.token.type": "output"}),
    ]
    assert story.of("concertmaster.cost") == [(0.25, {"model": "gpt-9"})]


def test_a_model_that_failed_is_counted_by_kind_without_tokens():
    story = Story()
    story.tell("model.chosen", model="gpt")
    story.tell("model.failed", model="gpt", kind="limited")
    assert story.of("concertmaster.model.calls") == [(1, {"model": "gpt-9", "result": "limited"})]
    assert story.of("gen_ai.client.token.usage") == []
    assert story.of("concertmaster.errors") == [(1, {"kind": "model_failed", "type": "limited"})]


def test_a_call_is_decided_once_and_made_once():
    story = Story()
    story.tell("policy.decided", tool="pay", decision="allow")
    story.tell("policy.decided", tool="pay", decision="allow", actor="act")
    story.tell("effect.done", tool="pay")
    story.tell("tool.refused", tool="pay", decision="deny")
    assert [labels["decision"] for _, labels in story.of("concertmaster.tool.decisions")] == [
        "allow",
        "deny",
    ]
    assert story.of("concertmaster.tool.calls") == [(1, {"tool": "pay", "result": "done"})]


def test_a_wait_ends_with_the_deciding_answer():
    story = Story()
    story.tell("approval.requested", approval="apr-1")
    story.tell("approval.answered", approval="apr-1", status="pending")
    story.tell("approval.answered", approval="apr-1", status="approved")
    assert story.of("concertmaster.approval.wait") == [(2, {"answer": "approved"})]


def test_names_that_nobody_declared_share_one_series():
    story = Story()
    for number in range(50):
        story.tell("tool.refused", tool=f"made_up_{number}", decision="deny")
    labels = {str(found) for _, found in story.of("concertmaster.tool.decisions")}
    assert labels == {str({"tool": "unknown", "decision": "deny"})}


def test_the_number_of_series_is_bounded():
    story = Story()
    for number in range(2000):
        story.tell("run.ended", run=f"run-{number}", status=f"status{number}")
    labels = {found["outcome"] for _, found in story.of("concertmaster.runs")}
    assert len(labels) == 501
    assert "other" in labels


def test_prometheus_text_has_cumulative_buckets():
    tally = Tally()
    story = Story(tally)
    for _ in range(3):
        story.tell("approval.requested", approval="apr-1")
        story.tell("approval.answered", approval="apr-1", status="approved")
    text = tally.text({"concertmaster_approvals_pending": ("Waiting.", {(): 2.0})})
    labels = 'answer="approved",workflow="desk"'
    name = "concertmaster_approval_wait_seconds"
    assert f'{name}_bucket{{{labels},le="1"}} 3' in text
    assert f'{name}_bucket{{{labels},le="+Inf"}} 3' in text
    assert f"{name}_count{{{labels}}} 3" in text
    assert f"# TYPE {name} histogram" in text
    assert "concertmaster_approvals_pending 2\n" in text


def test_a_label_cannot_break_out_of_its_line():
    tally = Tally()
    value = 'x"} 1\nevil_total{a="\\'
    tally(MEASURES["concertmaster.runs"], 1, {"outcome": value})
    lines = tally.text().splitlines()
    assert len(lines) == 3
    assert not any(line.startswith("evil") for line in lines)
    assert lines[2] == r'concertmaster_runs_total{outcome="x\"} 1\nevil_total{a=\"\\"} 1'


def test_every_measure_has_its_instrument():
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    meters = Meters(provider.get_meter("test"))
    for measure in MEASURES.values():
        meters(measure, 1, {"workflow": "desk"})
    (resource,) = reader.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    assert {m.name for m in scope.metrics} == set(MEASURES)


async def test_what_waits_is_counted_where_it_is_stored(workspace, tmp_path):
    async with cm.open(workspace, home=tmp_path / "home") as desk:
        assert pending(desk.database, "refunds") == 0
        run = await desk.run("refund 80 EUR of order 42", principal="ana")
        assert pending(desk.database, "refunds") == 1
        await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")
        assert pending(desk.database, "refunds") == 0


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_prometheus_names_are_well_formed(name):
    tally = Tally()
    tally(MEASURES[name], 1.5, {"gen_ai.request.model": "m"})
    told = [line for line in tally.text().splitlines() if not line.startswith("#")]
    assert all(line.split("{")[0].replace("_", "a").isalnum() for line in told)
    assert 'gen_ai_request_model="m"' in told[0]
