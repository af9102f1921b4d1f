"""Tools and steps of a workspace that fail, hang or return what nobody can keep."""

import asyncio
import logging
import re
import time

import pytest

import concertmaster as cm

LOOK = "look at order 7"
PAY = "refund 20 euros for order 1042"
SECRET = "hunter2"

BROKEN = """
import time
from decimal import Decimal

def misbehave(how):
    if how == "tool_error":
        raise ToolError("the line is busy")
    if how == "other":
        raise RuntimeError("cannot reach postgres://admin:hunter2@db, row: Karlsweg 7")
    if how == "system_exit":
        raise SystemExit(3)
    if how == "keyboard":
        raise KeyboardInterrupt
    if how == "recursion":
        return misbehave(how)
    if how == "hang":
        time.sleep(60)
    if how == "nan":
        return {"total_cents": float("nan")}
    if how == "bytes":
        return b"hunter2"
    if how == "object":
        return {"total_cents": 1, "connection": object()}
    if how == "cycle":
        loop = {}
        loop["again"] = loop
        return loop
    if how == "huge":
        return {"total_cents": 1, "blob": "x" * (65 * 2**20)}
    if how == "surrogate":
        return {"total_cents": 100, "note": "\\ud800 \\x00 \\u202e"}
    if how == "big_integer":
        return {"total_cents": 100, "number": 2**70}
    if how == "large":
        return {"total_cents": 100, "blob": "x" * (50 * 2**20)}
    if how == "none":
        return None
    if how == "list":
        return [1, 2, 3]
    raise AssertionError(how)
"""

SAY = {
    "tool_error": "the line is busy",
    "other": "RuntimeError",
    "system_exit": "tried to end the process|SystemExit",
    "keyboard": "KeyboardInterrupt",
    "recursion": "RecursionError",
    "hang": "did not answer within 0.3 s",
    "nan": "not a finite number",
    "bytes": "bytes",
    "object": "object",
    "cycle": "contains itself",
    "huge": "larger than 64 MB",
}


def with_tool(workspace, function, how, **declared):
    """Let a tool do something else than it should."""
    path = workspace / "tools.py"
    options = "".join(f", {k}={v!r}" for k, v in declared.items())
    text = path.read_text().replace(", timeout=5", "")
    text = text.replace(f"facts=owner)\ndef {function}(", f"facts=owner{options})\ndef {function}(")
    body = f"def {function}("
    head, rest = text.split(body)
    signature, lines = rest.split("\n", 1)
    quoted, after = lines.split("\n", 1)
    text = f"{head}{body}{signature}\n{quoted}\n    return misbehave({how!r})\n{after}"
    path.write_text(text + BROKEN)


def told(run):
    return (
        run.outcome.text
        + (run.outcome.cause or "")
        + "".join(e.model_dump_json() for e in run.events)
    )


def clean(text):
    assert SECRET not in text
    assert "Karlsweg" not in text
    assert "Traceback" not in text
    assert "tools.py" not in text


async def usable(desk, refunds):
    """The thread goes on, and so does the desk."""
    before = len(refunds())
    run = await desk.run("refund order 1042 over 100 euros", principal="ana", thread="t")
    assert run.status in ("awaiting_review", "answered", "failed", "escalated"), run.outcome
    assert len(refunds()) == before


@pytest.mark.parametrize("how", SAY)
async def test_read_that_fails_is_told_in_words_and_nothing_follows(workspace, home, refunds, how):
    with_tool(workspace, "get_order", how, timeout=0.3)
    async with cm.open(workspace, home=home) as desk:
        begun = time.perf_counter()
        run = await desk.run(PAY, principal="ana", thread="t")
        assert time.perf_counter() - begun < 5
        assert run.status == "failed", run.outcome
        assert re.search(SAY[how], run.outcome.cause), run.outcome.cause
        assert "get_order failed" in run.outcome.cause
        clean(told(run))
        assert refunds() == []
        await usable(desk, refunds)
        assert [r.status for r in await desk.history("t")] == ["failed", "failed"]


@pytest.mark.parametrize("how", SAY)
async def test_effect_that_fails_is_failed_or_goes_to_a_person(workspace, home, refunds, how):
    with_tool(workspace, "refund", how, timeout=0.3)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        effects = await desk.services.carrier.ledger.effects(run.id)
        if how == "tool_error":
            assert (run.status, [e.status for e in effects]) == ("failed", ["failed"])
            assert "the line is busy" in run.outcome.text
        else:
            # What stopped in the middle may have paid: nobody may say that it did not.
            assert (run.status, [e.status for e in effects]) == ("escalated", ["in_doubt"])
            assert run.outcome.owner == "ops"
            assert "whether refund took effect is unknown" in run.outcome.cause
            assert re.search(SAY[how], effects[0].why), effects[0].why
        clean(told(run) + effects[0].why)
        await usable(desk, refunds)


@pytest.mark.parametrize("how", ["surrogate", "big_integer", "large"])
async def test_odd_but_plain_result_is_kept_and_the_run_goes_on(workspace, home, refunds, how):
    with_tool(workspace, "get_order", how)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        assert (run.status, refunds()) == ("answered", [(1042, 2000)])
        await usable(desk, refunds)
    assert (home / "concertmaster.sqlite3").stat().st_size < 2_000_000
    if how == "large":
        kept = [f.stat().st_size for f in (home / "artifacts").rglob("*.json")]
        assert max(kept) > 50 * 2**20


@pytest.mark.parametrize("how", ["big_integer", "surrogate", "large"])
async def test_effect_with_an_odd_result_is_done_once_and_told(workspace, home, how):
    with_tool(workspace, "refund", how)
    playbooks = workspace / "playbooks.yaml"
    wording = "Refunded {=money(results.refund.amount_cents, 'EUR')} for order {=slots.order_id}."
    playbooks.write_text(playbooks.read_text().replace(wording, "Paid back."))
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        effects = await desk.services.carrier.ledger.effects(run.id)
        assert (run.status, run.outcome.text) == ("answered", "Paid back.")
        assert [e.status for e in effects] == ["done"]
        again = await desk.run(PAY, principal="ana", thread="t")
        assert again.status == "answered"


@pytest.mark.parametrize("how", ["none", "list"])
async def test_result_of_another_shape_than_the_playbook_needs_ends_the_plan(
    workspace, home, refunds, how
):
    with_tool(workspace, "get_order", how)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        assert run.status == "escalated"
        assert "cannot be evaluated" in run.outcome.cause
        assert refunds() == []
        await usable(desk, refunds)


@pytest.mark.parametrize("how", ["other", "hang", "nan", "none"])
async def test_facts_that_cannot_be_had_deny(workspace, home, refunds, how):
    path = workspace / "tools.py"
    path.write_text(
        path.read_text().replace(
            "def owner(arguments, ctx) -> Facts:",
            f"def owner(arguments, ctx) -> Facts:\n    return misbehave({how!r})\n",
        )
        + BROKEN.replace("sleep(60)", "sleep(6)")
    )
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        assert (run.status, refunds()) == ("refused", [])
        assert "facts" in run.outcome.cause
        clean(told(run))


async def test_where_a_tool_broke_is_logged_for_its_authors_without_any_value(
    workspace, home, caplog
):
    with_tool(workspace, "get_order", "other")
    with caplog.at_level(logging.DEBUG):
        async with cm.open(workspace, home=home) as desk:
            await desk.run(PAY, principal="ana", thread="t")
    lines = [r.getMessage() for r in caplog.records if r.name == "concertmaster.tools"]
    assert any(re.search(r"get_order raised RuntimeError at tools\.py:\d+", m) for m in lines)
    assert SECRET not in caplog.text


async def test_fallback_of_a_tool_takes_its_place(workspace, home, refunds):
    with_tool(workspace, "get_order", "tool_error", fallback="get_order_from_copy")
    path = workspace / "tools.py"
    path.write_text(
        path.read_text() + '\n@declare(effect="read", label="internal", facts=owner)\n'
        "def get_order_from_copy(order_id: int, ctx: ToolContext) -> dict[str, int]:\n"
        '    "Look an order up in the copy."\n'
        '    return {"id": order_id, "total_cents": 3000}\n'
    )
    workflow = workspace / "workflow.yaml"
    workflow.write_text(
        workflow.read_text().replace(
            "[get_order, refund]", "[get_order, refund, get_order_from_copy]"
        )
    )
    policy = workspace / "policies" / "refunds.cedar"
    policy.write_text(
        policy.read_text().replace(
            'action == Action::"get_order"',
            'action in [Action::"get_order", Action::"get_order_from_copy"]',
        )
    )
    async with cm.open(workspace, home=home, draft=True) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
    assert (run.status, refunds()) == ("answered", [(1042, 3000)])
    assert run.turn.results["0"].fallback_of == "get_order"


# Custom steps

STEP = """
  - id: score
    agent: "steps:score"
    owner: ops
    purpose: Score the request.
    input: [request]
    model: none
    tools: []
    permission: none
    review: none
    success_metric: {name: scored, target: 1.0}
    timeout: 300ms
    retry: {attempts: 1}
    fallback: FALLBACK
"""

SCORES = {
    "raises": ("raise ValueError('hunter2')", "ValueError"),
    "hangs": ("time.sleep(8)", "took longer than 0.3 s"),
    "exits": ("raise SystemExit", "tried to end the process|SystemExit"),
    "list": ("return [1]", "returned list"),
    "text": ("return 'hunter2'", "returned str"),
    "nan": ("return {'score': float('nan')}", "no plain JSON"),
    "object": ("return {'score': object()}", "no plain JSON"),
    "cycle": ("loop = {}; loop['x'] = loop; return loop", "no plain JSON"),
    "keys": ("return {1: 2}", "key that is no text"),
    "huge": ("return {'score': 'x' * 100_000}", "bytes of data, more than 65536"),
    "surrogate": ("return {'score': '\\ud800'}", "no plain JSON"),
}


def with_step(workspace, body, *, fallback="escalate", kind="def"):
    path = workspace / "workflow.yaml"
    text = path.read_text().replace(
        "routes:\n", STEP.replace("FALLBACK", fallback) + "routes:\n", 1
    )
    first = "  - {when: \"principal.id == 'viewer'"
    gate = "  - {when: \"!('score' in done) && failed_step == null && !planned\", to: score}\n"
    path.write_text(text.replace(first, gate + first, 1))
    code = f"import asyncio, time\n{kind} score(state, runtime):\n    {body}\n"
    (workspace / "steps.py").write_text(code)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("how", SCORES)
async def test_custom_step_that_fails_is_told_and_falls_back(workspace, home, refunds, how, kind):
    body, why = SCORES[how]
    if kind == "async def":
        body = body.replace("time.sleep", "await asyncio.sleep")
    with_step(workspace, body, kind=kind)
    async with cm.open(workspace, home=home) as desk:
        begun = time.perf_counter()
        run = await desk.run(PAY, principal="ana", thread="t")
        assert time.perf_counter() - begun < 3
        assert (run.status, run.outcome.owner) == ("escalated", "ops")
        assert "step score failed" in run.outcome.cause
        assert re.search(why, run.outcome.cause), run.outcome.cause
        clean(told(run))
        assert refunds() == []
        assert "step.failed" in [e.type for e in run.events]


async def test_custom_step_that_fails_can_fall_back_to_another_step(workspace, home, refunds):
    with_step(workspace, "raise ValueError", fallback="executor")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
    hop = next(e for e in run.events if e.type == "route.hop" and e.data["to"] == "executor")
    assert "step score failed and falls back to executor" in hop.why


async def test_custom_step_with_odd_but_plain_data_is_kept(workspace, home, refunds):
    with_step(workspace, "return {'score': 2**70, 'inner': {1: (2, 3)}}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        assert run.status == "answered"
        assert run.turn.data == {"score": str(2**70), "inner": {"1": [2, 3]}}


async def test_custom_steps_that_hang_take_no_room_from_others(workspace, home, refunds):
    with_step(workspace, "time.sleep(5)")
    async with cm.open(workspace, home=home) as desk:
        texts = [desk.run(PAY, principal="ana") for _ in range(20)]
        begun = time.perf_counter()
        runs = await asyncio.gather(*texts)
        assert {r.status for r in runs} == {"escalated"}
        assert await asyncio.to_thread(lambda: 1) == 1
        assert time.perf_counter() - begun < 5


async def test_state_that_a_custom_step_sees_cannot_be_changed_by_it(workspace, home, refunds):
    with_step(workspace, "state['data'] = {}; return {}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        assert "TypeError" in run.outcome.cause
