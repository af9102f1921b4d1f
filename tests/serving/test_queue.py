"""The query that lists approvals shows what the rules over plain records let somebody see."""

import itertools
import random
import shutil
import sqlite3

import pytest

import concertmaster as cm
from concertmaster.contracts import (
    Action,
    Approval,
    Approve,
    Claim,
    Principal,
    ReviewNeed,
    RunRecord,
    Vote,
)
from concertmaster.orchestrator.queue import LAST, Wanted, wanted_by
from concertmaster.policies import approval_rows
from concertmaster.serving.app import create_app
from concertmaster.serving.visible import concerns, owns, queue_of

TENANTS = (None, "north", "")
ROLES = ("finance", "risk", "ops", "o'ps\"")
PEOPLE = ("ana", "ben", "li", "role:finance")
STATUSES = ("pending", "approved", "rejected", "void")
READERS = [
    Principal(id=name, roles=roles, tenant=tenant)
    for name, tenant in itertools.product(PEOPLE, TENANTS)
    for roles in ((), ("finance",), ("risk", "o'ps\""), ("customer",))
]


def moment(second: int) -> str:
    return f"2026-01-01T00:00:{second:02d}.000000+00:00"


def drawn(draw: random.Random, number: int) -> tuple[Approval, RunRecord]:
    """Return an approval with its run: anybody's, needing and answered by whomever."""
    at = moment(draw.randrange(6))  # Several at one moment.
    owner = Principal(id=draw.choice(PEOPLE), tenant=draw.choice(TENANTS))
    needs = [ReviewNeed(role=r) for r in draw.sample(ROLES, draw.randint(1, 2))]
    before = [ReviewNeed(role=r) for r in draw.sample(ROLES, draw.choice((0, 0, 1)))]
    votes = [
        Vote(by=by, role=draw.choice(ROLES), answer=Approve(), at=at)
        for by in draw.sample(PEOPLE, draw.choice((0, 0, 1, 2)))
    ]
    claims = [Claim(by="li", role="risk", at=at, until=at)] if draw.random() < 0.3 else []
    run = RunRecord(
        id=f"run-{number}",
        thread=f"t-{number}",
        workspace="refunds",
        principal=owner,
        text="refund",
        status="awaiting_review",
        created=at,
        updated=at,
    )
    approval = Approval(
        id=f"apr-{draw.getrandbits(32):08x}",
        run=run.id,
        thread=run.thread,
        position=0,
        action=Action(
            position=0,
            step="executor",
            tool=draw.choice(("refund", "cancel")),
            arguments={"order_id": number},
            key="k",
            why="asked",
        ),
        requester=owner.id if draw.random() < 0.9 else "somebody-else",
        digest="sha256:0",
        needs=tuple(needs),
        instead_of=tuple(before),
        votes=tuple(votes),
        claims=tuple(claims),
        status=draw.choice(STATUSES),
        created=at,
    )
    return approval, run


async def store(desk: cm.Desk, made: list[tuple[Approval, RunRecord]]) -> None:
    """Store runs with their approvals, each asked for first and then as it is."""
    workspace = desk.services.trail.workspace

    def work(connection: sqlite3.Connection) -> None:
        for approval, run in made:
            who = run.principal
            thread = (run.thread, who.id, who.tenant, run.created, run.updated)
            connection.execute("INSERT INTO threads VALUES (?, ?, ?, ?, ?)", thread)
            connection.execute(
                "INSERT INTO runs (id, thread, status, updated, record) VALUES (?, ?, ?, ?, ?)",
                (run.id, run.thread, run.status, run.updated, run.model_dump_json()),
            )
            blank = {"votes": (), "claims": (), "status": "pending"}
            approval_rows.insert(connection, workspace, approval.model_copy(update=blank))
            approval_rows.replace(connection, workspace, approval)

    await desk.database.write(work)


@pytest.fixture
def filled(refunds):
    """Return what fills the desk with drawn approvals, and returns them in the list's order."""

    async def fill(seed: int, number: int = 60) -> list[tuple[Approval, RunRecord]]:
        draw = random.Random(seed)
        made = [drawn(draw, n) for n in range(number)]
        await store(refunds, made)
        return sorted(made, key=lambda pair: (pair[0].created, pair[0].id))

    return fill


def fits(who: Principal, approval: Approval, run: RunRecord, wanted: Wanted) -> bool:
    """Tell by the rules over plain records whether an approval is to be listed."""
    deciding = concerns(who, approval, run)
    own = approval.requester == who.id and owns(who, run)
    return (
        (own if wanted.view == "own" else deciding)
        and wanted.status in (None, approval.status)
        and wanted.tool in (None, approval.action.tool)
        and wanted.requester in (None, approval.requester)
        and (wanted.role is None or any(need.role == wanted.role for need in approval.needs))
        and wanted.claimed in (None, bool(approval.claims) and deciding)
    )


@pytest.mark.parametrize("seed", range(3))
async def test_list_holds_exactly_what_the_rules_let_somebody_see(refunds, filled, seed):
    made = await filled(seed)
    elsewhere = made[0][0].model_copy(update={"id": "apr-elsewhere"})
    await refunds.database.write(lambda c: approval_rows.insert(c, "another", elsewhere))
    shown = 0
    narrowed = [
        {},
        {"status": None},
        {"status": None, "role": "risk"},
        {"status": None, "role": "o'ps\""},
        {"status": None, "tool": "cancel", "requester": "ana"},
        {"status": None, "claimed": True},
        {"claimed": False},
        {"status": None, "role": "%", "tool": "' OR 1=1 --"},
    ]
    for who, view, given in itertools.product(READERS, ("queue", "own"), narrowed):
        wanted = Wanted(view=view, **given)
        expected = [a for a, run in made if fits(who, a, run, wanted)]
        assert await wanted_by(who, refunds, wanted) == expected, (who, wanted)
        shown += len(expected)
    assert shown > 500


async def test_pages_join_up_to_the_list_whatever_happened_at_one_moment(refunds, filled):
    await filled(7)
    who = Principal(id="li", roles=ROLES)
    wanted = Wanted(status=None)
    whole = await wanted_by(who, refunds, wanted)
    assert len(whole) > 10
    for limit in (1, 2, 7, 100):
        seen: list[Approval] = []
        while page := await wanted_by(
            who,
            refunds,
            wanted,
            limit=limit,
            after=(seen[-1].created, seen[-1].id) if seen else None,
        ):
            assert len(page) <= limit
            seen += page
        assert seen == whole
    first = whole[0].created
    later = [a for a in whole if a.created > first]
    assert await wanted_by(who, refunds, wanted, after=(first, LAST)) == later


async def test_queue_follows_each_change_of_an_approval(refunds, filled):
    (approval, run), *_ = await filled(3, 1)
    tenant = run.principal.tenant
    new, old = Principal(id="x", roles=("new",), tenant=tenant), approval.needs[0].role

    async def change(**changes) -> None:
        changed = approval.model_copy(update={"status": "pending", **changes})
        sql = "UPDATE approvals SET record = ?"
        text = (changed.model_dump_json(),)
        await refunds.database.write(lambda c: c.execute(sql, text))

    async def sees(who: Principal) -> bool:
        return bool(await queue_of(refunds, who))

    await change(needs=(ReviewNeed(role="new"),), instead_of=(), votes=())
    assert await sees(new)
    assert not await sees(new.model_copy(update={"roles": (old,)}))
    await change(needs=(ReviewNeed(role="other"),), instead_of=(ReviewNeed(role="new"),), votes=())
    assert await sees(new)
    await change(needs=(ReviewNeed(role="other"),), instead_of=(), votes=())
    assert not await sees(new)
    vote = Vote(by="x", role="new", answer=Approve(), at=approval.created)
    await change(needs=(ReviewNeed(role="other"),), instead_of=(), votes=(vote,))
    assert await sees(new)
    await refunds.database.write(lambda c: c.execute("DELETE FROM approvals"))
    count = "SELECT count(*) FROM approval_readers"
    assert (await refunds.database.read(lambda c: c.execute(count).fetchone()))[0] == 0


async def test_approvals_of_before_are_in_the_queues_of_their_readers(refunds, filled):
    """What the tables' change to this version finds in them is entered, too."""
    made = await filled(5)
    told = "SELECT reader, approval FROM approval_readers ORDER BY 1, 2"

    def again(connection: sqlite3.Connection) -> tuple[list, list]:
        before = [tuple(row) for row in connection.execute(told)]
        connection.execute("DELETE FROM approval_readers")
        sql = approval_rows.MIGRATIONS[2].sql
        connection.execute(sql[sql.rindex("INSERT INTO approval_readers") : sql.index("ALTER")])
        return before, [tuple(row) for row in connection.execute(told)]

    before, after = await refunds.database.write(again)
    assert before == after
    assert len({approval for _, approval in after}) == len(made)


async def test_damaged_record_keeps_nobody_from_storing_and_reading_others(refunds, filled):
    made = await filled(2)
    sql = "UPDATE approvals SET record = json_set(record, '$.needs', json(?)) WHERE id = ?"
    broken = [made[0][0].id, made[1][0].id, made[2][0].id]
    for text, id_ in zip(("null", '["finance", 7]', '{"a": null}'), broken, strict=True):
        values = (text, id_)
        await refunds.database.write(lambda c, values=values: c.execute(sql, values))
    who = Principal(id="nobody", roles=("risk",))
    wanted = Wanted(status=None, role="risk")
    left = [a for a, run in made if a.id not in broken and fits(who, a, run, wanted)]
    assert left
    assert await wanted_by(who, refunds, wanted) == left


async def test_list_of_the_server_reads_a_page_of_rows_and_not_all(
    refunds, filled, auth, client_of, monkeypatch
):
    await filled(11, 120)
    read = []
    known = approval_rows.read
    monkeypatch.setattr(approval_rows, "read", lambda row: read.append(row["id"]) or known(row))
    async with client_of(create_app(refunds, auth=auth), "li") as li:
        page = (await li.get("/api/v1/approvals?status=any&limit=3")).json()
        assert len(page["data"]) == 3
        assert len(read) == 4  # One more tells whether there is a next page.
        again = await li.get(f"/api/v1/approvals?status=any&limit=3&cursor={page['next']}")
        ids = [each["id"] for each in page["data"] + again.json()["data"]]
        assert len(set(ids)) == 6


async def test_pages_go_over_workflows_in_one_order(
    refunds, refunds_folder, tmp_path, auth, client_of
):
    folders = []
    for name in ("aaa", "zzz"):
        folder = tmp_path / name
        shutil.copytree(refunds_folder, folder)
        text = (folder / "workflow.yaml").read_text()
        (folder / "workflow.yaml").write_text(
            text.replace("workflow: refunds", f"workflow: {name}")
        )
        folders.append(folder)
    async with (
        cm.open(folders[0], home=tmp_path / "home-a") as first,
        cm.open(folders[1], home=tmp_path / "home-z") as last,
    ):
        draw = random.Random(4)
        desks = {"zzz": last, "refunds": refunds, "aaa": first}
        for name, desk in desks.items():
            made = [drawn(draw, number) for number in range(6)]
            waiting = {"needs": (ReviewNeed(role="finance"),), "status": "pending"}
            asked = {"principal": Principal(id="ana"), "workspace": name}
            await store(
                desk,
                [
                    (
                        a.model_copy(update={**waiting, "created": moment(number // 3)}),
                        r.model_copy(update=asked),
                    )
                    for number, (a, r) in enumerate(made)
                ],
            )
        app = create_app(*desks.values(), auth=auth)
        async with client_of(app, "li") as li:
            whole = (await li.get("/api/v1/approvals")).json()["data"]
            order = [(a["created"], a["workflow"], a["id"]) for a in whole]
            assert len(order) == 18
            assert order == sorted(order)
            for limit in (1, 2, 5):
                seen, query = [], f"limit={limit}"
                while query:
                    page = (await li.get(f"/api/v1/approvals?{query}")).json()
                    seen += page["data"]
                    query = page["next"] and f"limit={limit}&cursor={page['next']}"
                assert seen == whole
