"""Stored state that was damaged or changed by hand: set aside or told, and the thread goes on."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import concertmaster as cm
from concertmaster.errors import IndexMismatch, StorageError

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "software_delivery"
PAY = "refund 20 euros for order 1042"


@pytest.fixture
async def waiting(workspace, home):
    """Leave a home with a finished thread `t` and a waiting one `w`; return the approval's id."""
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
        run = await desk.run("refund order 1042", principal="ana", thread="w")
        return run.pending[0].id


def alter(home, sql, *values):
    database = sqlite3.connect(home / "concertmaster.sqlite3")
    with database:
        changed = database.execute(sql, values).rowcount
    database.close()
    assert changed


DAMAGE = {
    "number": "UPDATE checkpoints SET checkpoint = X'ff00ff' WHERE thread_id = ?",
    "empty": "UPDATE checkpoints SET checkpoint = X'' WHERE thread_id = ?",
    "null": "UPDATE checkpoints SET checkpoint = NULL WHERE thread_id = ?",
    "bytes": "UPDATE checkpoints SET checkpoint = X'c1c1c1' WHERE thread_id = ?",
    "type": "UPDATE checkpoints SET type = 'pickle' WHERE thread_id = ?",
    "metadata": "UPDATE checkpoints SET metadata = 'nonsense' WHERE thread_id = ?",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_thread_with_a_damaged_checkpoint_goes_on(workspace, home, refunds, waiting, damage):
    alter(home, DAMAGE[damage], "t")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert run.status == "answered", run.outcome
        assert [r.status for r in await desk.history("t")] == ["answered", "answered"]
        told = [e.why for e in run.events if e.type == "run.recovered"]
        assert told == ["the thread's last state was damaged; it goes on from the one before"]
    assert refunds() == [(1042, 2000), (7, 1000)]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_run_that_waits_survives_a_damaged_checkpoint(
    workspace, home, refunds, waiting, damage
):
    alter(home, DAMAGE[damage], "w")
    async with cm.open(workspace, home=home) as desk:
        assert [a.id for a in await desk.approvals()] == [waiting]
        done = await desk.decide(waiting, cm.Approve(), principal="li")
        assert done.status == "answered", done.outcome
    assert refunds() == [(1042, 2000), (1042, 12000)]


async def test_damaged_write_of_a_waiting_run_is_set_aside(workspace, home, refunds, waiting):
    alter(home, "UPDATE writes SET value = X'c1' WHERE thread_id = 'w'")
    async with cm.open(workspace, home=home) as desk:
        done = await desk.decide(waiting, cm.Approve(), principal="li")
        assert done.status == "answered", done.outcome
    assert refunds() == [(1042, 2000), (1042, 12000)]


async def test_what_is_set_aside_is_kept_in_the_file(workspace, home, waiting):
    alter(home, DAMAGE["bytes"], "t")
    async with cm.open(workspace, home=home) as desk:
        await desk.run(PAY, principal="ana", thread="t")
    database = sqlite3.connect(home / "concertmaster.sqlite3")
    sql = "SELECT count(*) FROM checkpoints WHERE checkpoint = X'c1c1c1'"
    kept = database.execute(sql).fetchone()[0]
    database.close()
    assert kept >= 1


@pytest.mark.parametrize(
    "values",
    [
        {"turn": {"schema_version": 2, "run": "x"}},
        {"turn": "nonsense"},
        {"turn": None},
        {"memory": ["nonsense"], "messages": "nonsense", "label": "nonsense"},
        {"messages": 7, "memory": {"slots": 5}},
        {"messages": [{"role": "king"}, 5], "label": {"trust": 99}},
        {"label": 5, "message": {"a": 1}},
    ],
    ids=str,
)
async def test_state_of_another_form_does_not_stop_the_thread(
    workspace, home, refunds, waiting, values
):
    async with cm.open(workspace, home=home) as desk:
        saver = desk.graph.checkpointer
        for thread in ("t", "w"):
            found = await saver.aget_tuple({"configurable": {"thread_id": thread}})
            changed = {**found.checkpoint["channel_values"], **values}
            later = {
                **found.checkpoint,
                "id": found.checkpoint["id"][:-1] + "f",
                "channel_values": changed,
            }
            await saver.aput(found.config, later, found.metadata, {})
        run = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        assert run.status == "answered", run.outcome
    async with cm.open(workspace, home=home) as desk:
        done = await desk.decide(waiting, cm.Approve(), principal="li")
        assert done.status == "answered", done.outcome
    assert refunds()[1:] == [(7, 1000), (1042, 12000)]


async def test_damaged_run_is_named_at_open(workspace, home, waiting):
    alter(home, "UPDATE runs SET record = '{}' WHERE thread = 'w'")
    with pytest.raises(StorageError, match=r"stored run 'run-[0-9a-f]+' cannot be read") as caught:
        async with cm.open(workspace, home=home):
            pass
    assert "restore a backup" in caught.value.hint


async def test_damaged_plan_fails_its_run_and_says_why(workspace, home, refunds, waiting):
    alter(home, "UPDATE plans SET action = '{}'")
    async with cm.open(workspace, home=home) as desk:
        done = await desk.decide(waiting, cm.Approve(), principal="li")
        assert done.status == "failed"
        assert "stored call at position" in done.outcome.cause
        again = await desk.run(PAY, principal="ana", thread="w")
        assert again.status == "answered"
    assert refunds() == [(1042, 2000), (1042, 2000)]


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04" + b"\x00" * 200])
async def test_damaged_classifier_is_trained_again(home, content):
    (home / "intents").mkdir(parents=True)
    (home / "intents" / "model.npz").write_bytes(content)
    async with cm.open(SAMPLE, home=home) as desk:
        run = await desk.run("Please merge SD-101", principal="dana")
    assert run.status == "answered"


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"\xff\xfe", b"[1]"])
async def test_damaged_list_of_sources_is_told(workspace, home, content):
    path = workspace / "workflow.yaml"
    path.write_text(path.read_text() + "knowledge: {paths: [], default_owner: ops}\n")
    async with cm.open(workspace, home=home, draft=True):
        pass
    (home / "sources.json").write_bytes(content)
    with pytest.raises(StorageError, match=r"sources\.json") as caught:
        async with cm.open(workspace, home=home, draft=True):
            pass
    assert "ingest the sources again" in caught.value.hint


async def test_odd_notes_in_a_home_are_written_again(workspace, home):
    home.mkdir()
    (home / "workspace.json").write_bytes(b"\xff\xfe")
    (home / "lock").write_bytes(b"\xff\xfe" * 100)
    async with cm.open(workspace, home=home):
        pass
    assert json.loads((home / "workspace.json").read_text()) == {"path": str(workspace)}


class Letters:
    """An embedding of eight numbers."""

    name = "letters-8"
    dimension = 8
    relevant = 0.0

    def embed(self, texts: Sequence[str], /) -> np.ndarray:
        counted = [[1 + text.count(letter) for letter in "etaoinsh"] for text in texts]
        vectors = np.array(counted, dtype=np.float32).reshape(len(texts), 8)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


async def test_index_of_another_embedding_is_told_with_both_names_and_the_way_out(workspace, home):
    path = workspace / "workflow.yaml"
    path.write_text(path.read_text() + "knowledge: {paths: [knowledge], default_owner: ops}\n")
    (workspace / "knowledge").mkdir()
    (workspace / "knowledge" / "a.md").write_text("Returns take a week.\n")
    async with cm.open(workspace, home=home, embedder=Letters(), draft=True):
        pass
    with pytest.raises(IndexMismatch) as caught:
        async with cm.open(workspace, home=home, draft=True):
            pass
    assert "letters-8" in caught.value.message
    assert "minilm" in caught.value.message.lower()
    assert "--rebuild" in caught.value.hint
    async with cm.open(workspace, home=home, embedder=Letters(), draft=True) as desk:
        assert (await desk.run(PAY, principal="ana")).status == "answered"
