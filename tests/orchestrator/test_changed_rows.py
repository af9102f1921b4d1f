"""Rows that grant authority, changed by hand while a run waits: nothing runs by them."""

import json
import sqlite3

import pytest

import concertmaster as cm
from concertmaster.errors import ConcertmasterError

LARGE = "Please refund order 1042"


def alter(home, table: str, column: str, change) -> None:
    """Change the JSON of a column in every row of a table."""
    with sqlite3.connect(home / "concertmaster.sqlite3") as database:
        rows = database.execute(f"SELECT {column} FROM {table}").fetchall()
        assert rows
        for (text,) in rows:
            changed = json.dumps(change(json.loads(text)))
            assert changed != text
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (changed, text))
    database.close()


def more(action):
    """Return an action that pays more, or at least says something else."""
    if "amount_cents" in action["arguments"]:
        action["arguments"]["amount_cents"] = 12001
    return action | {"why": "changed"}


def votes(record):
    vote = {"by": "li", "role": "finance", "answer": {"kind": "approve", "reason": ""}}
    at = record["created"]
    return record | {
        "status": "approved",
        "votes": [vote | {"at": at}],
        "decided": at,
        "digest": "x",
    }


CHANGES = {
    "plans: other arguments": ("plans", "action", more),
    "approvals: other arguments": (
        "approvals",
        "record",
        lambda r: r | {"action": more(r["action"])},
    ),
    "approvals: another requester": ("approvals", "record", lambda r: r | {"requester": "ben"}),
    "approvals: given with a wrong digest": ("approvals", "record", votes),
    "runs: another principal": (
        "runs",
        "record",
        lambda r: r | {"principal": r["principal"] | {"id": "ben"}},
    ),
    "runs: another role": (
        "runs",
        "record",
        lambda r: (
            r | {"principal": r["principal"] | {"id": "sam", "roles": ["customer", "finance"]}}
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_row_changed_while_a_run_waits_lets_nothing_through(workspace, home, refunds, name):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(LARGE, principal="ana", thread="t")
        (approval,) = run.pending
    alter(home, *CHANGES[name])
    async with cm.open(workspace, home=home) as desk:
        try:
            run = await desk.decide(approval.id, cm.Approve(), principal="li")
        except ConcertmasterError:
            (run,) = await desk.history("t")
        assert run.status != "answered", run.outcome
    assert refunds() == []
