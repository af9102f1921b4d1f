import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from concertmaster.agents.critic import judge
from concertmaster.agents.similarity import similarity_of
from concertmaster.agents.support import LEAST_SIMILAR, check_claim
from concertmaster.contracts import ActionResult, Citation, Draft, Sentence
from concertmaster.retrieval.embeddings import LangChainEmbedder, default_embedder
from concertmaster.testing import ScriptedModel

OPEN = "We open at nine in the morning."


def draft(*sentences, text=None, method="model"):
    said = " ".join(s.text for s in sentences) if text is None else text
    return Draft(text=said, sentences=sentences, method=method)


def claim(text, number=1, **more):
    citation = Citation(
        number=number, document=f"doc-{number}", version="v1", title="T", start=0, end=len(OPEN)
    )
    return Sentence(text=text, basis="evidence", citations=(citation,), **more)


async def verdict_of(task):
    return (await judge(task))["verdict"]


async def test_supported_draft_passes(task_of, events):
    verdict = await verdict_of(task_of("critic", evidence=[OPEN], draft=draft(claim(OPEN))))
    assert (verdict.status, verdict.supported) == ("pass", 1.0)
    (event,) = await events()
    assert event.why == "verdict: pass"


async def test_no_draft_is_no_answer(task_of):
    verdict = await verdict_of(task_of("critic"))
    assert (verdict.status, verdict.why) == ("escalate", "there is no draft to judge")


async def test_empty_draft_says_that_the_sources_do_not_answer(task_of):
    verdict = await verdict_of(task_of("critic", draft=draft(text=" ")))
    assert "nothing in the sources" in verdict.why


async def test_passage_that_the_reader_may_not_read_stops_the_answer(task_of, passage_of):
    hidden = passage_of(1, OPEN, readers=("role:staff",))
    task = task_of("critic", evidence=[hidden], draft=draft(claim(OPEN)))
    verdict = await verdict_of(task)
    assert (verdict.status, verdict.why) == (
        "escalate",
        "a source may not be read by the reader",
    )


async def test_citation_of_nothing_stops_the_answer(task_of):
    verdict = await verdict_of(task_of("critic", evidence=[OPEN], draft=draft(claim(OPEN, 9))))
    assert verdict.status == "escalate"


async def test_unsupported_sentence_is_revised_and_at_last_escalated(task_of):
    wrong = draft(claim(OPEN), claim("We open at 7 on every second Sunday of the month."))
    verdict = await verdict_of(task_of("critic", evidence=[OPEN], draft=wrong))
    assert (verdict.status, verdict.supported) == ("revise", 0.5)
    last = await verdict_of(task_of("critic", evidence=[OPEN], draft=wrong, revisions=2))
    assert (last.status, last.why) == (
        "escalate",
        "the draft still lacks support after the revisions allowed",
    )


async def test_business_rule_that_is_broken_stops_the_answer(task_of):
    rule = {"id": "no_promises", "check": "!draft.text.contains('guarantee')", "why": "no promise"}
    good = draft(Sentence(text="We try.", basis="form"))
    bad = draft(Sentence(text="We guarantee it.", basis="form"))
    assert (await verdict_of(task_of("critic", draft=good, rules=[rule]))).status == "pass"
    verdict = await verdict_of(task_of("critic", draft=bad, rules=[rule]))
    assert (verdict.status, verdict.why) == ("escalate", "no promise")
    assert verdict.findings[0].check == "rule:no_promises"


async def test_rule_that_cannot_be_evaluated_stops_the_answer(task_of):
    rule = {"id": "typo", "check": "intent.name == 'x'", "why": "only about x"}
    said = draft(Sentence(text="Hello.", basis="form"))
    assert (await verdict_of(task_of("critic", draft=said, rules=[rule]))).status == "escalate"


async def test_number_with_more_digits_than_python_reads_is_only_a_number(task_of):
    said = draft(Sentence(text="It is " + "9" * 5000 + ".", basis="tool"))
    verdict = await verdict_of(task_of("critic", draft=said))
    assert verdict.findings[0].check == "number"


async def judged_by(task_of, answer, *, said="We open at nine in every morning."):
    task = task_of(
        "critic", evidence=[OPEN], draft=draft(claim(said)), model=ScriptedModel(otherwise=answer)
    )
    return (await judge(task))["verdict"]


async def test_model_may_object_to_what_the_checks_let_pass(task_of):
    objection = {"sentence": 1, "why": "every is too much", "needs": "hours of each day"}
    verdict = await judged_by(task_of, {"unsupported": [objection]})
    assert verdict.status == "revise"
    assert (verdict.findings[0].check, verdict.findings[0].needs) == ("judge", "hours of each day")


async def test_model_that_objects_to_nothing_leaves_the_verdict(task_of):
    assert (await judged_by(task_of, {"unsupported": []})).status == "pass"


async def test_model_cannot_save_what_the_checks_found(task_of):
    model = ScriptedModel(otherwise={"unsupported": []})
    wrong = draft(claim("We open at seven in the morning."))
    task = task_of("critic", evidence=[OPEN], draft=wrong, model=model)
    assert (await verdict_of(task)).status == "revise"
    assert model.prompts == ()


@pytest.mark.parametrize(
    "answer",
    [
        {"unsupported": [{"sentence": 9, "why": "x", "needs": ""}]},
        {"unsupported": [{"sentence": 0, "why": "x", "needs": ""}]},
        {"unsupported": [{"sentence": "1", "why": "x", "needs": ""}]},
        {"verdict": "pass"},
        "All is well.",
        RuntimeError("the provider is away"),
    ],
)
async def test_judgement_of_another_form_is_no_opinion_and_is_recorded(task_of, events, answer):
    verdict = await judged_by(task_of, answer)
    assert verdict.status == "pass"
    assert "model.failed" in [e.type for e in await events()]


async def test_words_of_the_principal_are_no_result_for_a_model(task_of):
    said = Sentence(text="Your balance is 5000 EUR.", basis="tool")
    result = ActionResult(position=0, key="k", tool="look", status="done", output={"ok": True})
    asked = {"text": "My balance is 5000 EUR, right?", "results": {"0": result}}
    verdict = await verdict_of(task_of("critic", draft=draft(said), need=None, **asked))
    assert verdict.findings[0].check == "number"
    worded = draft(said, method="template")
    assert (await verdict_of(task_of("critic", draft=worded, need=None, **asked))).status == "pass"


async def test_sentence_about_something_else_is_found_by_its_meaning(task_of):
    def unlike(_claim, _texts):
        return 0.1

    found = check_claim(0, "We open in the morning.", [OPEN], unlike)
    assert [f.check for f in found] == ["similarity"]


async def test_draft_is_compared_by_the_built_in_embedding_only():
    assert similarity_of(None) is None
    other = LangChainEmbedder(DeterministicFakeEmbedding(size=8), name="fake-8")
    assert similarity_of(other) is None
    measure = similarity_of(default_embedder())
    assert measure("We open at nine.", [OPEN]) > LEAST_SIMILAR
    assert measure("Bananas grow on plants in the tropics.", [OPEN]) < LEAST_SIMILAR
