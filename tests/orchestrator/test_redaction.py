"""What must not be kept is nowhere: no file, no event, nothing that others are told."""

import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import concertmaster as cm
from concertmaster.agents.exchange import exchange
from concertmaster.cli.app import app
from concertmaster.contracts import Confidentiality, Label
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ApprovalError
from concertmaster.graphs.readiness import check
from concertmaster.models.registry import Models
from concertmaster.models.spec import ModelSpec
from concertmaster.policies.redaction import Redaction
from concertmaster.testing import ScriptedModel, openai_server
from concertmaster.testing.script import Call

INTERNAL = Label(confidentiality=Confidentiality.internal, sources=("test",))
CARD = "4929 1234 5678 9015"
KEY = "sk-proj-Zk3mQ8vXw2LpT9rYb6Nc"
PASSWORD = "Gr4nit-Wolke"
EMAIL = "canary.person@mail.example"
IBAN = "NL91 ABNA 0417 1643 00"
PHONE = "+31 77 555 01 99"
CANARIES = (
    f"My card is {CARD}, the API key {KEY} and my password is {PASSWORD}; write to {EMAIL},"
    f" pay to {IBAN}, call {PHONE}."
)
GONE = (CARD, CARD.replace(" ", ""), "5678 9015", KEY, KEY[8:], PASSWORD)
PERSONAL = (EMAIL, "canary.person", IBAN, "0417 1643", PHONE, "555 01 99")
SUPPORT = Path(__file__).resolve().parents[2] / "examples" / "support_desk"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def holding(folder: Path, texts) -> list[tuple[str, str]]:
    """Return the files that hold any of the texts, in UTF-8 or UTF-16, with the text."""
    return [
        (name, text)
        for name, content in files_of(folder).items()
        for text in texts
        if text.encode() in content or text.encode("utf-16-le") in content
    ]


def test_search_for_canaries_finds_them(tmp_path):
    (tmp_path / "a").write_text(CANARIES)
    assert {text for _, text in holding(tmp_path, [CARD, KEY, PASSWORD, *PERSONAL])} == {
        CARD, KEY, PASSWORD, *PERSONAL,
    }  # fmt: skip


async def test_nothing_of_a_message_that_must_go_is_left_anywhere(tmp_path, caplog):
    home, told = tmp_path / "home", []
    caplog.set_level(logging.DEBUG, logger="concertmaster")
    async with cm.open(SUPPORT, home=home) as desk:
        events = desk.stream(f"I was charged twice for order 1042. {CANARIES}", principal="ana",
                             thread="t")  # fmt: skip
        told += [event.model_dump_json() async for event in events]
        waiting = (await desk.history("t"))[0]
        assert waiting.pending
        queued = await desk.run(f"And for order 1058? {CANARIES}", principal="ana", thread="t")
        assert queued.status == "queued"
        # While the processes run, the write-ahead log holds what the file does not yet.
        assert holding(home, GONE) == []
        decided = await desk.decide(
            waiting.pending[0].id, cm.Approve(reason=f"seen. {CANARIES}"), principal="li"
        )
        cancelled = await desk.run(f"charged twice for order 1042 {CANARIES}", principal="ana")
        if cancelled.pending:
            await desk.cancel(cancelled.id, principal="ana", why=CANARIES)
        found = await desk.run(f"Find {EMAIL}. {CANARIES}", principal="sam", thread="s")
        whole = [*await desk.history("t"), *await desk.history("s"), waiting, decided, cancelled]
        trail = [e.model_dump_json() for e in await desk.events()]
        told += [run._repr_html_() for run in whole] + [repr(run) for run in whole]
        told += [a._repr_html_() for a in await desk.approvals(status=None)]
        told += [a.model_dump_json() for a in await desk.approvals(status=None)]
    assert len(trail) > 20
    assert found.text.startswith(f"Find {EMAIL}")
    assert EMAIL in waiting.text
    assert IBAN in waiting.text
    assert PHONE in waiting.text
    assert holding(home, GONE) == []
    every = "\n".join([*told, *trail, caplog.text])
    assert [text for text in GONE if text in every] == []
    assert [text for text in PERSONAL if text in "\n".join([*trail, caplog.text])] == []
    kinds = [json.loads(t)["data"]["kinds"] for t in trail if '"value.redacted"' in t]
    assert {"card": 1, "secret": 2} in kinds
    exported = await export("t", home)
    assert len(exported.splitlines()) > 10
    assert [text for text in (*GONE, *PERSONAL) if text in exported] == []
    stored = await export("t", home, "--as-stored")
    assert EMAIL in stored
    assert [text for text in GONE if text in stored] == []


async def export(thread: str, home: Path, *more: str) -> str:
    arguments = ["threads", "export", thread, "--home", str(home), *more]
    return (await asyncio.to_thread(CliRunner().invoke, app, arguments)).stdout


async def test_message_to_the_bare_graph_is_redacted_at_intake(desk, home):
    config = {"configurable": {"thread_id": "bare"}}
    state = await desk.graph.ainvoke({"message": f"order 1042 {CANARIES}"}, config)
    assert "[card]" in state["turn"]["request"]["text"]
    assert [text for text in GONE if text in json.dumps(state)] == []
    found = [e for e in await desk.events() if e.type == "value.redacted"]
    assert found == []  # Not flushed: nobody hosts this run.
    await desk.services.trail.flush()
    found = [e for e in await desk.events() if e.type == "value.redacted"]
    assert [e.data["kinds"] for e in found] == [{"card": 1, "secret": 2}]


async def test_what_a_tool_returns_is_stored_without_cards_and_secrets(workspace, home):
    tools = workspace / "tools.py"
    leak = json.dumps({"note": f"paid with {CARD}", "api_key": PASSWORD, "contact": EMAIL})
    text = tools.read_text().replace("-> dict[str, int]:", "-> dict:")
    text = text.replace('"total_cents": 12000}', f'"total_cents": 12000, **{leak}}}')
    tools.write_text(text.replace("the bank is closed", f"the bank is closed to {CARD}, {EMAIL}"))
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042", principal="ana", thread="t")
        failed = await desk.run("refund 20 euros for order 503", principal="ana", thread="u")
        events = [e.model_dump_json() for e in await desk.events()]
    assert run.turn.outputs()["order"]["note"] == "paid with [card]"
    assert run.turn.outputs()["order"]["api_key"] == "[secret]"
    assert run.turn.outputs()["order"]["contact"] == EMAIL
    assert f"closed to [card], {EMAIL}" in failed.outcome.cause
    assert holding(home, (CARD, PASSWORD)) == []
    assert EMAIL not in "".join(events)
    assert '"kinds":{"card":1,"secret":1}' in "".join(events)


async def test_answers_of_reviewers_are_redacted_and_edits_refused(desk):
    run = await desk.run("refund order 1042", principal="ana")
    edit = {"order_id": 1042, "amount_cents": 100, "note": CARD}
    for answer in (cm.Edit(arguments=edit), {"kind": "edit", "arguments": edit}):
        with pytest.raises(ApprovalError, match="1 × card") as refused:
            await desk.decide(run.pending[0].id, answer, principal="li")
        assert CARD not in str(refused.value)
    decided = await desk.decide(
        run.pending[0].id, cm.Respond(text=f"Use another card than {CARD}."), principal="li"
    )
    assert "another card than [card]." in decided.outcome.text


def asked(models: Models, need="plan"):
    return models.choose(ModelNeed(need=need))


async def test_model_elsewhere_reads_marks_and_its_calls_get_the_values():
    model = ScriptedModel(
        [Call("mail", {"to": "[email-1]", "text": "your IBAN [iban-1], [card-1]"})]
    )
    models = Models.of(model)
    services = SimpleNamespace(models=models, redaction=Redaction())
    prompt = [{"role": "user", "content": f"mail {EMAIL} about {IBAN}"}]
    tool = {
        "type": "function",
        "function": {"name": "mail", "parameters": {"type": "object", "properties": {}}},
    }
    reply, hidden = await exchange(
        services, asked(models), prompt, label=INTERNAL, tools=[tool], seconds=5
    )
    assert "[email-1] about [iban-1]" in model.prompts[0].text
    assert EMAIL not in model.prompts[0].text
    assert reply.tool_calls[0].arguments == {"to": EMAIL, "text": f"your IBAN {IBAN}, [card-1]"}
    assert [(f.kind, f.count) for f in hidden] == [("email", 1), ("iban", 1)]


async def test_model_that_is_cleared_reads_everything():
    model = ScriptedModel("noted")
    spec = ModelSpec(name="m", provider="p", tier="best", clearance=Confidentiality.restricted)
    services = SimpleNamespace(models=Models.of((spec, model)), redaction=Redaction())
    prompt = [{"role": "user", "content": f"mail {EMAIL}"}]
    reply, hidden = await exchange(
        services, asked(services.models), prompt, label=INTERNAL, seconds=5
    )
    assert EMAIL in model.prompts[0].text
    assert (reply.text, hidden) == ("noted", ())


async def test_model_on_this_machine_reads_everything():
    with openai_server("noted") as server:
        models = Models.of(server.url)
        services = SimpleNamespace(models=models, redaction=Redaction())
        prompt = [{"role": "user", "content": f"mail {EMAIL}"}]
        await exchange(services, asked(models), prompt, label=INTERNAL, seconds=5)
        await models.aclose()
        assert EMAIL in server.requests[-1].text


async def test_card_that_a_model_makes_up_is_not_kept():
    models = Models.of(ScriptedModel(f"Use {CARD} instead."))
    services = SimpleNamespace(models=models, redaction=Redaction())
    reply, _ = await exchange(
        services, asked(models), [{"role": "user", "content": "x"}], label=INTERNAL, seconds=5
    )
    assert reply.text == "Use [card] instead."


def test_bad_patterns_are_found_with_file_and_line(workspace):
    file = workspace / "workflow.yaml"
    section = (
        "redaction:\n  keep: [email, mobile]\n  regions: [ZZ]\n"
        "  patterns:\n    customer: 'C-\\d{8}'\n    slow: '(a+)+'\n    card: 'x'\n"
    )
    text = file.read_text()
    file.write_text(text + section)
    start = len(text.splitlines())
    found = {(p.code, p.line - start) for p in check(workspace) if "redaction" in p.message}
    assert found == {
        ("unknown-kind", 2),
        ("redaction-region", 3),
        ("redaction-pattern", 6),
        ("redaction-pattern", 7),
    }


def test_secrets_cannot_be_kept(workspace):
    file = workspace / "workflow.yaml"
    file.write_text(file.read_text() + "redaction: {keep: [secret]}\n")
    assert [p.message for p in check(workspace) if "never kept" in p.message]


async def test_own_patterns_are_taken_out_of_the_message(workspace, home):
    file = workspace / "workflow.yaml"
    file.write_text(file.read_text() + "redaction:\n  patterns: {customer: 'C-\\d{8}'}\n")
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 20 euros for order 1042, I am C-00001042", principal="ana")
    assert run.text == "refund 20 euros for order 1042, I am [customer]"
    assert run.status == "answered"
    assert holding(home, ["C-00001042"]) == []


@pytest.fixture
def traces():
    """Return the address of a tracing service, and what it was sent."""
    sent: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append(self.rfile.read(int(self.headers.get("content-length") or 0)))
            self._ok()

        def do_GET(self):
            self._ok()

        do_PATCH = do_POST  # noqa: N815

        def _ok(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", sent
    server.shutdown()
    server.server_close()


async def test_traces_hold_no_personal_data(workspace, home, traces, monkeypatch):
    from langsmith import utils

    address, sent = traces
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.delenv("LANGCHAIN_TRACING_V2")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", address)
    monkeypatch.setenv("LANGSMITH_API_KEY", "none")
    monkeypatch.setenv("LANGSMITH_DISABLE_RUN_COMPRESSION", "true")
    utils.get_env_var.cache_clear()
    try:
        async with cm.open(workspace, home=home) as desk:
            await desk.run(f"refund 20 euros for order 1042, {CANARIES}", principal="ana")
            await desk.run(f"refund order 1042. {CANARIES}", principal="ana")
            desk._segments.traces.flush()
    finally:
        monkeypatch.undo()
        utils.get_env_var.cache_clear()
    everything = b"".join(sent).decode("utf-8", "replace")
    assert "refund 20 euros for order 1042" in everything
    assert "[email]" in everything
    assert [text for text in (*GONE, *PERSONAL) if text in everything] == []
