"""Tasks over real rooms: a trail in a file, a trained classifier, scripted models."""

import pytest

from concertmaster.agents.task import Services, Session, Task
from concertmaster.audit import MIGRATIONS, Trail
from concertmaster.contracts import Evidence, Label, Memory, Principal, Retrieved, Turn
from concertmaster.contracts.request import Request
from concertmaster.contracts.spec import IntentsFile, WorkflowSpec, WorkspaceSpec
from concertmaster.models.classifier import IntentModel
from concertmaster.models.registry import Models
from concertmaster.retrieval.embeddings import default_embedder
from concertmaster.storage import Database
from concertmaster.tools.toolbox import Toolbox

UTTERANCES = {
    "refund": [
        "I want my money back",
        "Please refund order 12",
        "Pay me back what I spent",
        "Refund my order",
    ],
    "hours": [
        "When do you open?",
        "What are your opening hours?",
        "Are you open on Sunday?",
        "When do you close?",
    ],
    "shipping": [
        "Where is my parcel?",
        "Track my order",
        "When does my order arrive?",
        "Is my package on its way?",
    ],
}
ELSEWHERE = ("What is the weather?", "Tell me a joke", "Who won the match?")


def intents(**more):
    listed = [
        {"name": name, "owner": f"{name}-team", "utterances": texts, "acts": name == "refund"}
        for name, texts in UTTERANCES.items()
    ]
    return IntentsFile.model_validate({"intents": listed, "out_of_scope": ELSEWHERE, **more})


def passage(number, text, **more):
    fields = {"document": f"doc-{number}", "version": "v1", "title": "Title", "start": 0}
    fields |= {"end": len(text), "score": 1.0, "readers": ("everyone",), **more}
    return Evidence(number=number, text=text, **fields)


@pytest.fixture(scope="session")
def classifier():
    """Return a classifier of three intents."""
    embedder = default_embedder()
    return IntentModel.train(UTTERANCES, ELSEWHERE, embedder.embed, embedder.name)


@pytest.fixture
def trail(tmp_path):
    """Return a trail in a file of its own."""
    database = Database.open(tmp_path / "home.sqlite3", MIGRATIONS)
    yield Trail(database, "desk")
    database.close()


@pytest.fixture
def events(trail):
    """Return a reader of what was recorded."""

    async def read():
        await trail.flush()
        return await trail.events()

    return read


@pytest.fixture
def task_of(trail, tmp_path):
    """Return a maker of tasks; `evidence` are texts of passages that were found."""

    def make(
        agent="responder",
        text="When do you open?",
        *,
        evidence=(),
        model=None,
        classifier=None,
        knowledge=None,
        customs=None,
        memory=None,
        follows=None,
        rules=(),
        need="chat",
        who=None,
        **turn,
    ):
        step = {"id": "step", "agent": agent, "owner": "ops", "timeout": 2.0}
        if need:
            step["model"] = {"need": need}
        workflow = WorkflowSpec.model_validate(
            {
                "workflow": "desk",
                "owner": "ops",
                "steps": [step],
                "routes": [{"to": "escalate"}],
                "rules": list(rules),
            }
        )
        principal = who or Principal(id="ana", roles=("customer",))
        passages = tuple(
            passage(n, e) if isinstance(e, str) else e for n, e in enumerate(evidence, start=1)
        )
        if passages:
            turn.setdefault("retrieved", Retrieved(query=text, evidence=passages, sufficient=True))
        resolved = f"{memory.topic}\n{text}" if memory and follows else text
        request = Request(
            text=text,
            resolved=resolved,
            principal=principal.id,
            received="now",
            follows=follows,
            label=Label(sources=("request",)),
        )
        services = Services(
            name="desk",
            spec=WorkspaceSpec(workflow=workflow, intents=intents()),
            toolbox=Toolbox.of(),
            gate=None,
            approvals=None,
            plans=None,
            carrier=None,
            trail=trail,
            models=Models.of(model),
            knowledge=knowledge,
            classifier=classifier,
            data_dir=tmp_path,
            customs=customs or {},
        )
        return Task(
            turn=Turn(run="run-1", request=request, **turn),
            memory=memory or Memory(),
            messages=(),
            step=workflow.steps[0],
            session=Session(principal=principal, run="run-1", thread="t"),
            services=services,
        )

    return make


@pytest.fixture
def passage_of():
    """Return the maker of passages."""
    return passage
