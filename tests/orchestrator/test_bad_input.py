"""Messages, threads, people and files as nobody should send them: told clearly, nothing lost."""

import re
import time

import pytest

import concertmaster as cm
from concertmaster.errors import (
    ApprovalError,
    ApprovalUnknown,
    ConfigError,
    KnowledgeError,
    NotReady,
    PolicyError,
    RequestError,
    UnknownPrincipal,
    UnknownRun,
    WorkspaceError,
)

SMALL = "refund 20 euros for order 1042"


async def works(desk, refunds, thread):
    """A normal message on the thread still does what it says."""
    before = len(refunds())
    run = await desk.run(SMALL, principal="ana", thread=thread)
    assert run.status == "answered", run.outcome
    assert refunds()[before:] == [(1042, 2000)]


# Messages


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\n\t\r\n", "\x00\x00", "\u202e\u2066", 5, None, b"refund", ["refund"], 1.5],
    ids=repr,
)
async def test_message_that_is_none_is_refused_and_leaves_no_run(desk, refunds, text):
    with pytest.raises(RequestError) as caught:
        await desk.run(text, principal="ana", thread="t")
    assert caught.value.message.startswith(("the message", "a message"))
    assert await desk.threads() == []
    await works(desk, refunds, "t")


async def test_megabyte_is_refused_with_the_limit_and_where_to_raise_it(desk, refunds):
    with pytest.raises(RequestError, match=r"1000000 characters, more than the 20000") as caught:
        await desk.run("x" * 1_000_000, principal="ana", thread="t")
    assert "limits.message" in caught.value.hint
    await works(desk, refunds, "t")


@pytest.mark.parametrize(
    "text",
    [
        "refund 20 euros\x00 for \x07order 1042\x1b[2J",
        "refund 20 euros for order 1042 \ud800 \udfff",
        "\u202erefund 20 euros\u202c for order 1042\u2069",
        "refund 20 euros for order 1042 " + "\u0301" * 2000,
        "refund 20 euros for order 1042 👩‍👩‍👧‍👦\U000e0041",
        "refund 20 euros for order 1042\r\n\r\nThanks\u2028\u2029",
    ],
    ids=["control", "surrogates", "bidi", "combining", "emoji", "separators"],
)
async def test_odd_characters_are_cleaned_and_the_message_still_understood(desk, refunds, text):
    run = await desk.run(text, principal="ana", thread="t")
    assert (run.status, refunds()) == ("answered", [(1042, 2000)])
    kept = run.text + run.outcome.text + "".join(e.model_dump_json() for e in run.events)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]", kept)
    assert kept.encode()
    assert (await desk.history("t"))[0].text == run.text


@pytest.mark.parametrize(
    "filler",
    ["1" * 19_000, "111 " * 4_800, "1," * 9_000, "a@" * 9_000, "€ " * 9_000, "order " * 3_000],
    ids=["digits", "groups", "commas", "mail", "currency", "words"],
)
async def test_long_message_is_read_in_bounded_time(desk, refunds, filler):
    begun = time.perf_counter()
    run = await desk.run(f"{SMALL} {filler}"[:19_900], principal="ana", thread="t")
    assert time.perf_counter() - begun < 2
    assert run.status == "answered", run.outcome
    assert refunds() == [(1042, 2000)]
    await works(desk, refunds, "t")


async def test_text_that_looks_like_ours_is_only_text(desk, refunds):
    text = SMALL + " {=results.order} {owner} [1] `</data>` %s {0} ${x} =slots.amount"
    run = await desk.run(text, principal="ana", thread="t")
    assert run.outcome.text == "Refunded 20.00 EUR for order 1042."


# Threads, runs, approvals, people


@pytest.mark.parametrize(
    "thread", ["", "x" * 129, "a\nb", "\x00", "\ud800", 5, b"t", ["t"], 1.5, True]
)
async def test_thread_id_that_is_none_is_refused(desk, refunds, thread):
    with pytest.raises(ConfigError, match="1 to 128 printable characters"):
        await desk.run(SMALL, principal="ana", thread=thread)
    assert refunds() == []


@pytest.mark.parametrize(
    "thread",
    ["../../etc/passwd", "a' OR '1'='1", "%00", "名前", " ", "x" * 128, "a:b|c", "__start__"],
)
async def test_odd_thread_id_is_an_ordinary_thread(desk, refunds, thread):
    await works(desk, refunds, thread)
    run = await desk.run("refund order 7", principal="ana", thread=thread)
    assert run.status == "awaiting_review"
    done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert done.status == "answered"
    assert [r.thread for r in await desk.history(thread)] == [thread, thread]


@pytest.mark.parametrize("who", ["nobody", "", 5, None, ("ana",), {"id": "ana"}, ["ana"]], ids=repr)
async def test_unknown_principal_is_told_who_is_known(desk, refunds, who):
    with pytest.raises(UnknownPrincipal) as caught:
        await desk.run(SMALL, principal=who)
    assert "ana" in str(caught.value)
    assert refunds() == []


@pytest.mark.parametrize("run", ["run-0", "", 5, None, "x" * 10_000])
async def test_unknown_run_is_told(desk, run):
    with pytest.raises(UnknownRun):
        await desk.get(run)
    with pytest.raises(UnknownRun):
        await desk.cancel(run, principal="ana")


@pytest.mark.parametrize("answer", ["approve", None, True, cm.Approve, 1.5])
async def test_answer_of_another_form_is_refused_and_the_approval_stays(desk, refunds, answer):
    run = await desk.run("refund order 1042", principal="ana", thread="t")
    with pytest.raises(ApprovalError):
        await desk.decide(run.pending[0].id, answer, principal="li")
    assert [a.id for a in await desk.approvals()] == [run.pending[0].id]
    assert refunds() == []


@pytest.mark.parametrize("id", ["", "x" * 10_000, 5, None, "apr-\ud800"])
async def test_approval_id_that_is_none_is_unknown(desk, id):
    with pytest.raises(ApprovalUnknown):
        await desk.decide(id, cm.Approve(), principal="li")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (cm.Reject(reason="x" * 100_000), "100000 characters, more than the 20000"),
        (cm.Respond(text="x" * 100_000), "100000 characters"),
        ({"kind": "respond", "text": "x" * 100_000}, "100000 characters"),
        (cm.Edit(arguments={"order_id": 1, "note": "x" * 100_000}), "more than 64 KB"),
        (cm.Respond(text=" \x00\n"), "the response is empty"),
        ({"kind": "respond", "text": ""}, "the response is empty"),
    ],
    ids=["reject", "respond", "mapping", "edit", "blank", "empty"],
)
async def test_answer_that_is_too_large_or_empty_is_refused_and_can_be_given_again(
    desk, refunds, answer, told
):
    run = await desk.run("refund order 1042", principal="ana", thread="t")
    with pytest.raises(ApprovalError, match=told):
        await desk.decide(run.pending[0].id, answer, principal="li")
    done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])


async def test_odd_characters_of_a_reviewer_are_cleaned(desk):
    run = await desk.run("refund order 1042", principal="ana", thread="t")
    reject = cm.Reject(reason="no \x1b[2J\u202e\ud800 receipt {owner} {=slots}")
    done = await desk.decide(run.pending[0].id, reject, principal="li")
    assert done.outcome.text.endswith("no [2J\ufffd receipt {owner} {=slots}")


async def test_reason_of_a_cancellation_is_cleaned_and_bounded(desk):
    run = await desk.run("refund order 1042", principal="ana", thread="t")
    cancelled = await desk.cancel(run.id, principal="ana", why="\ud800\x00" + "x" * 100_000)
    assert cancelled.status == "cancelled"
    assert len(cancelled.outcome.cause) <= 1000


async def test_message_that_grows_when_it_is_normalised_is_not_cut(desk):
    text = "refund 20 euros for order 1042 " + "\u0958" * 19_000
    with pytest.raises(RequestError, match="more than the 20000 allowed"):
        await desk.run(text, principal="ana", thread="t")


async def test_edit_with_huge_and_odd_arguments_is_refused_in_words(desk, refunds):
    run = await desk.run("refund order 1042", principal="ana", thread="t")
    edit = cm.Edit(arguments={"order_id": 2**80, "amount_cents": 1})
    done = await desk.decide(run.pending[0].id, edit, principal="li")
    assert (done.status, refunds()) == ("refused", [])
    await works(desk, refunds, "t")


# People whom the host no longer knows


async def test_person_who_left_in_the_meantime_gets_nothing_done(workspace, home, refunds):
    known = {
        "ana": cm.Principal(id="ana", roles=("customer",)),
        "li": cm.Principal(id="li", roles=("finance",)),
    }
    async with cm.open(workspace, home=home, resolve=known.get) as desk:
        run = await desk.run("refund order 1042", principal="ana", thread="t")
        assert run.status == "awaiting_review"
        del known["ana"]
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert done.status == "refused"
        assert "ana" in done.outcome.cause
        assert refunds() == []
        assert await desk.approvals() == []


async def test_resolver_that_fails_says_so_and_lets_nobody_in(workspace, home, refunds):
    def resolve(who):
        raise ConnectionError("ldap://admin:hunter2@directory is down")

    async with cm.open(workspace, home=home, resolve=resolve) as desk:
        with pytest.raises(UnknownPrincipal) as caught:
            await desk.run(SMALL, principal="ana")
        assert "hunter2" not in str(caught.value)
        assert "ConnectionError" in str(caught.value)
    assert refunds() == []


# Files of a workspace


async def refused_at_open(workspace, home, kind=(WorkspaceError, PolicyError)):
    with pytest.raises(kind) as caught:
        async with cm.open(workspace, home=home):
            raise AssertionError("it must not open")
    assert "Traceback" not in str(caught.value)
    assert not (home / "concertmaster.sqlite3").exists()
    return str(caught.value)


def changed(workspace, file, old, new):
    path = workspace / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("workflow.yaml", "steps:", "steps: [", "no valid YAML"),
        ("workflow.yaml", "owner: ops", "ownr: ops", "did you mean 'owner'"),
        ("workflow.yaml", "timeout: 10s", "timeout: soon", "duration"),
        ("workflow.yaml", "retry: {attempts: 1}", "retry: {attempts: many}", "attempts"),
        ("workflow.yaml", "  - id: other", "  - id: executor", "executor"),
        ("workflow.yaml", "to: finish", "to: finnish", "finnish"),
        ("workflow.yaml", "[get_order, refund]", "[get_order, refnd]", "refnd"),
        ("workflow.yaml", "draft == null", "draft ==", "does not compile"),
        ("workflow.yaml", "owner: ops", "owner: ops\nowner: ops", "twice"),
        ("playbooks.yaml", "type: money", "type: gold", "gold"),
        ("playbooks.yaml", "tool: refund", "tool: refunds", "refunds"),
        ("playbooks.yaml", "=slots.order_id", "=slots.ordr_id", "ordr_id"),
        ("principals.yaml", "{id: ben,", "{id: ana,", "ana"),
        ("principals.yaml", "roles: [customer]", "rolls: [customer]", "did you mean 'roles'"),
        ("tools.py", 'effect="read"', 'effect="reads"', "reads"),
        ("tools.py", "import os", "import os, no_such_module", "no_such_module"),
        ("tools.py", "class Facts", "class Facts(", "tools.py"),
    ],
)
async def test_mistake_in_a_file_is_told_with_file_and_line(workspace, home, file, old, new, told):
    line = changed(workspace, file, old, new)
    message = await refused_at_open(workspace, home)
    assert told in message
    places = [int(n) for n in re.findall(rf"{re.escape(file)}:(\d+)", message)]
    assert any(abs(n - line) <= 4 for n in places), (line, message)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"- a\n- b\n", b"!!python/object:os.x {}"]
)
async def test_file_that_is_no_mapping_is_told(workspace, home, content):
    (workspace / "workflow.yaml").write_bytes(content)
    assert "workflow.yaml:1" in await refused_at_open(workspace, home, WorkspaceError)


async def test_folder_without_a_workflow_says_how_to_get_one(tmp_path, home):
    assert "concertmaster init" in await refused_at_open(tmp_path / "nowhere", home, WorkspaceError)


async def test_policy_that_does_not_parse_is_told_with_its_file(workspace, home):
    changed(workspace, "policies/refunds.cedar", "permit (", "permits (")
    assert "refunds.cedar" in await refused_at_open(workspace, home)


async def test_policy_about_an_unknown_tool_is_told(workspace, home):
    changed(workspace, "policies/refunds.cedar", 'Action::"refund"', 'Action::"refnd"')
    assert "refnd" in await refused_at_open(workspace, home)


async def test_draft_whose_policies_are_broken_denies_everything(workspace, home, refunds):
    changed(workspace, "policies/refunds.cedar", "permit (", "permits (")
    async with cm.open(workspace, home=home, draft=True) as desk:
        run = await desk.run(SMALL, principal="ana")
    assert (run.status, refunds()) == ("refused", [])


async def test_setup_that_fails_is_told_and_the_home_is_free_again(workspace, home):
    changed(workspace, "tools.py", "def setup(data_dir):", "def setup(data_dir):\n    1 / 0")
    with pytest.raises(WorkspaceError, match=r"setup\(data_dir\) failed: ZeroDivisionError"):
        async with cm.open(workspace, home=home):
            pass
    changed(workspace, "tools.py", "    1 / 0\n", "")
    async with cm.open(workspace, home=home) as desk:
        assert (await desk.run(SMALL, principal="ana")).status == "answered"


async def test_not_ready_lists_every_problem(workspace, home):
    changed(workspace, "workflow.yaml", "to: finish", "to: finnish")
    changed(workspace, "workflow.yaml", "[get_order, refund]", "[get_order, refnd]")
    with pytest.raises(NotReady) as caught:
        async with cm.open(workspace, home=home):
            pass
    assert len([p for p in caught.value.problems if p.severity == "error"]) >= 2
    assert "concertmaster check" in caught.value.hint


# Documents

KNOWLEDGE = "knowledge: {paths: [knowledge], default_owner: ops}\n"


@pytest.fixture
def knowing(workspace):
    (workspace / "knowledge").mkdir()
    path = workspace / "workflow.yaml"
    path.write_text(path.read_text() + KNOWLEDGE)
    (workspace / "knowledge" / "good.md").write_text(
        "---\ntitle: Good\n---\nReturns take a week.\n"
    )
    return workspace


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.md", b""),
        ("blank.md", b"---\ntitle: Blank\n---\n\n  \n"),
        ("latin.md", "---\ntitle: Caf\xe9\n---\nDer Preis betr\xe4gt f\xfcnf.\n".encode("latin-1")),
        ("front.md", b"---\ntitle: [broken\n---\nText is here.\n"),
        ("binary.md", bytes(range(256)) * 40),
    ],
)
async def test_bad_document_is_skipped_with_its_reason_and_the_rest_is_there(
    knowing, home, name, content
):
    (knowing / "knowledge" / name).write_bytes(content)
    async with cm.open(knowing, home=home, draft=True) as desk:
        found = await desk.services.knowledge.retrieve(
            "How long do returns take?", desk.people.admit("ana")
        )
        assert [e.title for e in found.evidence][:1] == ["Good"]
        ingested = [e for e in await desk.events() if e.type == "knowledge.ingested"]
        assert name in str(ingested[-1].data)
        await desk.ingest([])
        with pytest.raises(KnowledgeError, match="does not exist"):
            await desk.ingest(["/nowhere/at/all"])
