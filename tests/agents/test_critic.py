from concertmaster.agents.critic import judge
from concertmaster.contracts import Citation, Draft, Sentence

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
