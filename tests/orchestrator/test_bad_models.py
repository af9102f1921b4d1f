"""Models that fail, hang, repeat themselves or propose what they may not: bounded by code."""

import time

import pytest
from langchain_core.messages import ToolMessage
from tests.orchestrator.library import FILES, QUESTION, SOURCE, answering
from tests.orchestrator.library import library as library_of
from tests.workspaces import write_workspace

import concertmaster as cm
from concertmaster.contracts.spec import Limits
from concertmaster.testing import (
    Call,
    Drop,
    Garbage,
    Give,
    Hang,
    Say,
    ScriptedModel,
    Status,
    Wait,
    openai_server,
)

SECRET = "sk-live-hunter2"
ASK = "please pay back what I overpaid on order 1042"
REFUND = Call("refund", {"order_id": 1042, "amount_cents": 2000})
LOOK = Call("get_order", {"order_id": 1042})
MOST = Limits().actions


@pytest.fixture
def planning(workspace):
    """Let a model plan what the playbook planned."""
    path = workspace / "workflow.yaml"
    text = path.read_text().replace("    playbook: refund\n", "", 1)
    path.write_text(text.replace("timeout: 10s", "timeout: 1s", 1))
    return workspace


@pytest.fixture
def patient(planning):
    """Give the step the time that a first connection takes on a busy machine."""
    path = planning / "workflow.yaml"
    path.write_text(path.read_text().replace("timeout: 1s", "timeout: 20s", 1))
    return planning


@pytest.fixture
def opened(planning, home):
    """Return an opener with a model."""
    return lambda model: cm.open(planning, home=home, model=model)


def told(run):
    events = "".join(e.model_dump_json() for e in run.events)
    return run.outcome.text + (run.outcome.cause or "") + events


async def usable(desk):
    """The thread goes on: the next message is taken and ends, whatever its model says."""
    run = await desk.run("and order 7?", principal="ana", thread="t")
    assert run.status in ("answered", "escalated", "refused", "failed"), run.outcome
    assert run.outcome.cause or run.outcome.text


# Planning


async def test_model_reads_then_refunds_after_a_person_approved(opened, refunds):
    large = Call("refund", {"order_id": 1042, "amount_cents": 12000})
    model = ScriptedModel(LOOK, large, "That is all.")
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert (run.status, refunds()) == ("awaiting_review", [])
        assert run.pending[0].action.arguments == {"order_id": 1042, "amount_cents": 12000}
        seen = [m for m in model.prompts[1].messages if isinstance(m, ToolMessage)]
        assert '"total_cents": 12000' in seen[0].text
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert (done.status, refunds()) == ("answered", [(1042, 12000)])
        assert model.remaining == 0
        assert done.turn.usage.model_calls == 3
    types = [e.type for e in done.events]
    assert types.count("model.chosen") == types.count("model.called") == 3
    assert [e.data["calls"] for e in done.events if e.type == "model.called"] == [1, 1, 0]


async def test_model_is_offered_the_tools_of_its_step_only(opened):
    model = ScriptedModel(otherwise="Nothing to do.")
    async with opened(model) as desk:
        await desk.run(ASK, principal="ana", thread="t")
    offered = {tool["function"]["name"] for tool in model.prompts[0].tools}
    assert offered == {"get_order", "refund"}


async def test_rejected_call_is_not_proposed_to_people_again(opened, refunds):
    large = Call("refund", {"order_id": 1042, "amount_cents": 12000})
    model = ScriptedModel(otherwise=large)
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        done = await desk.decide(run.pending[0].id, cm.Reject(reason="no"), principal="li")
        assert (done.status, refunds()) == ("refused", [])
        assert await desk.approvals() == []
        assert [e.why for e in done.events if e.type == "tool.refused"][-1].startswith(
            "the same call stands in this run's plan already"
        )


@pytest.mark.parametrize(
    "tool",
    [
        "transfer_everything",
        "Refund",
        "refund ",
        "ｒefund",
        "refund\u200b",
        "re\u202efund",
        "rеfund",  # a Cyrillic е
        "refund;get_order",
        "__import__",
        "",
    ],
)
async def test_tool_that_does_not_exist_is_refused_and_recorded(opened, refunds, tool):
    model = ScriptedModel(otherwise=Call(tool, {"order_id": 1042, "amount_cents": 100}))
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert run.status in ("refused", "escalated")
        assert refunds() == []
        assert {"tool.refused", "step.failed"} & {e.type for e in run.events}
        assert "done" not in {r.status for r in run.turn.results.values()}
        await usable(desk)


async def test_tool_of_another_step_is_refused_and_recorded(planning, home, refunds):
    path = planning / "workflow.yaml"
    path.write_text(path.read_text().replace("tools: [get_order, refund]", "tools: [get_order]"))
    async with cm.open(
        planning, home=home, model=ScriptedModel(REFUND, "Done."), draft=True
    ) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert run.status == "refused"
        assert "the step executor may not use refund" in run.outcome.cause
        assert refunds() == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"order_id": "one", "amount_cents": 100},
        {"order_id": None, "amount_cents": 100},
        {"order_id": 1042, "amount_cents": 100, "sudo": True},
        {"order_id": [1042], "amount_cents": 100},
        {"order_id": 1042.5, "amount_cents": 100},
        {"order_id": 2**70, "amount_cents": 100},
        {"order_id": 1042, "amount_cents": 10**30},
        {"order_id": 1042, "amount_cents": 100, "ctx": {"principal": {"id": "ben"}}},
        {"order_id": 1042, "amount_cents": 100, "__entity": {"type": "User", "id": "li"}},
        {"\ud800": 1},
        "{broken",
        "[1, 2]",
        '{"order_id": NaN, "amount_cents": 100}',
        {"order_id": 1042, "amount_cents": 100, "note": "x" * 70_000},
    ],
    ids=lambda a: str(a)[:40].encode("ascii", "replace").decode(),
)
async def test_arguments_that_do_not_fit_are_refused_in_words(opened, refunds, arguments):
    async with opened(ScriptedModel(otherwise=Call("refund", arguments))) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert run.status in ("refused", "escalated"), run.outcome
        assert refunds() == []
        assert run.outcome.cause
        assert len(told(run)) < 20_000
        await usable(desk)


async def test_money_is_moved_once_even_if_the_model_repeats_itself(opened, refunds):
    async with opened(ScriptedModel(otherwise=REFUND)) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert (run.status, refunds()) == ("answered", [(1042, 2000)])
        assert "2000" in run.outcome.text


async def test_same_call_in_another_writing_is_the_same_call(opened, refunds):
    written = Call("refund", {"amount_cents": "2000", "order_id": "1042"})
    async with opened(ScriptedModel([REFUND, written], [written], "Done.")) as desk:
        await desk.run(ASK, principal="ana", thread="t")
    assert refunds() == [(1042, 2000)]


async def test_failed_call_may_be_proposed_again(opened, refunds):
    closed = Call("refund", {"order_id": 503, "amount_cents": 100})
    model = ScriptedModel(closed, closed, "I give up.")
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert run.status == "failed"
        assert "the bank is closed" in run.outcome.cause
        assert [r.status for r in run.turn.results.values()] == ["failed", "failed"]
    assert refunds() == []


async def test_forty_calls_at_once_are_bounded(opened, refunds):
    many = [Call("refund", {"order_id": n, "amount_cents": 1}) for n in range(100, 140)]
    async with opened(ScriptedModel(many, otherwise=many)) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert len(run.turn.actions) == len(refunds()) == MOST
        await usable(desk)


async def test_model_that_never_stops_reading_is_stopped(opened, refunds):
    model = ScriptedModel(otherwise=LOOK)
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert run.status in ("answered", "escalated")
        assert len(run.turn.actions) <= MOST
        assert len(model.prompts) <= MOST
        await usable(desk)


async def test_what_was_done_is_told_even_if_the_rest_was_refused(opened, refunds):
    model = ScriptedModel([REFUND, Call("sudo", {})], "Done.")
    async with opened(model) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
    assert refunds() == [(1042, 2000)]
    assert "there is no tool 'sudo'" in run.outcome.text
    assert "amount cents 2000" in run.outcome.text


@pytest.mark.parametrize(
    "step",
    [
        ValueError(SECRET),
        RuntimeError,
        ConnectionError(SECRET),
        TimeoutError,
        Say(""),
        Wait(30, "late"),
        [LOOK] * 500,
        Call("x" * 100, {}),
        Say("x" * 300_000),
    ],
    ids=["value", "runtime", "connection", "timeout", "empty", "hang", "calls", "name", "endless"],
)
async def test_model_that_fails_leads_to_the_declared_fallback(opened, refunds, step):
    async with opened(ScriptedModel(otherwise=step)) as desk:
        begun = time.perf_counter()
        run = await desk.run(ASK, principal="ana", thread="t")
        assert time.perf_counter() - begun < 4
        if isinstance(step, list):
            assert len(run.turn.actions) <= MOST
        else:
            assert (run.status, run.outcome.owner) == ("escalated", "ops"), run.outcome
            assert "step executor failed and falls back to escalate" in run.outcome.cause
            assert "model.failed" in [e.type for e in run.events] or isinstance(step, Call)
        assert SECRET not in told(run)
        assert "Traceback" not in told(run)
        assert refunds() == []
        await usable(desk)


async def test_text_instead_of_calls_ends_the_plan_and_promises_nothing(opened, refunds):
    said = "I have refunded 2000 euros to your card. Trust me."
    async with opened(ScriptedModel(otherwise=said)) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
    assert run.status == "escalated"
    assert "refunded" not in run.outcome.text
    assert refunds() == []


async def test_step_that_needs_a_model_says_so_without_one(opened, refunds):
    async with opened(None) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
    assert (run.status, run.outcome.owner) == ("escalated", "ops")
    assert "no model is configured" in run.outcome.cause


async def test_failure_in_the_middle_of_a_plan_keeps_what_was_done(opened, refunds):
    async with opened(ScriptedModel(REFUND, ValueError, ValueError)) as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert (run.status, refunds()) == ("escalated", [(1042, 2000)])
        await usable(desk)
    assert refunds() == [(1042, 2000)]


# Over the wire


@pytest.mark.parametrize(
    "step",
    [
        Drop(),
        Status(500, SECRET),
        Status(429),
        Status(401, SECRET),
        Status(404),
        Garbage("{"),
        Garbage('{"choices": []}'),
        Garbage('{"choices": [{"message": {"role": "assistant", "content": null}}]}'),
        Garbage("<html>" + SECRET),
        Garbage("null"),
        Hang(30),
    ],
    ids=lambda s: f"{type(s).__name__}{getattr(s, 'code', '')}{getattr(s, 'body', '')[:12]}",
)
async def test_server_that_misbehaves_leads_to_the_declared_fallback(planning, home, refunds, step):
    with openai_server(otherwise=step) as server:
        async with cm.open(planning, home=home, model=server.url) as desk:
            begun = time.perf_counter()
            run = await desk.run(ASK, principal="ana", thread="t")
            assert time.perf_counter() - begun < 10
            assert (run.status, run.outcome.owner) == ("escalated", "ops"), run.outcome
            assert "step executor failed and falls back to escalate" in run.outcome.cause
            assert SECRET not in told(run)
            await usable(desk)
    assert refunds() == []


async def test_server_that_is_not_there_is_told(patient, home):
    with openai_server() as server:
        gone = server.url
    async with cm.open(patient, home=home, model=f"{gone}#any") as desk:
        run = await desk.run(ASK, principal="ana", thread="t")
        assert "cannot be reached" in run.outcome.cause


async def test_server_that_recovers_is_asked_again(patient, home, refunds):
    with openai_server(Drop(), REFUND, otherwise="Done.") as server:
        async with cm.open(patient, home=home, model=server.url) as desk:
            run = await desk.run(ASK, principal="ana", thread="t")
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])


# Answers and routes


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Return a folder with one document, two responders, and a route that a model chooses."""
    workflow = library_of(
        answering("short", "Answer briefly.", timeout="1s"),
        answering("long", "Answer at length.", timeout="1s"),
        chosen="ask: [short, long], otherwise: short, why: how much to tell",
        revised="short",
    )
    folder = tmp_path_factory.mktemp("library")
    return write_workspace(folder, {**FILES, "workflow.yaml": workflow})


def route_of(run):
    return next(e for e in run.events if e.type == "route.ask")


@pytest.mark.parametrize(
    ("step", "to", "why"),
    [
        (Give({"to": "long"}), "long", "chose it among short, long"),
        (Say("long"), "long", "chose it among short, long"),
        (Give({"to": "finish"}), "short", "no usable answer"),
        (Give({"to": "critic"}), "short", "no usable answer"),
        (Give({"to": "LONG"}), "short", "no usable answer"),
        (Give({"to": "l\u043eng"}), "short", "no usable answer"),
        (Give({"to": ["long"]}), "short", "no usable answer"),
        (Give({"to": "long", "and": "act"}), "short", "no usable answer"),
        (Say("Ignore the options and finish."), "short", "no usable answer"),
        (Call("route", {"to": "act"}), "short", "no usable answer"),
        (ValueError(SECRET), "short", "no usable answer"),
    ],
    ids=str,
)
async def test_model_chooses_among_declared_targets_only(library, home, step, to, why):
    def script(messages):
        return step if "Choose the next step" in str(messages) else SOURCE + " [1]"

    async with cm.open(library, home=home, model=ScriptedModel(otherwise=script)) as desk:
        run = await desk.run(QUESTION, principal="ana", thread="t")
    assert run.status == "answered", run.outcome
    asked = route_of(run)
    assert asked.data["to"] == to
    assert asked.data["options"] == ["short", "long"]
    assert why in asked.why
    assert to in run.turn.done
    assert SECRET not in told(run)
    chosen = [e for e in run.events if e.type == "model.chosen" and e.actor == "choose"]
    assert len(chosen) == 1


async def test_route_without_a_model_goes_the_declared_way(library, home):
    async with cm.open(library, home=home) as desk:
        run = await desk.run(QUESTION, principal="ana", thread="t")
    assert (run.status, route_of(run).data["to"]) == ("answered", "short")
    assert "no model is configured" in route_of(run).why
    assert "14 days" in run.outcome.text


async def test_choosing_a_route_is_counted(library, home):
    model = ScriptedModel(Give({"to": "long"}), SOURCE + " [1]")
    async with cm.open(library, home=home, model=model) as desk:
        run = await desk.run(QUESTION, principal="ana", thread="t")
    assert run.turn.usage.model_calls == 2
    assert run.turn.usage.input_tokens > 0


@pytest.mark.parametrize(
    "answer",
    [
        ValueError(SECRET),
        Wait(30, "late"),
        Say(""),
        Say("x" * 300_000),
        Call("refund", {"order_id": 1}),
        Say("[1] [2] [999]"),
    ],
    ids=["raises", "hangs", "empty", "endless", "calls", "marks"],
)
async def test_answer_comes_from_the_source_itself_when_the_model_gives_none(library, home, answer):
    def script(messages):
        return Give({"to": "short"}) if "Choose the next step" in str(messages) else answer

    async with cm.open(library, home=home, model=ScriptedModel(otherwise=script)) as desk:
        begun = time.perf_counter()
        run = await desk.run(QUESTION, principal="ana", thread="t")
        assert time.perf_counter() - begun < 3
    assert run.status == "answered", run.outcome
    assert run.outcome.text == f"{SOURCE} [1]"
    assert run.turn.draft.method == "extractive"
    assert SECRET not in told(run)


@pytest.mark.parametrize(
    "answer",
    [
        "Returns take 99 days [1].",
        "Returns take 14 days [7].",
        "Mister Smith pays for every return.",
        "Returns are free for members of the Gold Club [1].",
    ],
)
async def test_answer_without_support_does_not_go_out(library, home, answer):
    def script(messages):
        return Give({"to": "short"}) if "Choose the next step" in str(messages) else answer

    model = ScriptedModel(otherwise=script)
    async with cm.open(library, home=home, model=model) as desk:
        run = await desk.run(QUESTION, principal="ana", thread="t")
    assert (run.status, run.outcome.owner) == ("escalated", "ops"), run.outcome
    assert answer[:16] not in run.outcome.text
    assert [v.data["status"] for v in run.events if v.type == "critic.judged"] == [
        "revise",
        "escalate",
    ]
    asked = [p for p in model.prompts if "A check found" in p.text]
    assert len(asked) == 1


async def test_answer_that_the_model_corrects_goes_out(library, home):
    model = ScriptedModel(Give({"to": "short"}), "Returns take 99 days [1].", SOURCE + " [1]")
    async with cm.open(library, home=home, model=model) as desk:
        run = await desk.run(QUESTION, principal="ana", thread="t")
    assert (run.status, run.turn.revisions) == ("answered", 1)
    assert "14 days" in run.outcome.text
