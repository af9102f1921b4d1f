from concertmaster.agents.retriever import retrieve
from concertmaster.contracts import Confidentiality, Intent, Principal
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.knowledge import Document, Knowledge

FEES = Document(
    id="fees", title="Fees", text="A card costs five euros a year.", readers=("role:staff",)
)


async def library(folder):
    knowledge = Knowledge.open(folder, spec=KnowledgeSpec())
    await knowledge.ingest([FEES])
    return knowledge


async def test_without_knowledge_nothing_is_found_and_the_owner_is_named(task_of, events):
    found = (await retrieve(task_of("retriever")))["retrieved"]
    assert (found.sufficient, found.owner) == (False, "ops")
    assert found.why == "the workspace has no knowledge"
    (event,) = await events()
    assert (event.type, event.data["evidence"]) == ("retrieval.done", [])


async def test_intents_owner_comes_before_the_steps(task_of):
    intent = Intent(
        name="hours", in_scope=True, confidence=1, method="linear", why="", owner="hours-team"
    )
    found = (await retrieve(task_of("retriever", intent=intent)))["retrieved"]
    assert found.owner == "hours-team"


async def test_reader_gets_evidence_and_the_turn_its_label(task_of, tmp_path):
    knowledge = await library(tmp_path)
    staff = Principal(id="sam", roles=("staff",))
    task = task_of("retriever", "What does a card cost?", knowledge=knowledge, who=staff)
    update = await retrieve(task)
    knowledge.close()
    assert update["retrieved"].documents == ("fees",)
    assert update["label"].confidentiality >= Confidentiality.internal


async def test_who_may_not_read_gets_nothing_not_even_a_name(task_of, tmp_path, events):
    knowledge = await library(tmp_path)
    update = await retrieve(task_of("retriever", "What does a card cost?", knowledge=knowledge))
    knowledge.close()
    assert update["retrieved"].evidence == ()
    assert "fees" not in "".join(e.model_dump_json() for e in await events())
