import json
from pathlib import Path

import pytest

from concertmaster.contracts import Principal
from concertmaster.contracts.spec import AccessRule, KnowledgeSpec
from concertmaster.retrieval.embeddings import default_embedder
from concertmaster.retrieval.knowledge import Knowledge
from concertmaster.retrieval.relevance import judge

FEES = "Fees\n\nThe fee of a gold card is four euros."


def sufficient(words: str, cosine: float | None, *passages: str) -> bool:
    stems = words.split()
    return judge(stems, dict.fromkeys(stems, 1.0), passages, cosine, 0.45).sufficient


def test_near_passage_with_the_question_s_words_is_enough() -> None:
    assert sufficient("fee gold card", 0.5, FEES)


def test_far_passage_is_not_enough_whatever_its_words() -> None:
    assert not sufficient("fee gold card", 0.2, FEES)


def test_short_question_whose_words_are_missing_needs_a_nearer_passage() -> None:
    assert not sufficient("fee houseboat mortgage peru", 0.46, FEES)
    assert sufficient("fee houseboat mortgage peru", 0.6, FEES)


def test_long_message_is_not_held_to_its_words() -> None:
    long = " ".join(f"word{n}" for n in range(40))
    assert sufficient(f"fee gold card {long}", 0.5, FEES)


def test_without_vectors_most_words_must_be_there() -> None:
    assert sufficient("fee gold card", None, FEES)
    assert not sufficient("fee silver bond", None, FEES)
    assert not sufficient("fee", None, FEES)


def test_no_passage_and_no_words_are_not_enough() -> None:
    assert not sufficient("fee", 0.0)
    assert not sufficient("", 0.9, FEES)


@pytest.fixture(scope="module")
def bank(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """A part of a bank's real documents: its credit cards and its payments."""
    import asyncio

    folder = tmp_path_factory.mktemp("bank")
    lines = (shared_data / "rho_bank/documents.jsonl").read_text().splitlines()
    kept = [
        line
        for line in lines
        if json.loads(line)["id"].startswith(("doc_credit_cards_credit", "doc_everyone_pay"))
    ]
    (folder / "documents.jsonl").write_text("\n".join(kept))
    rule = AccessRule(title="^Internal:", readers=("role:staff",))
    knowledge = Knowledge.open(folder / "index", spec=KnowledgeSpec(rules=(rule,)))
    asyncio.run(knowledge.ingest([folder / "documents.jsonl"]))
    yield knowledge
    knowledge.close()


@pytest.mark.parametrize(
    "question",
    [
        "How do I block a user on Everyone Pay?",
        "Why was my Everyone Pay transaction declined?",
        "Where do I find my credit card numbers online?",
        "Hi there! I sent money to a friend yesterday and it never arrived. I have tried three"
        " times now, and I would like to know what the sending limits are before I try again.",
        "split a restaurant bill",
    ],
)
async def test_real_questions_find_enough(bank, question: str) -> None:
    assert (await bank.retrieve(question, Principal(id="c"))).sufficient


@pytest.mark.parametrize(
    "question",
    [
        "What is the weather like in Lisbon?",
        "Do you have a podcast?",
        "Can I book a flight to Paris?",
        "How do I reset my router?",
        "What is your return policy for shoes?",
        "who won the game last night",
        "Do you gift wrap?",
    ],
)
async def test_questions_about_other_things_find_nothing(bank, question: str) -> None:
    assert not (await bank.retrieve(question, Principal(id="c"))).sufficient


async def test_internal_documents_of_the_bank_stay_inside(bank) -> None:
    question = "internal procedure for disputes and replacement of credit cards"
    customer = await bank.retrieve(question, Principal(id="c", roles=("customer",)))
    staff = await bank.retrieve(question, Principal(id="s", roles=("staff",)))
    assert any(e.title.startswith("Internal:") for e in staff.evidence)
    assert not any(e.title.startswith("Internal:") for e in customer.evidence)


def test_default_embedder_carries_the_calibrated_figure() -> None:
    assert default_embedder().relevant == 0.45
