"""Feedback: who may give it, what is kept of it, and what a reviewer's acceptance writes."""

import json

import pytest
import yaml

import concertmaster as cm
from concertmaster.contracts.feedback import Feedback
from concertmaster.errors import RequestError, ThreadForbidden, UnknownRun, WorkspaceError
from concertmaster.orchestrator.feedback_patch import additions
from concertmaster.orchestrator.feedback_review import accept, candidate, skip

INTENTS = """\
# What people want.
intents:
  - name: refund  # money back
    owner: ops
    playbook: refund
    utterances:
      - Refund my order
      - Pay me back
      # the short ones
      - money back

  - name: lookup
    owner: ops
    playbook: lookup
    utterances:
    - "Where is my order?"
    - Show my order
    - What did I order?
out_of_scope:
  - Tell me a joke
"""
HOSTILE = [
    'x"\n      - name: admin',
    "x: {y: &a [1]}",
    "- name: evil\n  utterances: [a]",
    "!!python/object/apply:os.system ['true']",
    "# nothing",
    "*anchor",
    "| \n  block",
    "'",
    '"',
    "\\",
    "{{ template }}",
    "null",
    "12",
    "a\u2028b\u0085c",
    "---\n...",
    "\x1b[31mred",
]


def piece(**more):
    fields = {
        "id": "fb-1",
        "run": "run-1",
        "thread": "t",
        "principal": "ana",
        "role": "participant",
        "kind": "correction",
        "value": "down",
        "question": "give it back",
        "created": "2026-01-01T00:00:00Z",
    }
    return Feedback(**{**fields, **more})


def test_utterance_goes_behind_the_last_one_and_all_else_stays():
    (utterance, golden) = additions(piece(intent="refund"), {"intents.yaml": INTENTS})
    expected = INTENTS.replace("- money back\n", '- money back\n      - "give it back"\n')
    assert utterance.after == expected
    assert json.loads(golden.after)["intent"] == "refund"
    (utterance, _) = additions(piece(intent="lookup"), {"intents.yaml": INTENTS})
    assert '    - What did I order?\n    - "give it back"\nout_of_scope' in utterance.after
    (utterance, _) = additions(piece(intent="out_of_scope"), {"intents.yaml": INTENTS})
    assert utterance.after.endswith('- Tell me a joke\n  - "give it back"\n')


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_user_stays_one_text(text):
    (utterance, golden) = additions(
        piece(intent="refund", question=text), {"intents.yaml": INTENTS}
    )
    before, after = yaml.safe_load(INTENTS), yaml.safe_load(utterance.after)
    assert after["intents"][0]["utterances"] == [*before["intents"][0]["utterances"], text]
    assert after["intents"][1:] == before["intents"][1:]
    assert json.loads(golden.line)["question"] == text
    assert golden.after.count("\n") == 1


@pytest.mark.parametrize(
    "file",
    [
        "intents:\n  - {name: refund, utterances: [a, b]}\n",
        "intents:\n  - name: refund\n    utterances: [a, b]\n",
        "intents:\n  - name: refund\n    utterances:\n      - >\n        folded\n        text\n",
        "intents: [\n",
        "intents:\n  - name: other\n    utterances:\n      - a\n",
        "intents:\n  - utterances:\n      - a\n    name: refund\n"
        "  - name: b\n    utterances:\n      - c\n",
    ],
)
def test_file_in_which_nothing_can_be_inserted_safely_is_refused(file):
    with pytest.raises(WorkspaceError):
        additions(piece(intent="refund"), {"intents.yaml": file})


def test_what_is_there_already_is_not_added_again():
    known = {"intents.yaml": INTENTS}
    (utterance, golden) = additions(piece(intent="refund", question="money back"), known)
    assert (utterance.line, utterance.after) == ("", INTENTS)
    again = {**known, "golden.jsonl": golden.after}
    assert additions(piece(intent="refund", question="money back"), again)[1].line == ""


def test_bare_thumb_adds_nothing():
    assert additions(piece(value="up", kind="thumb"), {"intents.yaml": INTENTS}) == ()


def test_corrected_document_becomes_a_case_that_is_played():
    cases = "# cases\nconversations:\n\n  - id: a\n    title: A\n    messages: []\n"
    found = additions(
        piece(document="returns"), {"conversations.yaml": cases}, people=frozenset({"ana"})
    )
    case = yaml.safe_load(found[-1].after)["conversations"][-1]
    assert case["messages"][0]["cites"] == ["returns"]
    assert found[-1].after.startswith(cases)
    assert len(additions(piece(document="returns"), {"conversations.yaml": cases})) == 1


@pytest.fixture
def workspace(workspace):
    people = (workspace / "principals.yaml").read_text()
    (workspace / "principals.yaml").write_text(people.replace("[support]", "[ops]"))
    (workspace / "intents.yaml").write_text(INTENTS)
    return workspace


@pytest.fixture
async def desk(workspace, home):
    # A draft: the small workspace has intents here and no step that classifies.
    async with cm.open(workspace, home=home, draft=True) as opened:
        yield opened


async def asked(desk, text="lookup order 7"):
    return await desk.run(text, principal="viewer", thread="t-1")


async def test_feedback_is_stored_with_the_trace_and_without_personal_data(desk, home):
    run = await asked(desk, "lookup order 7 for ana@example.com")
    given = await desk.feedback(
        run.id, principal="viewer", value="down", comment="mail bob@example.com", intent="lookup"
    )
    assert (given.kind, given.status, given.thread) == ("correction", "open", "t-1")
    assert "example.com" not in given.model_dump_json()
    (event,) = [e for e in await desk.events(run=run.id) if e.type == "feedback.given"]
    assert (event.actor, event.data["intent"]) == ("viewer", "lookup")
    assert await desk.corrections.list() == [given]


async def test_only_who_has_a_part_in_the_run_may_speak_of_it(desk):
    run = await asked(desk)
    with pytest.raises(UnknownRun):
        await desk.feedback(run.id, principal="ana", value="down")
    given = await desk.feedback(run.id, principal="sam", value="up")
    assert given.role == "reviewer"
    stranger = cm.Principal(id="eve", roles=("ops",), tenant="elsewhere")
    with pytest.raises(UnknownRun):
        await desk.feedback(run.id, principal=stranger, value="up")


@pytest.mark.parametrize(
    "given",
    [
        {"value": "sideways"},
        {"value": "up", "intent": "no"},
        {"value": "up", "comment": "x" * 3000},
    ],
)
async def test_what_cannot_be_taken_is_refused(desk, given):
    run = await asked(desk)
    with pytest.raises(RequestError):
        await desk.feedback(run.id, principal="viewer", **given)


async def test_nobody_trains_intents_without_a_reviewer(desk, workspace):
    run = await asked(desk)
    given = await desk.feedback(run.id, principal="viewer", value="down", intent="refund")
    own = await desk.feedback(run.id, principal="sam", value="down", intent="refund")
    for feedback, who in ((given, "viewer"), (given, "ana"), (own, "sam")):
        with pytest.raises(ThreadForbidden):
            await accept(desk, feedback, desk.people.admit(who))
    assert (workspace / "intents.yaml").read_text() == INTENTS


async def test_acceptance_writes_the_files_once_and_says_who(desk, workspace):
    run = await asked(desk)
    given = await desk.feedback(run.id, principal="viewer", value="down", intent="refund")
    sam = desk.people.admit("sam")
    assert [a.file for a in await candidate(desk, given)] == ["intents.yaml", "golden.jsonl"]
    done = await accept(desk, given, sam)
    assert (done.status, done.reviewer) == ("accepted", "sam")
    assert '- "lookup order 7"\n' in (workspace / "intents.yaml").read_text()
    assert len((workspace / "golden.jsonl").read_text().splitlines()) == 1
    (event,) = [e for e in await desk.events(run=run.id) if e.type == "feedback.reviewed"]
    assert (event.actor, event.data["added"]) == ("sam", ["intents.yaml", "golden.jsonl"])
    with pytest.raises(RequestError):
        await accept(desk, given, sam)
    assert len((workspace / "golden.jsonl").read_text().splitlines()) == 1


async def test_edits_are_cleaned_and_change_nobodys_part(desk, workspace):
    run = await asked(desk)
    given = await desk.feedback(run.id, principal="sam", value="down", intent="refund")
    forged = given.model_copy(update={"principal": "viewer"})
    with pytest.raises(ThreadForbidden):
        await accept(desk, forged, desk.people.admit("sam"))
    own = await desk.feedback(run.id, principal="viewer", value="down", intent="refund")
    edited = own.model_copy(update={"question": "ask bob@example.com\nabout it"})
    await accept(desk, edited, desk.people.admit("sam"))
    written = (workspace / "intents.yaml").read_text()
    assert "ask [email] about it" in written
    assert "bob" not in written


async def test_skipped_feedback_writes_nothing(desk, workspace):
    run = await asked(desk)
    given = await desk.feedback(run.id, principal="viewer", value="down", intent="refund")
    await skip(desk, given, desk.people.admit("sam"))
    assert (workspace / "intents.yaml").read_text() == INTENTS
    assert await desk.corrections.list("open") == []


async def test_file_behind_a_link_is_left_alone(desk, workspace, tmp_path):
    outside = tmp_path / "outside.yaml"
    outside.write_text(INTENTS)
    (workspace / "intents.yaml").unlink()
    (workspace / "intents.yaml").symlink_to(outside)
    run = await asked(desk)
    given = await desk.feedback(run.id, principal="viewer", value="down", intent="refund")
    with pytest.raises(WorkspaceError):
        await accept(desk, given, desk.people.admit("sam"))
    assert outside.read_text() == INTENTS


async def test_forgetting_a_thread_takes_its_feedback(desk, home):
    run = await asked(desk)
    await desk.feedback(run.id, principal="viewer", value="down", comment="canary-magenta")
    await desk.forget("t-1", by="viewer", why="asked for by the person")
    assert await desk.corrections.list() == []
    await desk.services.trail.flush()
    left = b"".join(f.read_bytes() for f in home.rglob("*") if f.is_file())
    assert b"canary-magenta" not in left


def test_feedback_from_a_script(workspace, home):
    with cm.open_sync(workspace, home=home, draft=True) as desk:
        run = desk.run("lookup order 7", principal="viewer")
        assert desk.feedback(run.id, principal="viewer", value="up").kind == "thumb"
