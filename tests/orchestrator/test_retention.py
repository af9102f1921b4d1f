"""Retention: what is declared goes, what a promise needs stays, and the trail tells of both."""

import asyncio
import sqlite3

import pytest

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.contracts.retention import RetentionSpec
from concertmaster.errors import ApprovalUnknown, RequestError, ThreadForbidden, UnknownRun
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.home import DATABASE

SMALL = "refund 20 euros for order 1042"
LARGE = "refund 60 euros for order 7"
ALL = (
    "retention: {checkpoints: {per_thread: 1}, threads: {after: 90d}, runs: {after: 60d},"
    " messages: {after: 30d}, approvals: {after: 30d}, payloads: {after: 30d}}"
)


def rows(home, table, where="1"):
    connection = sqlite3.connect(home / DATABASE)
    try:
        return connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]
    finally:
        connection.close()


async def whole(desk):
    checked = await check_home(desk.database, places_of(desk.home.path).read)
    assert checked
    assert all(stream.whole for stream in checked), checked
    return checked


def part(report, what):
    (found,) = [p for p in report.pruned if p.what == what]
    return found


async def paid(desk, thread="t", who="ana"):
    run = await desk.run(LARGE, principal=who, thread=thread)
    return await desk.decide(run.pending[0].id, cm.Approve(reason="seen"), principal="li")


async def test_nothing_is_deleted_that_is_not_declared(desk, home, later):
    await paid(desk)
    later(3650)
    report = await desk.prune()
    assert (report.pruned, report.number) == ((), 0)
    assert len(await desk.history("t")) == 1
    assert not [e for e in await desk.events() if e.type == "retention.pruned"]


async def test_idle_thread_goes_with_everything_but_the_trail_and_the_effect(
    workspace, home, declare, later, refunds
):
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        run = await paid(desk)
        later(89)
        assert (await desk.prune()).number == 0
        later(91)
        report = await desk.prune()
        assert part(report, "threads").number == 1
        assert part(report, "threads").bytes > 5000
        for table in ("threads", "runs", "checkpoints", "writes", "plans", "approvals", "journal"):
            assert rows(home, table) == 0, table
        (effect,) = await desk.services.carrier.ledger.effects(run.id)
        assert (effect.status, effect.result, effect.thread) == ("done", None, None)
        assert len(await desk.events(run=run.id)) > 10
        (told,) = [e for e in await desk.events() if e.type == "retention.pruned"]
        assert (told.actor, told.data["rule"], told.data["number"]) == (
            "retention",
            "threads.after: 90d",
            1,
        )
        await whole(desk)
    assert refunds() == [(7, 6000)]


async def test_what_is_asked_of_a_pruned_thread_is_answered_with_when_and_why(
    workspace, home, declare, later
):
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        waiting = await desk.run(LARGE, principal="ana", thread="t")
        run = await desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
        later(91)
        await desk.prune()
        with pytest.raises(
            UnknownRun, match=r"run-\w+' was removed by retention on \d+ \w+ 20\d\d"
        ):
            await desk.get(run.id)
        with pytest.raises(UnknownRun, match=r"thread 't' was removed.*threads.after: 90d"):
            await desk.history("t")
        with pytest.raises(UnknownRun, match="removed by retention"):
            await desk.cancel(run.id, principal="ana")
        with pytest.raises(ApprovalUnknown, match=r"was settled, and removed by retention"):
            await desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
        with pytest.raises(UnknownRun, match="there is no run 'run-0'"):
            await desk.get("run-0")
        assert await desk.recover() == []


async def test_new_message_to_a_pruned_thread_starts_afresh(workspace, home, declare, later):
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        await desk.run(SMALL, principal="ana", thread="t")
        before = await desk.run("and refund 10 euros more", principal="ana", thread="t")
        assert before.turn.slots["order_id"] == 1042
        later(91)
        await desk.prune()
        after = await desk.run("and refund 10 euros more", principal="ana", thread="t")
        assert after.outcome.asks == "order_id"  # Nothing is remembered.
        assert len(await desk.history("t")) == 1
        later(92)
        await desk.prune(rules=RetentionSpec(threads={"after": "30d"}))
        mine = await desk.run(SMALL, principal="ben", thread="t")  # The id is free again.
        assert mine.status in ("answered", "escalated", "refused")


async def test_waiting_thread_and_what_is_queued_on_it_is_never_pruned(
    workspace, home, declare, later, refunds
):
    declare(ALL)
    async with cm.open(workspace, home=home) as desk:
        waiting = await desk.run(LARGE, principal="ana", thread="t")
        queued = await desk.run(SMALL, principal="ana", thread="t")
        events = len(await desk.events(run=waiting.id))
        later(3650)
        report = await desk.prune()
        assert [k.why for k in part(report, "threads").kept] == ["a run is not over"]
        assert part(report, "payloads").kept[0].number >= events
        assert part(report, "threads").number == 0
        assert (await desk.get(waiting.id)).text == LARGE
        assert len(await desk.events(run=waiting.id)) == events
        done = await desk.decide(waiting.pending[0].id, cm.Approve(), principal="li")
        assert done.outcome.text == "Refunded 60.00 EUR for order 7."
        assert (await desk.get(queued.id)).status == "answered"
        await whole(desk)
    assert refunds() == [(7, 6000), (1042, 2000)]


async def test_effect_in_doubt_keeps_its_thread_until_somebody_looked(
    workspace, home, declare, later
):
    declare(ALL)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 500", principal="ana", thread="t")
        (effect,) = await desk.services.carrier.ledger.effects(run.id)
        assert effect.status == "in_doubt"
        later(3650)
        report = await desk.prune()
        assert part(report, "threads").kept[0].why == "whether an effect took place is unknown"
        assert (await desk.get(run.id)).text
        await desk.services.carrier.ledger.resolve(run.id, effect.position, False, "li")
        assert part(await desk.prune(), "threads").number == 1


async def test_only_so_many_threads_are_kept_the_latest_ones(workspace, home, declare):
    declare("retention: {threads: {most: 3}}")
    async with cm.open(workspace, home=home) as desk:
        for number in range(6):
            await desk.run(SMALL, principal="ana", thread=f"t-{number}")
        await desk.run(SMALL, principal="ana", thread="t-1")
        report = await desk.prune()
        assert part(report, "threads").rules == ("threads.most: 3",)
        assert {t["id"] for t in await desk.threads()} == {"t-1", "t-4", "t-5"}


async def test_runs_of_a_thread_go_and_what_rules_rest_on_stays(workspace, home, declare, later):
    declare("retention: {runs: {per_thread: 2}}")
    async with cm.open(workspace, home=home) as desk:
        first = await paid(desk)
        for _ in range(3):
            last = await desk.run(SMALL, principal="ana", thread="t")
        journal = desk.services.carrier.journal
        before = (await journal.read(last.id, "t")).history(99, "")
        report = await desk.prune()
        assert part(report, "runs").number == 2
        assert [r.id for r in await desk.history("t")][-1] == last.id
        assert len(await desk.history("t")) == 2
        chronicle = await journal.read(last.id, "t")
        assert chronicle.history(99, "") == before
        assert before.thread.calls == 8
        assert first.id not in {m.run for m in chronicle.found.outputs if m.output}
        (effect,) = await desk.services.carrier.ledger.effects(first.id)
        assert (effect.thread, effect.result) == ("t", None)
        assert await desk.services.approvals.list(status=None) == []


async def test_label_of_what_was_read_does_not_fall_when_its_run_goes(paying, home):
    from concertmaster.testing import Call

    read = [Call("salaries"), "done"]
    async with paying(*read, "hello", "hello") as desk:
        first = await desk.run("who earns what", principal="ana", thread="t")
        last = await desk.run("hello", principal="ana", thread="t")
        await desk.prune(rules=RetentionSpec(runs={"per_thread": 1}))
        with pytest.raises(UnknownRun):
            await desk.get(first.id)
        chronicle = await desk.services.carrier.journal.read(last.id, "t")
        levels = [label.confidentiality.name for label in chronicle.labels(99, "")]
        assert "restricted" in levels


async def test_words_go_and_the_record_stays(workspace, home, declare, later):
    declare("retention: {messages: {after: 30d}}")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(SMALL, principal="ana", thread="t")
        later(31)
        assert part(await desk.prune(), "messages").number == 1
        assert part(await desk.prune(), "messages").number == 0
        kept = await desk.get(run.id)
        assert (kept.text, kept.outcome.text, kept.status) == ("", "", "answered")
        assert rows(home, "runs", "record LIKE '%1042%'") == 0


async def test_payloads_are_erased_the_chain_holds_and_the_rule_is_told(
    workspace, home, declare, later
):
    declare("retention: {payloads: {after: 30d}}")
    async with cm.open(workspace, home=home) as desk:
        run = await paid(desk)
        count = len(await desk.events())
        later(31)
        report = await desk.prune()
        assert part(report, "payloads").number == count
        assert await desk.events(run=run.id) == []
        (told,) = [e for e in await desk.events() if e.type == "audit.erased"]
        assert (told.actor, told.data["rule"]) == ("retention", "payloads.after: 30d")
        assert told.why == "removed by retention (payloads.after: 30d)"
        (stream,) = await whole(desk)
        assert stream.erased == count
        assert stream.signed == stream.events
        assert rows(home, "audit_events", "salt IS NOT NULL") == len(await desk.events())
        assert (await desk.get(run.id)).text == LARGE
        # What tells of the erasure is never erased itself.
        later(3650)
        await desk.prune()
        assert told.id in {e.id for e in await desk.events()}
        await whole(desk)


async def test_settled_approvals_go_and_pending_ones_stay(workspace, home, declare, later):
    declare("retention: {approvals: {after: 30d}}")
    async with cm.open(workspace, home=home) as desk:
        await paid(desk)
        pending = (await desk.run(LARGE, principal="ana", thread="u")).pending[0]
        later(31)
        report = await desk.prune()
        assert part(report, "approvals").number == 1
        assert [a.id for a in await desk.approvals(status=None)] == [pending.id]


async def test_dry_run_tells_the_same_and_changes_nothing(workspace, home, declare, later):
    declare(ALL)
    async with cm.open(workspace, home=home) as desk:
        for number in range(4):
            await paid(desk, f"t-{number}")
            await desk.run(SMALL, principal="ana", thread=f"t-{number}")
        later(61)
        seen = await desk.prune(dry_run=True)
        assert seen.dry_run
        assert len(await desk.history("t-0")) == 2
        done = await desk.prune()
        said = [(p.what, p.rules, p.number, p.kept) for p in seen.pruned]
        assert said == [(p.what, p.rules, p.number, p.kept) for p in done.pruned]
        assert done.number > 8
        later(91)
        seen = await desk.prune(dry_run=True)
        done = await desk.prune()
        assert [p.number for p in seen.pruned] == [p.number for p in done.pruned]
        await whole(desk)


async def test_threads_that_a_graph_run_by_hand_left_go_by_their_states(
    workspace, home, declare, later
):
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        config = {"configurable": {"thread_id": "by-hand"}}
        await desk.graph.ainvoke({"message": SMALL}, config)
        assert rows(home, "checkpoints") > 0
        later(91)
        await desk.prune()
        assert rows(home, "checkpoints") == 0


async def test_opening_a_desk_prunes_by_itself_and_again_while_it_is_open(
    workspace, home, declare, later
):
    declare("retention: {threads: {after: 90d}, every: 1s}")
    async with cm.open(workspace, home=home) as desk:
        await desk.run(SMALL, principal="ana", thread="t")
    later(91)
    async with cm.open(workspace, home=home) as desk:
        while rows(home, "threads"):
            await asyncio.sleep(0.01)
        await desk.run(SMALL, principal="ana", thread="u")
        while rows(home, "threads"):
            await asyncio.sleep(0.05)
        assert len([e for e in await desk.events() if e.type == "retention.pruned"]) == 2


async def test_desk_that_declares_nothing_starts_nothing(desk):
    assert desk._retention._task is None


async def test_runs_go_on_while_a_pass_is_under_way(workspace, home, declare, later):
    declare("retention: {threads: {after: 1h}, payloads: {after: 1h}}")
    async with cm.open(workspace, home=home) as desk:
        for number in range(20):
            await desk.run(SMALL, principal="ana", thread=f"t-{number}")
        later(1)
        pruning = asyncio.create_task(desk.prune())
        runs = [await desk.run(SMALL, principal="ana", thread=f"u-{n}") for n in range(5)]
        await pruning
        assert {r.status for r in runs} == {"answered"}
        await whole(desk)


async def test_erasing_a_person_after_retention_leaves_nothing_and_verifies(
    workspace, home, declare, later
):
    declare("retention: {payloads: {after: 30d}, messages: {after: 30d}}")
    async with cm.open(workspace, home=home) as desk:
        await paid(desk)
        later(31)
        await desk.prune()
        await desk.run(SMALL, principal="ana", thread="t")
        forgotten = await desk.forget("t", by="ana", why="request 4711")
        assert forgotten.runs == 2
        await whole(desk)
        with pytest.raises(RequestError):
            await desk.run("", principal="ana", thread="t")


async def test_pruned_thread_can_still_be_erased_from_the_trail(workspace, home, declare, later):
    people = workspace / "principals.yaml"
    people.write_text(people.read_text() + "  - {id: olga, roles: [ops]}\n")
    declare("retention: {threads: {after: 90d}}")
    async with cm.open(workspace, home=home) as desk:
        run = await paid(desk)
        later(91)
        await desk.prune()
        assert await desk.events(run=run.id)
        with pytest.raises(ThreadForbidden):
            await desk.forget("t", by="ana", why="request 4711")
        forgotten = await desk.forget("t", by="olga", why="request 4711")
        assert (forgotten.runs, forgotten.events > 10) == (0, True)
        assert await desk.events(run=run.id) == []
        await whole(desk)


def test_sync_face_prunes_too(workspace, home, later):
    with cm.open_sync(workspace, home=home) as desk:
        desk.run(SMALL, principal="ana", thread="t")
        later(2)
        rules = RetentionSpec(threads={"after": "1d"})
        assert desk.prune(dry_run=True, rules=rules).number == 1
        report = desk.prune(rules=rules)
        assert report.pruned[0].rules == ("threads.after: 1d, given by the program",)
