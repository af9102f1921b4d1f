import sqlite3

import pytest

import concertmaster as cm
from concertmaster.errors import RequestError


async def test_question_is_asked_and_its_answer_completes_the_request(desk, refunds):
    asked = await desk.run("I want 20 euros back", principal="ana", thread="t")
    assert (asked.status, asked.outcome.asks) == ("answered", "order_id")
    done = await desk.run("order 1042", principal="ana", thread="t")
    assert done.outcome.text == "Refunded 20.00 EUR for order 1042."
    assert refunds() == [(1042, 2000)]


async def test_what_the_principal_said_earlier_is_remembered_where_declared(desk, refunds):
    await desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
    again = await desk.run("and refund 10 euros more", principal="ana", thread="t")
    assert again.turn.slots == {"order_id": 1042, "amount": 1000}
    assert refunds() == [(1042, 2000), (1042, 1000)]


async def test_amount_of_the_last_turn_is_not_taken_over(desk):
    await desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
    other = await desk.run("refund order 7", principal="ana", thread="t")
    assert other.turn.slots["amount"] is None
    assert other.status == "awaiting_review"


async def test_nothing_of_the_last_turn_steers_the_next(desk):
    first = await desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
    second = await desk.run("refund 30 euros for order 7", principal="ana", thread="t")
    assert first.turn.draft is not None
    assert second.turn.run == second.id != first.id
    assert [a.arguments.get("amount_cents") for a in second.turn.actions] == [None, 3000]
    assert [h.to for h in second.turn.hops] == [h.to for h in first.turn.hops]


async def test_window_and_checkpoints_stay_bounded(workspace, home):
    workflow = workspace / "workflow.yaml"
    workflow.write_text(workflow.read_text() + "limits: {window: 4, checkpoints: 3}\n")
    async with cm.open(workspace, home=home) as desk:
        for number in range(12):
            run = await desk.run(f"refund 1 euro for order {number}", principal="ana", thread="t")
        config = {"configurable": {"thread_id": "t"}}
        state = await desk.graph.aget_state(config)
        kept = [s async for s in desk.graph.aget_state_history(config)]
        history = await desk.history("t")
    assert len(state.values["window"]) == len(state.values["messages"]) == 4
    assert state.values["window"][-1]["run"] == run.id
    assert len(kept) <= 6
    assert len(history) == 12


async def test_trail_keeps_nothing_in_memory_between_messages(desk):
    for number in range(5):
        await desk.run(f"refund 1 euro for order {number}", principal="ana", thread="t")
        assert desk.services.trail.pending_count == 0


async def test_disk_use_of_a_thread_grows_evenly(workspace, home):
    sizes = []
    async with cm.open(workspace, home=home) as desk:
        for number in range(90):
            await desk.run(f"refund 1 euro for order {number}", principal="ana", thread="t")
            if number in (29, 59, 89):
                sizes.append(used_bytes(desk.database.path))
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert second < 1.5 * first


def used_bytes(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    connection.close()
    return (pages - free) * 4096


async def test_stream_ends_with_the_outcome_and_tells_no_text_before(desk):
    events = [
        e async for e in desk.stream("refund 20 euros for order 1042", principal="ana", thread="t")
    ]
    kinds = [e.kind for e in events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_ended"
    assert kinds.index("text_delta") > max(i for i, k in enumerate(kinds) if k == "hopped")
    text = "".join(e.text for e in events if e.kind == "text_delta")
    assert text == events[-1].outcome.text == "Refunded 20.00 EUR for order 1042."


async def test_stream_of_a_waiting_run_carries_its_approval(desk):
    events = [e async for e in desk.stream("refund order 1042", principal="ana")]
    requested = [e for e in events if e.kind == "approval_requested"]
    assert requested[0].approval.action.tool == "refund"
    assert events[-1].outcome.status == "awaiting_review"


def test_synchronous_face_runs_decides_and_streams(workspace, home):
    with cm.open_sync(workspace, home=home) as desk:
        run = desk.run("refund order 1042", principal="ana", thread="t")
        assert [a.id for a in desk.approvals()] == [run.pending[0].id]
        done = desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "answered"
        kinds = [e.kind for e in desk.stream("refund 1 euro for order 3", principal="ana")]
        assert kinds[-1] == "run_ended"
        assert len(desk.history("t")) == 1


def test_synchronous_face_forgets(workspace, home):
    with cm.open_sync(workspace, home=home) as desk:
        desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
        desk.forget("t", by="ana", why="asked for it")
        with pytest.raises(cm.ConcertmasterError):
            desk.history("t")


def test_synchronous_face_reports_errors_and_closes(workspace, home):
    with cm.open_sync(workspace, home=home) as desk, pytest.raises(RequestError):
        desk.run("", principal="ana")
    with pytest.raises(RuntimeError):
        _ = cm.open_sync(workspace, home=home).desk


async def test_notebook_forms_work_offline_and_escape(desk):
    run = await desk.run("refund <b>order 1042</b>", principal="ana")
    page = run._repr_html_()
    assert "<b>order" not in page
    assert run.pending[0].id in page
    assert "Timeline" in page
    assert "<svg" in desk.graph._repr_mimebundle_()["image/svg+xml"]
