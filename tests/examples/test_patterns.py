"""The sample workspaces, end to end: conversations end as written, effects happen once."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import yaml

import concertmaster as cm
from concertmaster.contracts import Confidentiality
from concertmaster.errors import ApprovalForbidden, ApprovalStale
from concertmaster.models.spec import ModelSpec
from concertmaster.testing import ScriptedModel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORKSPACES = (
    "bank_desk",
    "knowledge_assistant",
    "loan_application",
    "software_delivery",
    "support_desk",
)
ANSWERS = {"approve": cm.Approve, "reject": cm.Reject, "edit": cm.Edit, "respond": cm.Respond}

# How many rows each conversation adds to, or changes in, the tables of its workspace's own books.
# One that is not named here leaves them as they were.
BOOKS: dict[str, dict[str, dict[str, int]]] = {
    "bank_desk": {},
    "knowledge_assistant": {
        "ticket": {"tickets": 1},
        "ticket_place": {"tickets": 1},
        "urgent": {"tickets": 1},
    },
    "loan_application": {
        "small_loan": {"applications": 1, "decisions": 1, "loans": 1},
        "large_loan": {"applications": 1, "decisions": 1, "loans": 1},
        "large_loan_rejected": {"applications": 1, "decisions": 1},
        "referred_loan": {"applications": 1, "decisions": 1, "loans": 1},
        "declined": {"applications": 1, "decisions": 1},
        "expired_identity": {"applications": 1},
        "unknown_identity": {"applications": 1},
        "missing_amount": {"applications": 1, "decisions": 1, "loans": 1},
        "skip_the_assessor": {"applications": 1, "decisions": 1},
        "cut_in_two": {"applications": 2, "decisions": 2, "loans": 1},
    },
    "software_delivery": {
        "low_risk": {"test_plans": 1, "merges": 1, "tickets": 1},
        "payments_approved": {"test_plans": 1, "merges": 1, "tickets": 1},
        "auth_rejected": {"test_plans": 1},
        "migration": {"test_plans": 1, "merges": 1, "tickets": 1},
        "two_owners": {"test_plans": 1},
        "no_tests": {"test_plans": 1},
        "own_approval": {"test_plans": 1, "merges": 1, "tickets": 1},
        "which_ticket": {"test_plans": 1, "merges": 1, "tickets": 1},
    },
}

OWNERS = {
    ("bank_desk", "out_of_scope"): "front-desk",
    ("bank_desk", "no_documents"): "accounts-team",
    ("knowledge_assistant", "restricted_pay"): "people-team",
    ("knowledge_assistant", "restricted_forecast"): "finance-team",
    ("knowledge_assistant", "no_source"): "people-team",
    ("knowledge_assistant", "out_of_scope"): "internal-services",
    ("loan_application", "expired_identity"): "compliance",
    ("loan_application", "unknown_identity"): "compliance",
    ("loan_application", "out_of_scope"): "front-desk",
    ("software_delivery", "out_of_scope"): "release-management",
}


def conversations(name: str) -> list[dict[str, Any]]:
    file = EXAMPLES / name / "conversations.yaml"
    if not file.is_file():
        return []
    read = yaml.safe_load(file.read_text())
    return read["conversations"] if isinstance(read, dict) else read


EVERY = [
    pytest.param(name, talk, id=f"{name}-{talk['id']}")
    for name in WORKSPACES
    for talk in conversations(name)
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a maker of fresh homes; each workspace's classifier and index are made only once."""
    folder = tmp_path_factory.mktemp("trained")

    def fresh(name: str) -> Path:
        if not (folder / name).exists():
            with cm.open_sync(EXAMPLES / name, home=folder / name):
                pass
        home = tmp_path_factory.mktemp(name) / "home"
        shutil.copytree(folder / name, home)
        return home

    return fresh


@pytest.fixture
def opened(trained):
    """Return an opener of sample workspaces in a fresh home."""

    @asynccontextmanager
    async def opening(name: str, **options: Any):
        async with cm.open(EXAMPLES / name, home=trained(name), **options) as desk:
            yield desk

    return opening


def reviews(message: dict[str, Any]) -> list[dict[str, Any]]:
    given = message.get("reviewer") or message.get("review") or []
    return given if isinstance(given, list) else [given]


def answer_of(review: dict[str, Any], approval: cm.Approval) -> Any:
    """Return the answer; the arguments of an edit are those that it changes."""
    given = review["answer"]
    told = {**review, **given} if isinstance(given, dict) else dict(review)
    kind = told["kind"] if isinstance(given, dict) else given
    if "arguments" in told:
        told["arguments"] = {**approval.action.arguments, **told["arguments"]}
    return ANSWERS[kind](**{k: v for k, v in told.items() if k in ("reason", "arguments", "text")})


async def play(desk: cm.Desk, talk: dict[str, Any]) -> list[tuple[str, str | None, cm.Run]]:
    """Return what came of each message and review: the status, the one expected, the run."""
    told = []
    for message in talk["messages"]:
        run = await desk.run(message["text"], principal=talk["principal"], thread=talk["id"])
        told.append((run.status, message.get("expect"), run))
        for review in reviews(message):
            assert run.pending, f"{talk['id']}: nothing waits for {review}"
            who = review.get("as") or review["by"]
            run = await desk.decide(
                run.pending[0].id, answer_of(review, run.pending[0]), principal=who
            )
            told.append((run.status, review.get("expect"), run))
        if "cites" in message:
            cited = {Path(c.document).stem for c in run.outcome.citations}
            assert cited >= set(message["cites"])
            assert bool(cited) == bool(message["cites"])
        if "effects" in message:
            effects = await desk.services.carrier.ledger.effects(run.id)
            assert [e.tool for e in effects if e.status == "done"] == message["effects"]
    return told


def rows(home: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return everything that stands in the workspace's own databases, by table."""
    found: dict[str, Counter[tuple[Any, ...]]] = {}
    for file in sorted((home / "data").glob("*.sqlite3")):
        with closing(sqlite3.connect(file)) as books:
            tables = books.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                found[table] = Counter(books.execute(f'SELECT * FROM "{table}"').fetchall())
    return found


def added(before: dict[str, Counter[Any]], after: dict[str, Counter[Any]]) -> dict[str, int]:
    changed = {table: (after[table] - before[table]).total() for table in after}
    return {table: count for table, count in changed.items() if count}


def table(home: Path, name: str) -> list[dict[str, Any]]:
    for file in (home / "data").glob("*.sqlite3"):
        with closing(sqlite3.connect(file)) as books:
            books.row_factory = sqlite3.Row
            if books.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone():
                return [dict(row) for row in books.execute(f'SELECT * FROM "{name}"')]
    raise AssertionError(f"no database holds {name}")


@pytest.mark.parametrize(("name", "talk"), EVERY)
async def test_conversation_ends_as_written_and_leaves_what_it_should(opened, name, talk):
    async with opened(name) as desk:
        before = rows(desk.home.path)
        told = await play(desk, talk)
        assert [status for status, _, _ in told] == [expected or s for s, expected, _ in told]
        if name in BOOKS:
            assert added(before, rows(desk.home.path)) == BOOKS[name].get(talk["id"], {})
        for _, _, run in told:
            await each_effect_is_in_the_ledger_once(desk, run)
            if run.status == "escalated":
                assert run.outcome.owner in desk.services.spec.workflow.owners
        owner = OWNERS.get((name, talk["id"]))
        assert owner is None or owner == told[-1][2].outcome.owner


async def each_effect_is_in_the_ledger_once(desk: cm.Desk, run: cm.Run) -> None:
    effects = await desk.services.carrier.ledger.effects(run.id)
    events = Counter(
        e.data["position"] for e in await desk.events(run=run.id) if e.type == "effect.done"
    )
    done = [e.position for e in effects if e.status == "done"]
    assert events == Counter(done)
    assert all(e.status in ("done", "failed") for e in effects)


def test_every_sample_has_conversations_for_each_way_to_end():
    for name in WORKSPACES:
        ends = {m["expect"] for talk in conversations(name) for m in talk["messages"]}
        if name != "bank_desk" and ends:
            assert {"answered", "escalated", "awaiting_review"} <= ends, name


# Loan application: sequential


async def test_small_loan_stands_in_the_books_once_with_its_figures(opened):
    async with opened("loan_application") as desk:
        text = "I want to borrow 18,000 EUR over 48 months. I earn 3,200 EUR a month."
        run = await desk.run(text, principal="mia")
        (application,) = table(desk.home.path, "applications")
        (loan,) = table(desk.home.path, "loans")
        keys = {e.tool: e.key for e in await desk.services.carrier.ledger.effects(run.id)}
    assert (application["applicant"], application["amount_cents"]) == ("mia", 1_800_000)
    assert (loan["amount_cents"], loan["term_months"]) == (1_800_000, 48)
    assert loan["idempotency_key"] == keys["book_loan"]
    assert application["idempotency_key"] == keys["save_application"]
    assert f"L-{5000 + loan['number']}" in run.outcome.text


async def test_large_loan_is_booked_only_once_a_senior_assessor_approved_it(trained):
    home = trained("loan_application")
    workspace = EXAMPLES / "loan_application"
    text = "I would like a loan of 80,000 EUR over 84 months, my income is 6,500 EUR a month."
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(text, principal="omar", thread="t")
        assert run.status == "awaiting_review"
        assert [n.role for n in run.pending[0].needs] == ["senior-assessor"]
        assert table(home, "loans") == []
        for nobody in ("omar", "mia", "karl", "lena"):
            with pytest.raises(ApprovalForbidden):
                await desk.decide(run.pending[0].id, cm.Approve(), principal=nobody)
    async with cm.open(workspace, home=home) as desk:
        assert table(home, "loans") == []
        done = await desk.decide(run.pending[0].id, cm.Approve(reason="fine"), principal="ines")
        with pytest.raises(ApprovalStale):
            await desk.decide(run.pending[0].id, cm.Approve(), principal="ines")
        assert done.status == "answered"
        assert [loan["amount_cents"] for loan in table(home, "loans")] == [8_000_000]


async def test_rejected_loan_keeps_its_decision_and_is_never_booked(opened):
    async with opened("loan_application") as desk:
        text = "Please lend me 60,000 EUR over 72 months, I earn 5,400 EUR a month."
        run = await desk.run(text, principal="rosa", thread="t")
        reject = cm.Reject(reason="the purpose is not documented")
        done = await desk.decide(run.pending[0].id, reject, principal="ines")
        assert done.status == "refused"
        assert "the purpose is not documented" in done.outcome.text
        assert [d["outcome"] for d in table(desk.home.path, "decisions")] == ["approve"]
        later = await desk.run("Has my loan been approved yet?", principal="rosa", thread="t")
        assert later.status == "answered"
        assert table(desk.home.path, "loans") == []


async def test_edit_cannot_book_somebody_elses_loan(opened):
    async with opened("loan_application") as desk:
        first = "I want to borrow 9,000 EUR over 36 months. I earn 3,200 EUR a month."
        await desk.run(first, principal="mia")
        text = "Please lend me 60,000 EUR over 72 months, I earn 5,400 EUR a month."
        run = await desk.run(text, principal="rosa")
        mine = run.pending[0].action.arguments["application"]
        other = next(
            f"LA-{1000 + a['number']}"
            for a in table(desk.home.path, "applications")
            if a["applicant"] == "mia"
        )
        assert mine != other
        edit = cm.Edit(arguments={"application": other})
        done = await desk.decide(run.pending[0].id, edit, principal="ines")
        assert done.status == "refused"
        assert [loan["amount_cents"] for loan in table(desk.home.path, "loans")] == [900_000]


# Software delivery: human approval gate


async def test_owner_of_the_code_does_not_approve_the_own_change(opened):
    async with opened("software_delivery") as desk:
        run = await desk.run("Please merge SD-106", principal="pavel")
        with pytest.raises(ApprovalForbidden):
            await desk.decide(run.pending[0].id, cm.Approve(), principal="pavel")
        assert table(desk.home.path, "merges") == []
        done = await desk.decide(run.pending[0].id, cm.Approve(), principal="petra")
        assert done.status == "answered"
        (merge,) = table(desk.home.path, "merges")
        assert (merge["ticket"], merge["requested_by"]) == ("SD-106", "pavel")


async def test_change_of_two_areas_is_merged_when_both_owners_agreed(opened):
    async with opened("software_delivery") as desk:
        run = await desk.run("Merge the change of ticket SD-107 now", principal="dana")
        assert {n.role for n in run.pending[0].needs} == {"payments-owner", "security-owner"}
        half = await desk.decide(run.pending[0].id, cm.Approve(), principal="petra")
        assert (half.status, table(desk.home.path, "merges")) == ("awaiting_review", [])
        done = await desk.decide(half.pending[0].id, cm.Approve(), principal="sofia")
        assert done.status == "answered"
        assert [m["ticket"] for m in table(desk.home.path, "merges")] == ["SD-107"]


async def test_change_that_was_merged_is_not_merged_again(opened):
    async with opened("software_delivery") as desk:
        first = await desk.run("Please merge SD-101", principal="dana", thread="t")
        again = await desk.run("Please merge SD-101", principal="dana", thread="t")
        assert (first.status, again.status) == ("answered", "refused")
        assert [m["ticket"] for m in table(desk.home.path, "merges")] == ["SD-101"]


async def test_guest_reads_nothing_and_merges_nothing(opened):
    async with opened("software_delivery") as desk:
        run = await desk.run("Please merge SD-101", principal="gus")
        assert run.status == "refused"
        assert table(desk.home.path, "merges") == table(desk.home.path, "test_plans") == []


# Knowledge assistant: router


async def test_answer_cites_the_document_that_it_rests_on(opened):
    async with opened("knowledge_assistant") as desk:
        run = await desk.run("How many days of holiday do I get?", principal="ana")
    assert "28 days" in run.outcome.text
    assert {c.title for c in run.outcome.citations} == {"Holidays and time off"}
    cited = {e.number for e in run.evidence}
    assert {c.number for c in run.outcome.citations} <= cited


async def test_urgent_ticket_is_opened_once_and_only_when_approved(opened):
    async with opened("knowledge_assistant") as desk:
        text = "Water is leaking from the ceiling in room 2.20, this is urgent"
        run = await desk.run(text, principal="ana")
        assert table(desk.home.path, "tickets") == []
        await desk.decide(run.pending[0].id, cm.Approve(), principal="fay")
        (ticket,) = table(desk.home.path, "tickets")
        assert (ticket["opened_by"], ticket["priority"]) == ("ana", "high")


RESTRICTED = {
    "hr/salary_reviews.md": ("ana", "What are the salary bands for engineers?"),
    "finance/quarter_forecast.md": ("ana", "What is the revenue forecast for this quarter?"),
    "legal/open_disputes.md": ("ana", "Which legal disputes are open, and over how much money?"),
    "it/emergency_access.md": ("ana", "How do I get emergency access to the servers?"),
}

MIXED = ("ana", "How many days of paid holiday do engineers in salary band P3 get?")


def secrets_of(path: Path) -> list[str]:
    """Return the sentences of a document's body: none of them may be seen by the wrong reader."""
    body = path.read_text().split("---", 2)[2].split("\n\n", 1)[1]
    sentences = " ".join(body.split()).split(". ")
    return [s.strip(" .") for s in sentences if len(s) > 20]


def stored(home: Path) -> str:
    """Return all that a home holds but the index itself: files as they are, and database cells."""
    parts = []
    for file in sorted(home.rglob("*")):
        inside = file.relative_to(home).parts[0]
        if not file.is_file() or inside in ("index", "intents"):
            continue
        parts.append(file.read_bytes().decode("utf-8", "replace"))
        if file.suffix == ".sqlite3":
            parts += _cells(file)
    return " ".join(" ".join(parts).split())


def _cells(file: Path) -> list[str]:
    cells = []
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            for row in database.execute(f'SELECT * FROM "{name}"'):
                for cell in row:
                    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell
                    cells.append(str(text).replace("\\n", " "))
    return cells


def cleared(model: ScriptedModel) -> tuple[ModelSpec, ScriptedModel]:
    """Return a model that may see everything, so that only access to documents holds text back."""
    spec = ModelSpec(
        name="cleared", provider="program", tier="best", clearance=Confidentiality.restricted
    )
    return spec, model


async def test_restricted_documents_are_seen_nowhere_by_who_may_not_read_them(trained):
    home = trained("knowledge_assistant")
    folder = EXAMPLES / "knowledge_assistant"
    secrets = [s for name in RESTRICTED for s in secrets_of(folder / "knowledge" / name)]
    assert len(secrets) > 8
    model = ScriptedModel(otherwise="I do not know.")
    shown = []
    for given in (None, cleared(model)):
        async with cm.open(folder, home=home, model=given) as desk:
            for who, text in (*RESTRICTED.values(), MIXED):
                run = await desk.run(text, principal=who)
                follow_up = await desk.run("Tell me all of it", principal=who, thread=run.thread)
                shown += [repr(run), repr(follow_up), run._repr_html_(), follow_up._repr_html_()]
                async for event in desk.stream(text, principal=who):
                    shown.append(event.model_dump_json())
            shown += [event.model_dump_json() for event in await desk.events()]
    assert model.prompts
    prompts = " ".join(" ".join(p.text.split()) for p in model.prompts)
    told, kept = " ".join(" ".join(shown).split()), stored(home)
    for secret in secrets:
        assert secret not in told
        assert secret not in prompts
        assert secret not in kept
    assert "Emergency access to servers" not in kept


async def test_the_same_search_finds_what_its_readers_may_see(trained):
    """The canaries of the test above can be found where they may be: it is no empty search."""
    home = trained("knowledge_assistant")
    folder = EXAMPLES / "knowledge_assistant"
    async with cm.open(folder, home=home) as desk:
        run = await desk.run("What are the salary bands for engineers?", principal="pia")
        assert run.status == "answered"
        events = " ".join(e.model_dump_json() for e in await desk.events())
    secrets = secrets_of(folder / "knowledge" / "hr" / "salary_reviews.md")
    assert any(secret in stored(home) for secret in secrets)
    # Not even then does the trail repeat what documents say.
    assert not any(secret in events for secret in secrets)


async def test_thread_forgets_an_answer_whose_document_is_no_longer_the_readers(trained):
    home = trained("knowledge_assistant")
    folder = EXAMPLES / "knowledge_assistant"
    model = ScriptedModel(otherwise="Salary bands run from band P1 [1].")
    question = "What are the salary bands for engineers?"
    pia = cm.Principal(id="pia", roles=("employee",), groups=("people",))
    async with cm.open(folder, home=home, model=cleared(model)) as desk:
        before = await desk.run(question, principal=pia, thread="t")
        assert "P1" in before.outcome.text
    moved = pia.model_copy(update={"groups": ()})
    later = ScriptedModel(otherwise="I cannot tell.")
    async with cm.open(folder, home=home, model=cleared(later)) as desk:
        await desk.run("How many days of holiday do I get?", principal=moved, thread="t")
    assert later.prompts
    assert "P1" not in " ".join(p.text for p in later.prompts)


# Bank desk: documents from outside

BANK = [
    (
        "fee",
        "Debit card fees",
        "The Green debit card costs nothing a year. Cash abroad costs 1.5%.",
    ),
    (
        "limit",
        "Daily limits of debit cards",
        "The daily spending limit on a debit card is 2,000 EUR. You can change it in the app.",
    ),
    (
        "hold",
        "Internal: Releasing a blocked debit card",
        "A blocked debit card is released with the code word heliotrope-77. Never tell customers.",
    ),
]


@pytest.fixture
def documents(tmp_path):
    file = tmp_path / "documents.jsonl"
    lines = [json.dumps({"id": i, "title": t, "content": c}) for i, t, c in BANK]
    file.write_text("\n".join(lines) + "\n")
    return file


async def test_customer_gets_a_cited_answer_from_ingested_documents(opened, documents):
    async with opened("bank_desk") as desk:
        report = await desk.ingest([documents])
        assert (report.added, report.skipped) == (3, ())
        text = "What is the daily spending limit on my debit card?"
        run = await desk.run(text, principal="customer")
    assert run.status == "answered"
    assert "2,000 EUR" in run.outcome.text
    assert run.outcome.citations[0].title == "Daily limits of debit cards"


BLOCKED = "How do I release a blocked debit card with the code word?"


async def test_internal_document_is_for_staff(opened, documents):
    async with opened("bank_desk") as desk:
        await desk.ingest([documents])
        run = await desk.run(BLOCKED, principal="staff")
    assert run.status == "answered"
    assert "heliotrope-77" in run.outcome.text


async def test_customer_sees_nothing_of_an_internal_document(trained, documents):
    home = trained("bank_desk")
    async with cm.open(EXAMPLES / "bank_desk", home=home) as desk:
        await desk.ingest([documents])
        run = await desk.run(BLOCKED, principal="customer", thread="t")
        assert run.status in ("answered", "escalated")
        again = await desk.run("Tell me the code word", principal="customer", thread="t")
        events = [e.model_dump_json() for e in await desk.events()]
    for text in (run.outcome.text, again.outcome.text, *events, stored(home)):
        assert "heliotrope" not in text
        assert "Internal: Releasing" not in text


async def test_documents_that_went_away_answer_nothing_any_more(trained, documents):
    home = trained("bank_desk")
    question = "What is the daily spending limit on my debit card?"
    async with cm.open(EXAMPLES / "bank_desk", home=home) as desk:
        await desk.ingest([documents])
        assert (await desk.run(question, principal="customer")).status == "answered"
    documents.write_text(documents.read_text().splitlines()[0] + "\n")
    async with cm.open(EXAMPLES / "bank_desk", home=home) as desk:
        run = await desk.run(question, principal="customer")
        assert "2,000" not in run.outcome.text
