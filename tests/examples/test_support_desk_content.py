"""The sample support desk as files: complete, consistent, and what they promise."""

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from concertmaster.agents.slots import fill
from concertmaster.contracts.spec import IntentsFile, PlaybooksFile, PrincipalsFile, WorkflowSpec
from concertmaster.graphs.readiness import check
from concertmaster.graphs.view import PLAYBOOK_FIELDS, RULE_FIELDS
from concertmaster.graphs.workspace import Workspace
from concertmaster.policies.conditions import Condition, Expression, Template
from concertmaster.retrieval.loading import load
from concertmaster.tools.loading import import_module_of
from concertmaster.tools.toolbox import Toolbox

DESK = Path(__file__).resolve().parents[2] / "examples" / "support_desk"


def read(name, model):
    return model.model_validate(yaml.safe_load((DESK / name).read_text("utf-8")))


@pytest.fixture(scope="module")
def workflow():
    return read("workflow.yaml", WorkflowSpec)


@pytest.fixture(scope="module")
def intents():
    return read("intents.yaml", IntentsFile)


@pytest.fixture(scope="module")
def playbooks():
    return {p.name: p for p in read("playbooks.yaml", PlaybooksFile).playbooks}


@pytest.fixture(scope="module")
def people():
    return {p.id: p for p in read("principals.yaml", PrincipalsFile).principals}


@pytest.fixture(scope="module")
def toolbox():
    return Toolbox.load(DESK)


@pytest.fixture(scope="module")
def documents(workflow):
    found, skipped = load([DESK / "knowledge"], workflow.knowledge)
    assert skipped == []
    return found


@pytest.fixture(scope="module")
def conversations():
    return yaml.safe_load((DESK / "conversations.yaml").read_text("utf-8"))["conversations"]


def test_workspace_is_ready():
    assert [str(p) for p in check(Workspace.load(DESK)) if p.severity == "error"] == []


def test_steps_say_everything_the_gate_asks_for(workflow):
    for step in workflow.steps:
        said = step.model_dump(exclude={"playbook", "context", "predictor"})
        assert [name for name, value in said.items() if value in (None, "")] == [], step.id
    assert [s.agent for s in workflow.steps] == [
        "intent_classifier",
        "retriever",
        "executor",
        "responder",
        "critic",
    ]


def test_every_owner_is_declared_and_somebody_has_the_role(workflow, intents, documents, people):
    owners = {s.owner for s in workflow.steps} | {i.owner for i in intents.intents}
    owners |= {d.owner for d in documents} | {workflow.owner, workflow.knowledge.default_owner}
    owners |= {r.owner for r in workflow.routes if r.owner and "." not in r.owner}
    assert owners <= set(workflow.owners)
    roles = {role for p in people.values() for role in p.roles}
    assert {o.role for o in workflow.owners.values()} <= roles


def test_everything_referred_to_exists(workflow, intents, playbooks, toolbox):
    executor = workflow.step("executor")
    called = {c.tool for p in playbooks.values() for c in p.calls if c.tool}
    assert called <= set(executor.tools)
    assert set(executor.tools) == set(toolbox.names)
    assert (DESK / executor.permission).is_file()
    assert {i.playbook for i in intents.intents if i.playbook} == set(playbooks)
    steps = {s.id for s in workflow.steps} | {"finish", "escalate", "refuse"}
    assert {r.to for r in workflow.routes} <= steps


def test_intents_are_many_and_their_utterances_unlike(intents):
    assert len(intents.intents) >= 12
    assert min(len(i.utterances) for i in intents.intents) >= 15
    assert len(intents.out_of_scope) >= 40
    said = [u for i in intents.intents for u in i.utterances] + list(intents.out_of_scope)
    alike = Counter(" ".join(re.findall(r"\w+", u.lower())) for u in said)
    assert [u for u, count in alike.items() if count > 1] == []


def test_every_intent_is_answered_by_one_way(intents):
    for intent in intents.intents:
        ways = [intent.needs_evidence, intent.playbook is not None, intent.name == "human_help"]
        assert sum(ways) == 1, intent.name


def test_expressions_of_playbooks_and_rules_compile(workflow, playbooks):
    for playbook in playbooks.values():
        for call in playbook.calls:
            if call.when:
                Condition.compile(call.when, PLAYBOOK_FIELDS)
            Template.compile(call.stop or "", PLAYBOOK_FIELDS)
            for value in call.arguments.values():
                if isinstance(value, str) and value.startswith("="):
                    Expression.compile(value[1:], PLAYBOOK_FIELDS)
        for reply in playbook.reply:
            if reply.when:
                Condition.compile(reply.when, PLAYBOOK_FIELDS)
            Template.compile(reply.text, PLAYBOOK_FIELDS)
    for rule in workflow.rules:
        Condition.compile(rule.check, RULE_FIELDS)


@pytest.mark.parametrize(
    ("text", "role", "holds"),
    [
        ("Refunded 129.00 EUR for order 1042, by 2026-03-19.", "customer", True),
        ("We promise that it arrives tomorrow.", "customer", False),
        ("You will be compensated.", "customer", False),
        ("Your card 4111 1111 1111 1111 was charged.", "customer", False),
        ("Internal only: hold the order.", "customer", False),
        ("Internal only: hold the order.", "staff", True),
    ],
)
def test_rules_stop_what_no_answer_may_say(workflow, text, role, holds):
    known = {"draft": {"text": text}, "intent": None, "principal": {"id": "x", "roles": [role]}}
    assert all(Condition.compile(r.check).holds(known) for r in workflow.rules) is holds


def test_required_slots_ask_a_question(playbooks):
    for playbook in playbooks.values():
        for slot in playbook.slots:
            assert not slot.required or (slot.question or "").endswith((".", "?")), slot.name


@pytest.mark.parametrize(
    ("playbook", "text", "values"),
    [
        ("refund", "Please refund 35 euros for order 1042", {"order": 1042, "amount": 3500}),
        ("refund", "Give me back €25.50 for #1019", {"order": 1019, "amount": 2550}),
        ("refund", "refund 1,229.00 EUR of order no. 1046", {"order": 1046, "amount": 122900}),
        ("refund", "refund 1027 pls", {"order": 1027, "amount": None}),
        ("refund", "refund me 12,50 for 1058", {"order": 1058, "amount": 1250}),
        ("refund", "give me $35 back for order 1058", {"amount": None, "unclear": "$"}),
        ("refund", "the lid is cracked, order 1051", {"reason": "damaged"}),
        ("refund", "1058", {"order": 1058}),
        ("goodwill_credit", "credit order 1061 with 12 EUR", {"order": 1061, "amount": 1200}),
        ("replace", "The tea towels of order 1055 are torn", {"item": "tea towels"}),
        ("find_customer", "Find ben@mail.example", {"who": "ben@mail.example"}),
        ("find_customer", "Which orders has customer chloe?", {"who": "chloe"}),
    ],
)
def test_slots_are_read_from_what_people_write(playbooks, playbook, text, values):
    found = fill(playbooks[playbook].slots, text).values
    assert {name: found[name] for name in values} == values


@pytest.mark.parametrize(
    ("text", "order", "address"),
    [
        (
            "Change the address of order 1077 to Rue Neuve 12, 1000 Bruxelles",
            1077,
            "Rue Neuve 12, 1000 Bruxelles",
        ),
        (
            "Please ship order 1079 to Sonnenallee 55, 12045 Berlin instead",
            1079,
            "Sonnenallee 55, 12045 Berlin",
        ),
        ("my new address: Brink 9, 7411 BR Deventer. Thanks", None, "Brink 9, 7411 BR Deventer"),
        ("Rue Neuve 12, 1000 Bruxelles", None, "Rue Neuve 12, 1000 Bruxelles"),
        ("wrong address on order 1075!!", 1075, None),
        ("1077", 1077, None),
    ],
)
def test_postcode_of_an_address_is_no_order(playbooks, text, order, address):
    found = fill(playbooks["change_address"].slots, text).values
    assert found == {"order": order, "address": address}


def test_documents_are_many_and_of_readable_length(documents):
    readers = Counter("/".join(d.readers) for d in documents)
    assert readers["everyone"] >= 30
    assert readers["role:staff"] >= 10
    assert sum(n for r, n in readers.items() if r.startswith("group:")) >= 4
    assert len({d.id for d in documents}) == len(documents) >= 44
    assert [d.id for d in documents if not 150 <= len(d.text.split()) <= 500] == []


def test_documents_of_a_folder_have_its_readers(documents):
    for document in documents:
        inside = "/staff/" in document.source or "/teams/" in document.source
        assert ("everyone" in document.readers) is not inside, document.id


def test_readers_are_roles_and_groups_that_somebody_has(documents, people):
    had = {grant for p in people.values() for grant in p.grants()}
    assert {r for d in documents for r in d.readers} <= had


def test_public_documents_hint_at_nothing_internal(documents):
    internal = re.compile(
        r"goodwill|fraud|matrix|rota\b|returns lead|chargeback|grade [A-E]|hold code|debit note"
        r"|duty phone|50\.00 EUR of|20\.00 EUR of store",
        re.IGNORECASE,
    )
    public = [d for d in documents if "everyone" in d.readers]
    assert [(d.id, m[0]) for d in public if (m := internal.search(f"{d.title} {d.text}"))] == []


def test_documents_say_what_the_tools_reckon_with(documents):
    text = {d.id: d.text for d in documents}
    shop = import_module_of(DESK, "catalogue")
    for country, name, free in (("NL", "Netherlands", 7500), ("FR", "France", 10000)):
        cents = shop.shipping_cents(country, free - 1, large=False)
        assert shop.shipping_cents(country, free, large=False) == 0
        row = next(line for line in text["shipping-costs"].splitlines() if name in line)
        assert f"{cents / 100:.2f} EUR" in row
        assert f"{free / 100:.2f} EUR" in row
        days = shop.transit_days(country, large=False)
        row = next(line for line in text["delivery-times"].splitlines() if name in line)
        assert row.rstrip().endswith(f"| {days} |")
    assert f"{shop.shipping_cents('PT', 100, large=False) / 100:.2f} EUR" in text["shipping-costs"]
    for travelled in import_module_of(DESK, "lookups").ARRIVES_WITHIN.values():
        assert f"| {travelled} |" in text["refund-timing"]
    for article in shop.ARTICLES:
        if article.large:
            assert article.name in text["large-furniture"]


def test_conversations_speak_of_what_exists(conversations, people, toolbox, documents):
    ids = {d.id for d in documents}
    assert len(conversations) == len({c["id"] for c in conversations}) == 12
    for told in conversations:
        assert told["principal"] in people
        for said in told["messages"]:
            assert set(said.get("cites", ())) <= ids
            assert all(toolbox[name].consequential for name in said["effects"])
            waits = said["expect"] == "awaiting_review"
            assert waits == ("reviewer" in said)
            assert not waits or said["reviewer"]["as"] in people


def test_readme_names_orders_of_the_right_people():
    rows = re.findall(r"(?m)^\| ([\d, ]+) \| (\w+) \|", (DESK / "README.md").read_text("utf-8"))
    by_hand = {o.id: o.customer.id for o in import_module_of(DESK, "seed").orders()}
    named = {int(n): who for numbers, who in rows for n in numbers.split(",")}
    assert len(named) >= 12
    assert {n: by_hand[n] for n in named} == named
