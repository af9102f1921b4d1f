"""A whole desk with generated people, tenants, documents and questions: nothing leaves its readers.

Looked for in answers, evidence, states and their history, the trail, notebooks' pictures, traces,
logs, errors, and every stored byte but the indices themselves. Time is not looked at: how long a
search takes depends on how much a person may read, and is no secret that this desk keeps.
"""

import asyncio
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler

import concertmaster as cm
from concertmaster.retrieval.lexical import terms
from concertmaster.testing import temporary_workspace

WORDS = "fee card loan branch limit".split()
TENANTS = (None, "north", "North")
READERS = ("everyone", "role:staff", "role:staffing", "group:eu", "principal:ana")
OWNERS = tuple(f"own{n}" for n in range(6))


class Words:
    """An embedder of words that needs no model."""

    name, dimension, relevant = "words-64", 64, 0.1

    def embed(self, texts, /):
        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for stem in terms(text) or ["?"]:
                made[row] += np.random.default_rng(sum(stem.encode())).normal(size=self.dimension)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


class Traced(BaseCallbackHandler):
    """Keeps what a tracer would send."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chain_start(self, serialized, inputs, **kwargs) -> None:
        self.seen += [repr(inputs), repr(kwargs.get("metadata"))]

    def on_chain_end(self, outputs, **kwargs) -> None:
        self.seen.append(repr(outputs))

    def on_chain_error(self, error, **kwargs) -> None:
        self.seen.append(repr(error))


def step(id_: str, agent: str) -> dict:
    return {
        "id": id_,
        "agent": agent,
        "owner": "ops",
        "purpose": "Tell what is known.",
        "input": ["request"],
        "model": "none",
        "tools": [],
        "permission": "none",
        "review": "none",
        "success_metric": {"name": "told", "target": 1.0},
        "timeout": "30s",
        "retry": {"attempts": 1},
        "fallback": "escalate",
    }


def workflow(tenants: dict) -> dict:
    owners = {name: {"role": name, "contact": f"{name}@x.example"} for name in ("ops", *OWNERS)}
    return {
        "workflow": "leaks",
        "owner": "ops",
        "success_metric": {"name": "told", "target": 1.0},
        "owners": owners,
        "knowledge": {
            "paths": ["shared"],
            "default_readers": ["role:nobody"],
            "default_owner": "ops",
            "tenants": tenants,
        },
        "steps": [step("search", "retriever"), step("tell", "responder"), step("check", "critic")],
        "routes": [
            {"when": "!retrieved", "to": "search", "why": "first, what is known"},
            {"when": "!sufficient", "to": "escalate", "owner": "ops", "why": "no source"},
            {"when": "draft == null", "to": "tell", "why": "it can be told"},
            {"when": "verdict == null", "to": "check", "why": "nothing goes out unchecked"},
            {"when": "verdict.status == 'pass'", "to": "finish", "why": "it is supported"},
            {"to": "escalate", "owner": "ops", "why": "it is not supported"},
        ],
    }


DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "tenant": st.sampled_from(TENANTS),
            "readers": st.lists(st.sampled_from(READERS), min_size=1, max_size=2),
            "words": st.lists(st.sampled_from(WORDS), min_size=2, max_size=5),
        }
    ),
    min_size=3,
    max_size=6,
)
PEOPLE = st.lists(
    st.builds(
        cm.Principal,
        id=st.sampled_from(["ana", "Ana", "ben"]),
        roles=st.lists(st.sampled_from(["staff", "staffing", "Staff", "*"]), max_size=1).map(tuple),
        groups=st.lists(st.sampled_from(["eu", "EU"]), max_size=1).map(tuple),
        tenant=st.sampled_from([*TENANTS, "south"]),
    ),
    min_size=1,
    max_size=3,
)


def may_read(person: cm.Principal, document: dict) -> bool:
    same = document["tenant"] in (None, person.tenant)
    return same and person.may_read(tuple(document["readers"]))


def marks(number: int) -> tuple[str, ...]:
    """Return what tells a document: its id, a word of its title, of its text, and its owner."""
    return f"docmark{number}", f"titlemark{number}", f"textmark{number}", f"own{number}"


def front(number: int, document: dict) -> str:
    head = {"id": f"docmark{number}", "title": f"titlemark{number} {document['words'][0]}"}
    head |= {"readers": document["readers"], "owner": OWNERS[number]}
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    return f"---\n{lines}\n---\nThe {' '.join(document['words'])} is textmark{number} euros.\n"


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    documents=DOCUMENTS,
    people=PEOPLE,
    questions=st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True),
)
def test_no_canary_leaves_its_readers(documents, people, questions, caplog) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    content = {"shared/none.md": "---\nid: none\nreaders: [role:nobody]\n---\nNothing here."}
    tenants: dict = {}
    for number, document in enumerate(documents):
        name = document["tenant"]
        place = "shared" if name is None else f"tenant{TENANTS.index(name)}"
        if name is not None:
            tenants[name] = {"paths": [place]}
        content[f"{place}/{number}.md"] = front(number, document)
    with (
        tempfile.TemporaryDirectory() as home,
        temporary_workspace(content={"workflow.yaml": workflow(tenants), **content}) as folder,
    ):
        asyncio.run(_asked(folder, Path(home), documents, people, questions, caplog))


async def _asked(folder, home, documents, people, questions, caplog) -> None:
    nobody = [n for n, d in enumerate(documents) if not any(may_read(p, d) for p in people)]
    async with cm.open(folder, home=home, embedder=Words(), draft=True) as desk:
        await desk.services.trail.flush()
        told_before = len(await desk.services.trail.events())
        for turn, person in enumerate(people):
            traced = Traced()
            hidden = [n for n, d in enumerate(documents) if not may_read(person, d)]
            shown: list[str] = []
            for question in questions:
                text = f"What is the {question} in all documents?"
                thread = f"t{turn}"
                run = await desk.run(text, principal=person, thread=thread)
                shown += [run.model_dump_json() if hasattr(run, "model_dump_json") else repr(run)]
                shown += [run._repr_html_(), repr(run.turn), run.outcome.model_dump_json()]
                config = {"configurable": {"thread_id": thread}, "callbacks": [traced]}
                async for state in desk.graph.aget_state_history(config):
                    shown += [repr(state.values), repr(state.metadata)]
            await desk.services.trail.flush()
            of_this = [e for e in await desk.services.trail.events() if e.thread == f"t{turn}"]
            assert of_this
            shown += [*(e.model_dump_json() for e in of_this), *traced.seen]
            _assert_none(shown, hidden)
        assert len(await desk.services.trail.events()) > told_before
    _assert_none(_logged(caplog), range(len(documents)), ("textmark", "titlemark"))
    _assert_none(_stored(home), nobody, ("textmark", "titlemark"))


def _assert_none(shown, numbers, kinds=("docmark", "titlemark", "textmark", "own")) -> None:
    told = "\n".join(shown)
    for number in numbers:
        for mark in marks(number):
            assert not (mark.startswith(kinds) and mark in told), mark


def _logged(caplog) -> list[str]:
    """Return our own lines of every level, and those of other libraries that are not debugging."""
    return [
        r.getMessage()
        for r in caplog.records
        if r.name.startswith("concertmaster") or r.levelno >= logging.INFO
    ]


def _stored(home: Path) -> list[str]:
    return [
        path.read_bytes().decode(errors="replace")
        for path in home.rglob("*")
        if path.is_file() and path.relative_to(home).parts[0] != "index"
    ]


DOCUMENT = "---\nid: secret\nreaders: [role:staff]\n---\nThe fee of a card is textmark0 euros.\n"


@pytest.fixture
def directory():
    return {"ana": ("staff",), "ben": ("staff",)}


@pytest.fixture
async def desk(directory, tmp_path):
    def resolve(who):
        return cm.Principal(id=who, roles=directory[who]) if who in directory else None

    content = {"workflow.yaml": workflow({}), "shared/secret.md": DOCUMENT}
    with temporary_workspace(content=content) as folder:
        async with cm.open(
            folder, home=tmp_path / "home", embedder=Words(), resolve=resolve, draft=True
        ) as opened:
            yield opened


async def test_access_that_was_withdrawn_between_turns_is_gone_in_the_next(desk, directory) -> None:
    first = await desk.run("What is the fee of a card?", principal="ana", thread="t")
    assert "textmark0" in first.outcome.text
    directory["ana"] = ()
    for text in ("What is the fee of a card?", "And what was it again?", "Repeat that, please."):
        run = await desk.run(text, principal="ana", thread="t")
        assert run.status == "escalated"
        assert "textmark0" not in repr(run.turn) + run.outcome.model_dump_json()
        assert run.turn.retrieved is None or run.turn.retrieved.documents == ()


async def test_role_that_was_renamed_reads_nothing_until_its_documents_follow(
    desk, directory
) -> None:
    assert (await desk.run("What is the fee of a card?", principal="ben")).status == "answered"
    directory["ben"] = ("Staff",)
    assert (await desk.run("What is the fee of a card?", principal="ben")).status == "escalated"


async def test_follow_up_is_searched_with_what_it_leans_on(desk) -> None:
    await desk.run("What is the fee of a card?", principal="ana", thread="t")
    run = await desk.run("And why is it so?", principal="ana", thread="t")
    assert run.turn.request.follows
    assert "fee of a card" in run.turn.retrieved.query
    assert run.turn.retrieved.documents == ("secret",)
