"""The four workspaces besides the support desk: their files fit together, their tools hold."""

import json
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.slots import fill
from concertmaster.contracts import FINAL, Principal
from concertmaster.contracts.spec import (
    AGENT_KINDS,
    TERMINALS,
    IntentsFile,
    KnowledgeSpec,
    PlaybooksFile,
    PrincipalsFile,
    WorkflowSpec,
    WorkspaceSpec,
)
from concertmaster.errors import ToolError
from concertmaster.graphs.readiness import check as readiness
from concertmaster.graphs.supervisor import RouteTable
from concertmaster.graphs.view import PLAYBOOK_FIELDS
from concertmaster.graphs.workspace import Workspace
from concertmaster.policies import Call, Gate, PolicyEngine
from concertmaster.policies.conditions import Expression, Template
from concertmaster.retrieval.knowledge import Knowledge
from concertmaster.retrieval.loading import load
from concertmaster.tools import ToolContext
from concertmaster.tools.loading import import_module_of, load_callable
from concertmaster.tools.toolbox import Toolbox

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORKSPACES = ("bank_desk", "knowledge_assistant", "loan_application", "software_delivery")
ACTING = WORKSPACES[1:]


def read(name: str, file: str) -> Any:
    path = EXAMPLES / name / file
    return yaml.safe_load(path.read_text()) if path.exists() else {}


@cache
def spec_of(name: str) -> WorkspaceSpec:
    return WorkspaceSpec(
        workflow=WorkflowSpec.model_validate(read(name, "workflow.yaml")),
        intents=IntentsFile.model_validate(read(name, "intents.yaml")),
        playbooks=PlaybooksFile.model_validate(read(name, "playbooks.yaml")),
        principals=PrincipalsFile.model_validate(read(name, "principals.yaml")),
    )


def principal_of(name: str, who: str) -> Principal:
    return next(p for p in spec_of(name).principals.principals if p.id == who)


class Bench:
    """A workspace's tools over a data folder of their own."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.toolbox = Toolbox.load(EXAMPLES / name)
        self.data_dir = data_dir
        self.toolbox.prepare(data_dir)

    def context(self, who: str, key: str = "k-1") -> ToolContext:
        return ToolContext(
            principal=principal_of(self.name, who),
            run="run-1",
            thread="t-1",
            idempotency_key=key,
            data_dir=self.data_dir,
        )

    def call(self, who: str, tool: str, key: str = "k-1", **arguments: Any) -> Any:
        declared = self.toolbox[tool]
        checked = declared.call_arguments(arguments)
        return declared.function(**checked, ctx=self.context(who, key))

    def facts(self, who: str, tool: str, key: str = "k-1", **arguments: Any) -> dict[str, Any]:
        resolver = self.toolbox[tool].facts
        assert resolver is not None
        return dict(resolver(arguments, self.context(who, key)))

    def reconcile(self, who: str, tool: str, key: str = "k-1", **arguments: Any) -> Any:
        reconciler = self.toolbox[tool].reconcile
        assert reconciler is not None
        return reconciler(arguments, self.context(who, key))


@pytest.fixture
def loans(tmp_path: Path) -> Bench:
    return Bench("loan_application", tmp_path / "data")


@pytest.fixture
def delivery(tmp_path: Path) -> Bench:
    return Bench("software_delivery", tmp_path / "data")


@pytest.fixture
def assistant(tmp_path: Path) -> Bench:
    return Bench("knowledge_assistant", tmp_path / "data")


# What holds of every workspace


@pytest.mark.parametrize("name", WORKSPACES)
def test_workspace_passes_the_readiness_gate(name: str) -> None:
    problems = readiness(Workspace.load(EXAMPLES / name))
    assert [str(p) for p in problems] == []


@pytest.mark.parametrize("name", WORKSPACES)
def test_every_step_says_what_the_gate_asks_for(name: str) -> None:
    for step in spec_of(name).workflow.steps:
        for field in ("owner", "input", "model", "tools", "permission", "review"):
            assert getattr(step, field) is not None, f"{step.id} has no {field}"
        assert step.purpose
        assert step.success_metric
        assert step.timeout
        assert step.retry
        assert step.fallback in TERMINALS


@pytest.mark.parametrize("name", WORKSPACES)
def test_names_refer_to_what_exists(name: str) -> None:
    spec, toolbox = spec_of(name), Toolbox.load(EXAMPLES / name)
    workflow = spec.workflow
    owners, steps = set(workflow.owners), {s.id for s in workflow.steps}
    playbooks = {p.name for p in spec.playbooks.playbooks}
    assert {workflow.owner, *(s.owner for s in workflow.steps)} <= owners
    assert {i.owner for i in spec.intents.intents} <= owners
    assert {i.playbook for i in spec.intents.intents if i.playbook} <= playbooks
    assert {s.playbook for s in workflow.steps if s.playbook} <= playbooks
    assert {t for s in workflow.steps for t in s.tools or ()} == set(toolbox.names)
    assert {c.tool for p in spec.playbooks.playbooks for c in p.calls if c.tool} == set(
        toolbox.names
    )
    for route in workflow.routes:
        targets = {route.to} if route.to else {*(route.ask or ()), route.otherwise}
        assert targets <= steps | set(TERMINALS)
        assert route.owner in {None, "intent.owner", *owners}
    for step in workflow.steps:
        if step.agent not in AGENT_KINDS:
            assert load_callable(EXAMPLES / name, step.agent)
        if step.permission != "none":
            assert (EXAMPLES / name / str(step.permission)).is_file()


@pytest.mark.parametrize("name", WORKSPACES)
def test_every_step_is_reached_by_a_route(name: str) -> None:
    workflow = spec_of(name).workflow
    routed = {r.to for r in workflow.routes} | {o for r in workflow.routes for o in r.ask or ()}
    assert {s.id for s in workflow.steps} <= routed


@pytest.mark.parametrize("name", WORKSPACES)
def test_expressions_compile_and_name_known_fields(name: str) -> None:
    spec = spec_of(name)
    assert RouteTable.compile(spec).routes
    for playbook in spec.playbooks.playbooks:
        for slot in playbook.slots:
            re.compile(slot.pattern or "", re.IGNORECASE)
        for call in playbook.calls:
            Expression.compile(call.when or "true", PLAYBOOK_FIELDS)
            Template.compile(call.stop or "", PLAYBOOK_FIELDS)
            for value in call.arguments.values():
                if isinstance(value, str) and value.startswith("="):
                    Expression.compile(value[1:], PLAYBOOK_FIELDS)
        for wording in playbook.reply:
            Expression.compile(wording.when or "true", PLAYBOOK_FIELDS)
            Template.compile(wording.text, PLAYBOOK_FIELDS)


@pytest.mark.parametrize("name", WORKSPACES)
def test_utterances_are_many_and_stand_once(name: str) -> None:
    intents = spec_of(name).intents
    said = [u.lower() for i in intents.intents for u in i.utterances]
    said += [u.lower() for u in intents.out_of_scope]
    assert len(said) == len(set(said))
    least = 18 if name == "bank_desk" else 15
    assert min(len(i.utterances) for i in intents.intents) >= least
    assert len(intents.out_of_scope) >= (40 if name == "bank_desk" else 20)


@pytest.mark.parametrize("name", WORKSPACES)
def test_conversations_are_held_by_known_people(name: str) -> None:
    conversations = read(name, "conversations.yaml")
    people = {p.id for p in spec_of(name).principals.principals}
    statuses = {*FINAL, "awaiting_review"}
    assert len({c["id"] for c in conversations}) == len(conversations)
    for conversation in conversations:
        assert set(conversation) == {"id", "title", "principal", "messages"}
        assert conversation["principal"] in people
        for message in conversation["messages"]:
            assert message["expect"] in statuses
            reviewer = message.get("reviewer")
            if reviewer:
                assert message["expect"] == "awaiting_review"
                assert reviewer["as"] in people - {conversation["principal"]}
                assert reviewer["expect"] in statuses


@pytest.mark.parametrize("name", WORKSPACES)
def test_readme_introduces_everybody(name: str) -> None:
    told = (EXAMPLES / name / "README.md").read_text()
    for person in spec_of(name).principals.principals:
        assert re.search(rf"\b{person.id}\b", told), f"{person.id} is not introduced"


# Policies


@cache
def gate_of(name: str) -> Gate:
    shapes = Toolbox.load(EXAMPLES / name).shapes()
    return Gate(PolicyEngine.load(EXAMPLES / name / "policies", shapes), shapes, name)


@pytest.mark.parametrize("name", ACTING)
def test_consequential_tools_are_reviewed_or_say_why_not(name: str) -> None:
    toolbox = Toolbox.load(EXAMPLES / name)
    engine = PolicyEngine.load(EXAMPLES / name / "policies", toolbox.shapes())
    consequential = [t for t in toolbox.values() if t.consequential]
    assert consequential
    for tool in consequential:
        reviewed = any(p.obligations for p in engine.governing(tool.name))
        assert reviewed or tool.waiver, tool.name
        assert tool.idempotent
        assert tool.reconcile is not None


@pytest.mark.parametrize("name", ACTING)
def test_stranger_may_do_nothing_consequential(name: str) -> None:
    facts = {c["tool"]: c for c in read(name, "policies/tests.yaml")["tests"] if c.get("facts")}
    for tool, case in facts.items():
        step = next(s for s in spec_of(name).workflow.steps if tool in (s.tools or ()))
        assert step.review is not None
        decision = gate_of(name).decide(
            Call(
                tool=tool,
                arguments=case["arguments"],
                principal=Principal(id="stranger"),
                step=step.id,
                allowed=step.tools or (),
                review=step.review,
                facts=case["facts"],
            )
        )
        assert decision.kind == "deny"


@pytest.mark.parametrize("name", ACTING)
def test_setup_can_be_repeated_and_keeps_what_was_done(name: str, tmp_path: Path) -> None:
    def content() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(tmp_path.glob("*.sqlite3"))}

    Bench(name, tmp_path)
    first = content()
    assert first
    Bench(name, tmp_path)
    assert content() == first


# Loan application

LOAN_SLOTS = {
    "I want to borrow 18,000 EUR over 48 months. I earn 3,200 EUR a month.": (18000, 48, 3200),
    "I earn 3,200 euros and need 18,000 euros, 48 months": (18000, 48, 3200),
    "My salary is 6,500 EUR a month. Please lend me €80,000 for 84 months": (80000, 84, 6500),
    "credit of 8.000,50 € over 36 months, income 2.400 €": (8000.5, 36, 2400),
    "I'd like a loan for 48 months": (None, 48, None),
    "I earn 42,000 EUR a year": (None, None, None),
    "a rate of 250 EUR a month would suit me": (None, None, None),
    "12,000 EUR": (12000, None, None),
    "15000": (15000, None, None),
    "3200": (None, None, 3200),
    "3,100 EUR a month": (None, None, 3100),
    "60": (None, 60, None),
}


@pytest.mark.parametrize(("text", "expected"), LOAN_SLOTS.items())
def test_loan_is_read_from_the_message(text: str, expected: tuple[Any, ...]) -> None:
    slots = spec_of("loan_application").playbook("application").slots
    amount, term, income = expected
    values = fill(slots, text).values
    assert values == {
        "amount": amount and round(amount * 100),
        "term": term,
        "income": income and income * 100,
    }


SCORECARD: Any = import_module_of(EXAMPLES / "loan_application", "scorecard")
GOOD = SCORECARD.Applicant(
    income_cents=320_000, debts_cents=18_000, missed_payments=0, repaid_loans=1, years_as_customer=6
)
PROTECTED = ("age", "birth", "sex", "gender", "nation", "origin", "religion", "health", "famil")

applicants = st.builds(
    SCORECARD.Applicant,
    income_cents=st.integers(100_000, 2_000_000),
    debts_cents=st.integers(0, 500_000),
    missed_payments=st.integers(0, 8),
    repaid_loans=st.integers(0, 6),
    years_as_customer=st.integers(0, 40),
)
wanted_loans = st.builds(
    SCORECARD.Loan,
    amount_cents=st.integers(100_000, 20_000_000),
    term_months=st.integers(6, 120),
)


def test_score_has_no_input_for_what_the_law_protects(loans: Bench) -> None:
    inputs = [f.name for kind in (SCORECARD.Applicant, SCORECARD.Loan) for f in fields(kind)]
    seen = [*inputs, *loans.call("mia", "get_applicant")]
    assert [n for n in seen if any(p in n for p in PROTECTED)] == []


@given(applicants, wanted_loans)
def test_missed_payments_and_debts_never_raise_the_score(applicant: Any, loan: Any) -> None:
    points = SCORECARD.score(applicant, loan).points
    worse = replace(applicant, missed_payments=applicant.missed_payments + 1)
    deeper = replace(applicant, debts_cents=applicant.debts_cents + 10_000)
    assert SCORECARD.score(worse, loan).points <= points
    assert SCORECARD.score(deeper, loan).points <= points


@given(applicants, wanted_loans)
def test_refusal_gives_its_reasons(applicant: Any, loan: Any) -> None:
    decision = SCORECARD.decide(applicant, loan)
    assert (decision.outcome == "approve") or decision.reasons
    due = applicant.debts_cents + decision.instalment_cents
    if due > SCORECARD.MOST_SERVICE * applicant.income_cents:
        assert decision.outcome == "decline"


@given(wanted_loans)
def test_instalments_pay_the_loan_back_with_interest(loan: Any) -> None:
    owed = float(loan.amount_cents)
    monthly = SCORECARD.instalment(loan)
    for _ in range(loan.term_months):
        owed += owed * SCORECARD.YEARLY_RATE / 12 - monthly
    # Rounding up by less than a cent a month, with the interest on it.
    assert -2 * loan.term_months <= owed <= 1e-3


@pytest.mark.parametrize(
    ("who", "amount", "term", "income", "outcome"),
    [
        ("mia", 18_000, 48, 3_200, "approve"),
        ("omar", 80_000, 84, 6_500, "approve"),
        ("rosa", 60_000, 72, 5_400, "approve"),
        ("noah", 12_000, 48, 2_600, "refer"),
        ("tess", 8_000, 36, 2_400, "decline"),
        ("mia", 18_000, 12, 3_200, "decline"),
    ],
)
def test_scorecard_decides_about_the_sample_customers(
    loans: Bench, who: str, amount: int, term: int, income: int, outcome: str
) -> None:
    applied = apply(loans, who, amount, term, income)
    facts = loans.facts(who, "record_decision", application=applied["id"], outcome="approve")
    assert (facts["applicant"], facts["outcome"]) == (who, outcome)


def apply(loans: Bench, who: str, amount: int, term: int, income: int, key: str = "a-1") -> Any:
    return loans.call(
        who,
        "save_application",
        key,
        amount_cents=amount * 100,
        term_months=term,
        income_cents=income * 100,
    )


async def test_steps_see_what_the_tools_found(loans: Bench) -> None:
    results = {
        "profile": loans.call("mia", "get_applicant"),
        "identity": loans.call("mia", "check_identity"),
        "application": apply(loans, "mia", 18_000, 48, 3_200),
    }
    seen = {}
    for step in ("verify", "score", "decide"):
        function = load_callable(EXAMPLES / "loan_application", f"steps:{step}")
        seen.update(await function({"results": results, "data": seen}, None))
    assert seen["identity"] == {"verified": True, "status": "verified"}
    assert (seen["score"]["points"], seen["score"]["band"]) == (613, "A")
    assert seen["decision"]["outcome"] == "approve"
    assert json.loads(json.dumps(seen)) == seen


async def test_identity_that_was_not_checked_is_not_verified() -> None:
    verify = load_callable(EXAMPLES / "loan_application", "steps:verify")
    assert (await verify({"results": {}}, None))["identity"]["verified"] is False


@pytest.mark.parametrize(
    ("who", "status"), [("mia", "verified"), ("jon", "expired"), ("uma", "unknown")]
)
def test_registry_knows_the_documents(loans: Bench, who: str, status: str) -> None:
    assert loans.call(who, "check_identity")["status"] == status


def test_loan_is_booked_once_for_each_application(loans: Bench) -> None:
    application = apply(loans, "mia", 18_000, 48, 3_200)["id"]
    loans.call("mia", "record_decision", "d-1", application=application, outcome="approve")
    assert loans.reconcile("mia", "book_loan", "b-1", application=application) is None
    booked = loans.call("mia", "book_loan", "b-1", application=application)
    assert (booked["amount_cents"], booked["instalment_cents"]) == (1_800_000, 43_020)
    assert loans.call("mia", "book_loan", "b-1", application=application) == booked
    assert loans.reconcile("mia", "book_loan", "b-1", application=application) == booked
    with pytest.raises(ToolError, match="booked before"):
        loans.call("mia", "book_loan", "b-2", application=application)
    assert loans.call("mia", "get_application_status")["state"] == "booked"


def test_booking_rests_on_a_recorded_decision(loans: Bench) -> None:
    application = apply(loans, "tess", 8_000, 36, 2_400)["id"]
    with pytest.raises(ToolError, match="not been decided"):
        loans.call("tess", "book_loan", application=application)
    with pytest.raises(ToolError, match="does not say approve"):
        loans.call("tess", "record_decision", application=application, outcome="approve")
    loans.call("tess", "record_decision", "d-1", application=application, outcome="decline")
    with pytest.raises(ToolError, match="decided before"):
        loans.call("tess", "record_decision", "d-2", application=application, outcome="decline")
    facts = loans.facts("tess", "book_loan", application=application)
    assert (facts["decision"], facts["identity"], facts["booked"]) == ("decline", "verified", False)


def test_application_is_kept_once(loans: Bench) -> None:
    first = apply(loans, "mia", 18_000, 48, 3_200)
    assert apply(loans, "mia", 18_000, 48, 3_200) == first
    assert apply(loans, "mia", 18_000, 48, 3_200, key="a-2")["id"] != first["id"]
    with pytest.raises(ToolError, match="no customer record"):
        apply(loans, "lena", 18_000, 48, 3_200, key="a-3")


def test_booked_loans_count_when_the_next_one_is_decided(loans: Bench) -> None:
    first = apply(loans, "vera", 30_000, 60, 6_000)["id"]
    loans.call("vera", "record_decision", "d-1", application=first, outcome="approve")
    loans.call("vera", "book_loan", "b-1", application=first)
    assert loans.call("vera", "get_applicant")["debts_cents"] == 10_000 + 59_263
    second = apply(loans, "vera", 25_000, 60, 6_000, key="a-2")["id"]
    facts = loans.facts("vera", "book_loan", "b-2", application=second)
    assert (facts["amount_cents"], facts["exposure_cents"]) == (2_500_000, 5_500_000)


def test_call_that_was_cut_off_after_booking_is_no_second_booking(loans: Bench) -> None:
    application = apply(loans, "mia", 18_000, 48, 3_200)["id"]
    loans.call("mia", "record_decision", "d-1", application=application, outcome="approve")
    loans.call("mia", "book_loan", "b-1", application=application)
    assert loans.facts("mia", "book_loan", "b-1", application=application)["booked"] is False
    assert loans.facts("mia", "book_loan", "b-2", application=application)["booked"] is True


@pytest.mark.parametrize("application", ["LA-9999", "LA-", "x", "LA-1001; DROP", "LA-" + "9" * 40])
def test_unknown_application_is_an_error(loans: Bench, application: str) -> None:
    with pytest.raises(ToolError, match="no such application"):
        loans.facts("mia", "book_loan", application=application)


# Software delivery

RISK: Any = import_module_of(EXAMPLES / "software_delivery", "risk")


def changed(path: str, area: str, lines: int = 10) -> Any:
    return RISK.ChangedFile(path, lines, area)


@pytest.mark.parametrize(
    ("files", "risk", "tests_included"),
    [
        ([changed("docs/a.md", "other")], "low", True),
        ([changed("web/a.py", "web")], "low", False),
        ([changed("web/a.py", "web"), changed("tests/test_a.py", "other")], "low", True),
        ([changed("auth/a.py", "auth")], "elevated", False),
        ([changed("payments/a.py", "payments")], "elevated", False),
        ([changed("migrations/1.sql", "migrations")], "elevated", False),
        ([changed("api/a.py", "api")], "low", False),
        ([changed("api/a.py", "api", 150)], "elevated", False),
        ([changed("web/a.py", "web", 5000)], "low", False),
        ([changed("auth/a.py", "auth"), changed("payments/a.py", "payments")], "high", False),
        ([changed("payments/a.py", "payments", 500)], "high", False),
        ([changed(f"api/{i}.py", "api", 1) for i in range(11)], "elevated", False),
    ],
)
def test_risk_follows_from_the_touched_files(
    files: list[Any], risk: str, tests_included: bool
) -> None:
    found = RISK.assess(files, ["It works."])
    assert (found.risk, found.tests_included) == (risk, tests_included)
    assert found.cases[0] == "It works."


@given(st.lists(st.sampled_from(["web", "api", "auth", "payments", "migrations"]), min_size=1))
def test_further_files_never_lower_the_risk(areas: list[str]) -> None:
    files = [changed(f"{area}/{i}.py", area) for i, area in enumerate(areas)]
    assert RISK.assess(files, ()).points >= RISK.assess(files[:-1], ()).points


@pytest.mark.parametrize(
    ("ticket", "risk", "areas"),
    [
        ("SD-101", "low", ["web"]),
        ("SD-102", "elevated", ["payments"]),
        ("SD-103", "elevated", ["auth"]),
        ("SD-104", "elevated", ["api", "migrations"]),
        ("SD-107", "high", ["auth", "payments"]),
        ("SD-110", "low", []),
    ],
)
def test_sample_changes_have_their_risks(
    delivery: Bench, ticket: str, risk: str, areas: list[str]
) -> None:
    facts = delivery.facts("dana", "merge_change", ticket=ticket)
    assert (facts["risk"], facts["areas"]) == (risk, areas)
    assert facts["tests_included"]
    assert not facts["plan_complete"]


async def assessment(delivery: Bench, ticket: str) -> dict[str, Any]:
    results = {
        "ticket": delivery.call("dana", "get_ticket", ticket=ticket),
        "files": delivery.call("dana", "list_changed_files", ticket=ticket),
    }
    assess = load_callable(EXAMPLES / "software_delivery", "steps:assess")
    return (await assess({"results": results}, None))["assessment"]


async def test_plan_is_complete_only_with_every_case(delivery: Bench) -> None:
    found = await assessment(delivery, "sd-102")
    assert found["ticket"] == "SD-102"
    attach = {"ticket": "SD-102", "risk": found["risk"]}
    short = delivery.call("dana", "attach_test_plan", "p-1", **attach, cases=found["cases"][1:])
    assert short["cases"] == len(found["cases"]) - 1
    assert not delivery.facts("dana", "merge_change", ticket="SD-102")["plan_complete"]
    full = delivery.call("dana", "attach_test_plan", "p-2", **attach, cases=found["cases"])
    assert delivery.facts("dana", "merge_change", ticket="SD-102")["plan_complete"]
    assert delivery.call("dana", "attach_test_plan", "p-2", **attach, cases=["x"]) == full


def test_change_is_merged_once(delivery: Bench) -> None:
    assert delivery.reconcile("dana", "merge_change", "m-1", ticket="SD-101") is None
    merged = delivery.call("dana", "merge_change", "m-1", ticket="sd-101")
    assert merged == {"merge": "M-1", "ticket": "SD-101", "requested_by": "dana"}
    assert delivery.call("dana", "merge_change", "m-1", ticket="SD-101") == merged
    assert delivery.facts("dana", "merge_change", "m-1", ticket="SD-101")["state"] == "open"
    assert delivery.facts("dana", "merge_change", "m-2", ticket="SD-101")["state"] == "merged"
    with pytest.raises(ToolError, match="merged before"):
        delivery.call("dana", "merge_change", "m-2", ticket="SD-101")


def test_code_owners_are_found_by_the_longest_path(delivery: Bench) -> None:
    owners = delivery.call("dana", "find_code_owner", ticket="SD-107")
    assert owners["roles"] == ["payments-owner", "security-owner"]
    assert owners["areas"] == ["auth", "payments"]


def test_unknown_ticket_is_told_and_cannot_be_merged(delivery: Bench) -> None:
    assert delivery.call("dana", "get_ticket", ticket="SD-999")["found"] is False
    with pytest.raises(ToolError, match="no such ticket"):
        delivery.call("dana", "merge_change", ticket="SD-999")
    with pytest.raises(ToolError, match="ticket"):
        delivery.call("dana", "get_ticket", ticket="SD-1' OR '1'='1")


def test_risky_code_has_an_owner_besides_every_author() -> None:
    people = spec_of("software_delivery").principals.principals
    for role in ("payments-owner", "security-owner", "release-manager"):
        holders = [p.id for p in people if role in p.roles]
        assert holders
        if "pavel" in holders:
            assert len(holders) > 1


# Knowledge assistant


def documents_of(name: str) -> Any:
    spec = spec_of(name).workflow.knowledge
    assert spec is not None
    found, skipped = load([EXAMPLES / name / p for p in spec.paths], spec)
    assert skipped == []
    return found


def test_every_document_has_an_owner_who_is_declared() -> None:
    documents = documents_of("knowledge_assistant")
    assert len(documents) >= 18
    assert {d.owner for d in documents} <= set(spec_of("knowledge_assistant").workflow.owners)


def test_each_closed_document_has_a_reader_and_somebody_without() -> None:
    people = spec_of("knowledge_assistant").principals.principals
    ana = principal_of("knowledge_assistant", "ana")
    closed = [d for d in documents_of("knowledge_assistant") if not ana.may_read(d.readers)]
    assert {d.id.split("/")[0] for d in closed} == {"hr", "it", "finance", "legal"}
    for document in closed:
        assert any(p.may_read(document.readers) for p in people), document.id


@pytest.mark.parametrize(
    ("question", "reader", "document"),
    [
        ("What are the salary bands for engineers?", "pia", "hr/salary_reviews"),
        ("What is the revenue forecast for this quarter?", "tom", "finance/quarter_forecast"),
        ("Which legal disputes are open?", "leo", "legal/open_disputes"),
    ],
)
async def test_closed_document_is_found_by_its_readers_only(
    tmp_path: Path, question: str, reader: str, document: str
) -> None:
    name = "knowledge_assistant"
    spec = spec_of(name).workflow.knowledge
    assert spec is not None
    knowledge = Knowledge.open(tmp_path / "index", spec=spec)
    try:
        await knowledge.ingest([EXAMPLES / name / p for p in spec.paths])
        found = await knowledge.retrieve(question, principal_of(name, reader))
        assert found.sufficient
        assert found.documents[0] == document
        kept = await knowledge.retrieve(question, principal_of(name, "ana"))
        assert not kept.sufficient
        assert document not in kept.model_dump_json()
    finally:
        knowledge.close()


TICKET_SLOTS = {
    "The projector in room 3.12 is broken, please fix it": ("room 3.12", "it_service", None),
    "Water is leaking in room 2.20, this is urgent": ("room 2.20", "facilities", "high"),
    "Please repair the coffee machine in the kitchen on floor 2": (
        "kitchen on floor 2",
        None,
        None,
    ),
    "The dishwasher is broken, please repair it": (None, None, None),
}


@pytest.mark.parametrize(("text", "expected"), TICKET_SLOTS.items())
def test_ticket_is_read_from_the_message(text: str, expected: tuple[Any, ...]) -> None:
    filled = fill(spec_of("knowledge_assistant").playbook("fix_request").slots, text)
    place, team, priority = expected
    assert filled.values["summary"] == text
    assert filled.values["place"] == place
    assert filled.values["priority"] == priority
    assert filled.values["team"] in {team, "facilities"}
    assert bool(filled.missing) == (place is None)


def test_answer_about_the_place_keeps_what_is_broken() -> None:
    slots = spec_of("knowledge_assistant").playbook("fix_request").slots
    earlier = fill(slots, "The dishwasher is broken, please repair it").values
    filled = fill(slots, "In room 4.01", earlier=earlier, answering=True)
    assert filled.values["summary"] == earlier["summary"]
    assert filled.values["place"] == "room 4.01"
    assert filled.missing == ()


def test_ticket_is_opened_once(assistant: Bench) -> None:
    broken = {
        "summary": "The lamp is broken",
        "place": "room 1.04",
        "team": "facilities",
        "priority": "normal",
    }
    opened = assistant.call("ana", "open_ticket", "t-1", **broken)
    assert assistant.call("ana", "open_ticket", "t-1", **broken) == opened
    assert assistant.reconcile("ana", "open_ticket", "t-1", **broken) == opened
    assert assistant.facts("ana", "open_ticket", "t-1", **broken) == {"open_tickets": 0}
    assert assistant.facts("ana", "open_ticket", "t-2", **broken) == {"open_tickets": 1}
    assert assistant.call("ana", "list_my_tickets") == {
        "count": 1,
        "summary": f"{opened['id']}, room 1.04",
    }
    assert assistant.call("tom", "list_my_tickets")["count"] == 0


def test_ticket_without_a_known_team_is_refused(assistant: Bench) -> None:
    with pytest.raises(ToolError, match="team"):
        assistant.call(
            "ana",
            "open_ticket",
            summary="The lamp is broken",
            place="room 1.04",
            team="kitchen",
            priority="normal",
        )


def test_unsure_intents_are_put_to_a_model_before_a_desk_answers() -> None:
    routes = spec_of("knowledge_assistant").workflow.routes
    asking = [n for n, r in enumerate(routes) if r.ask]
    answering = [n for n, r in enumerate(routes) if r.to in {"people_desk", "money_desk"}]
    assert len(asking) == 1
    assert asking[0] < min(answering)


# Bank desk


def test_internal_documents_are_for_staff(tmp_path: Path) -> None:
    spec = spec_of("bank_desk").workflow.knowledge
    assert isinstance(spec, KnowledgeSpec)
    assert spec.paths == ()
    file = tmp_path / "documents.jsonl"
    titles = ["Internal: Closing accounts", "Closing accounts", "Our Internal: rules"]
    file.write_text(
        "\n".join(
            json.dumps({"id": f"d{n}", "title": title, "content": "An account is closed."})
            for n, title in enumerate(titles)
        )
    )
    documents, skipped = load([file], spec)
    assert skipped == []
    customer, staff = (principal_of("bank_desk", who) for who in ("customer", "staff"))
    assert [customer.may_read(d.readers) for d in documents] == [False, True, True]
    assert all(staff.may_read(d.readers) for d in documents if d.title.startswith("Internal:"))


def test_bank_desk_answers_from_documents_only() -> None:
    spec = spec_of("bank_desk")
    assert len(spec.intents.intents) >= 10
    assert all(i.needs_evidence and not i.acts for i in spec.intents.intents)
    assert [s.agent for s in spec.workflow.steps] == [
        "intent_classifier",
        "retriever",
        "responder",
        "critic",
    ]


def test_bank_desk_keys_on_no_benchmark_text(shared_data: Path) -> None:
    file = shared_data / "rho_bank" / "queries_dev.jsonl"

    def runs(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"[a-z']+", text.lower())
        return {tuple(words[n : n + 6]) for n in range(len(words) - 5)}

    asked = [json.loads(line)["text"] for line in file.read_text().splitlines()]
    known = set().union(*map(runs, asked))
    intents = spec_of("bank_desk").intents.intents
    assert [u for i in intents for u in i.utterances if runs(u) & known] == []
