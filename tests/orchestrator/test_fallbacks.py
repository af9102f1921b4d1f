"""What a step does when it cannot do its part: attempts, time limits, declared fallbacks."""

import logging
from collections.abc import Sequence

import numpy as np
import pytest

import concertmaster as cm

PAY = "refund 20 euros for order 1042"
SECRET = "hunter2"

STEP = """
  - {id: extra, agent: "steps:extra", owner: second-line, purpose: Do more., input: [request],
     model: none, tools: [], permission: none, review: none,
     success_metric: {name: extra, target: 1.0}, timeout: 300ms,
     retry: {attempts: ATTEMPTS, pause: 10ms}, fallback: FALLBACK}
"""


def with_step(workspace, body, *, attempts=1, fallback="escalate"):
    path = workspace / "workflow.yaml"
    step = STEP.replace("ATTEMPTS", str(attempts)).replace("FALLBACK", fallback)
    text = path.read_text().replace("routes:\n", f"{step}routes:\n", 1)
    owners = "owners: {ops: {role: ops, contact: ops@shop.example}"
    second = ", second-line: {role: ops, contact: second@shop.example}"
    text = text.replace(owners, owners + second, 1)
    first = "  - {when: \"principal.id == 'viewer'"
    gate = "  - {when: \"!('extra' in done) && !planned && draft == null\", to: extra}\n"
    path.write_text(text.replace(first, gate + first, 1))
    (workspace / "steps.py").write_text(
        f"import time\ntried = []\ndef extra(state, runtime):\n    tried.append(1)\n    {body}\n"
    )


async def test_step_that_fails_once_is_tried_again(workspace, home, refunds):
    with_step(workspace, "if len(tried) == 1: raise ValueError\n    return {}", attempts=2)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana")
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])


async def test_step_is_tried_no_more_than_declared(workspace, home):
    with_step(workspace, "if len(tried) < 3: raise ValueError\n    return {}", attempts=2)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana")
    assert run.status == "escalated"
    assert [e.type for e in run.events].count("step.failed") == 1


async def test_what_a_failing_step_said_reaches_no_log(workspace, home, caplog):
    with_step(workspace, f"raise ValueError('{SECRET}')", attempts=3)
    with caplog.at_level(logging.DEBUG):
        async with cm.open(workspace, home=home) as desk:
            await desk.run(PAY, principal="ana")
    assert not [r for r in caplog.records if SECRET in str(vars(r))]


async def test_failed_step_is_escalated_to_its_own_owner(workspace, home):
    with_step(workspace, "raise ValueError")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana")
    assert (run.status, run.outcome.owner) == ("escalated", "second-line")
    assert "second line" in run.outcome.text


async def test_step_can_fall_back_to_refusing(workspace, home, refunds):
    with_step(workspace, "raise ValueError", fallback="refuse")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana")
    assert (run.status, refunds()) == ("refused", [])
    assert "step extra failed and falls back to refuse" in run.outcome.cause


async def test_route_that_runs_in_a_circle_is_stopped(workspace, home):
    path = workspace / "workflow.yaml"
    text = path.read_text().replace(
        '  - {when: "draft == null", to: responder}', '  - {when: "true", to: responder}'
    )
    path.write_text(text + "limits: {hops: 12}\n")
    async with cm.open(workspace, home=home, draft=True) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        assert (run.status, run.outcome.owner) == ("escalated", "ops")
        assert "limit of 12 hops" in run.outcome.cause
        assert len(run.turn.hops) == 13
        again = await desk.run(PAY, principal="ana", thread="t")
        assert again.status == "escalated"


async def test_condition_that_cannot_be_evaluated_escalates(workspace, home, refunds):
    path = workspace / "workflow.yaml"
    text = path.read_text().replace("draft == null", "data.score > 5 && draft == null", 1)
    path.write_text(text)
    async with cm.open(workspace, home=home, draft=True) as desk:
        run = await desk.run(PAY, principal="ana")
    assert run.status == "escalated"
    assert "could not be evaluated" in run.outcome.cause


class Failing:
    """An embedding that works until it is told not to."""

    name = "failing"
    dimension = 4
    relevant = 0.0
    broken = False

    def embed(self, texts: Sequence[str], /) -> np.ndarray:
        if self.broken:
            raise RuntimeError(SECRET)
        return np.full((len(texts), 4), 0.5, dtype=np.float32)


@pytest.fixture
def asking(workspace):
    """Let the desk search its knowledge before anything else."""
    path = workspace / "workflow.yaml"
    retriever = """
  - {id: search, agent: retriever, owner: ops, purpose: Find., input: [request], model: none,
     tools: [], permission: none, review: none, success_metric: {name: found, target: 1.0},
     timeout: 5s, retry: {attempts: 1}, fallback: escalate}
"""
    text = path.read_text().replace("routes:\n", f"{retriever}routes:\n", 1)
    text = text.replace("routes:\n", 'routes:\n  - {when: "!retrieved", to: search}\n', 1)
    path.write_text(text + "knowledge: {paths: [knowledge], default_owner: ops}\n")
    (workspace / "knowledge").mkdir()
    (workspace / "knowledge" / "a.md").write_text("Returns take a week.\n")
    return workspace


async def test_search_that_fails_escalates_and_acts_on_nothing(asking, home, refunds):
    async with cm.open(asking, home=home, embedder=Failing(), draft=True) as desk:
        assert (await desk.run(PAY, principal="ana", thread="t")).status == "answered"
        desk.services.knowledge.close()
        run = await desk.run("refund 5 euros for order 7", principal="ana", thread="t")
        assert (run.status, run.outcome.owner) == ("escalated", "ops")
        assert "step search failed and falls back to escalate" in run.outcome.cause
    assert refunds() == [(1042, 2000)]


async def test_embedding_that_fails_leaves_the_search_by_words(asking, home, refunds):
    embedder = Failing()
    async with cm.open(asking, home=home, embedder=embedder, draft=True) as desk:
        embedder.broken = True
        run = await desk.run(f"{PAY}, returns take a week", principal="ana", thread="t")
        found = next(e for e in run.events if e.type == "retrieval.done")
        assert "without comparing meanings" in found.why
        assert SECRET not in "".join(e.model_dump_json() for e in run.events)
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
