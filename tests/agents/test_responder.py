import pytest

from concertmaster.agents.responder import compose
from concertmaster.contracts import (
    Action,
    ActionResult,
    Draft,
    Finding,
    Intent,
    Sentence,
    Verdict,
)
from concertmaster.testing import ScriptedModel, Wait

OPEN = "We open at nine in the morning and close at six."
CARDS = "Cards are accepted in every shop of the country."


def result(position=0, status="done", **more):
    fields = {"key": f"k{position}", "tool": "get_order", "output": None, **more}
    return ActionResult(position=position, status=status, **fields)


def done_turn(*results):
    actions = tuple(
        Action(position=r.position, step="step", tool=r.tool, arguments={}, key=r.key, why="x")
        for r in results
    )
    return {"actions": actions, "results": {str(r.position): r for r in results}}


async def draft_of(task):
    return (await compose(task))["draft"]


async def test_without_a_model_the_sources_own_sentences_answer(task_of, events):
    draft = await draft_of(task_of(evidence=[CARDS, OPEN], text="When do you open in the morning?"))
    assert (draft.text, draft.method) == (f"{OPEN} [2]", "extractive")
    assert draft.sentences[0].citations[0].document == "doc-2"
    (event,) = await events()
    assert event.data["cited"] == ["doc-2"]


async def test_part_that_says_little_is_answered_with_the_whole_message(task_of):
    intent = Intent(
        name="hours",
        in_scope=True,
        confidence=0.9,
        method="linear",
        why="x",
        owner="front-desk",
        text="Hi, I need help.",
    )
    whole = "Hi, I need help. When do you open in the morning?"
    draft = await draft_of(task_of(evidence=[CARDS, OPEN], text=whole, intent=intent))
    assert draft.text == f"{OPEN} [2]"


async def test_nothing_found_makes_an_empty_draft(task_of):
    assert (await draft_of(task_of(evidence=[]))).text == ""


async def test_sentence_that_the_critic_refused_is_left_out_of_the_next_draft(task_of):
    more = "We open at ten on Sunday, and the morning is quiet."
    task = task_of(evidence=[OPEN, more], text="When do you open in the morning?")
    first = await draft_of(task)
    wrong = next(i for i, s in enumerate(first.sentences) if s.text == OPEN)
    verdict = Verdict(status="revise", findings=(Finding(check="x", sentence=wrong, why="no"),))
    again = task_of(
        evidence=[OPEN, more],
        text="When do you open in the morning?",
        draft=first,
        verdict=verdict,
    )
    update = await compose(again)
    assert OPEN not in update["draft"].text
    assert update["revisions"] == 1
    assert update["verdict"] is None


async def test_verdict_without_a_draft_bans_nothing(task_of):
    task = task_of(evidence=[OPEN], verdict=Verdict(status="revise"))
    assert OPEN in (await draft_of(task)).text


async def test_fixed_wording_is_said_as_it_is(task_of):
    draft = await draft_of(task_of(said="Which order do you mean?", asks="order_id"))
    assert (draft.text, draft.asks, draft.method) == (
        "Which order do you mean?",
        "order_id",
        "template",
    )


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("denied", "This was not done: only your own orders"),
        ("rejected", "A reviewer decided against it: only your own orders"),
        ("failed", "This could not be done: only your own orders"),
        ("in_doubt", "Whether this took place is being checked by a person: only your own orders"),
    ],
)
async def test_what_did_not_take_place_is_said_even_with_other_wording_at_hand(
    task_of, status, said
):
    turn = done_turn(result(0, status, message="only your own orders"))
    draft = await draft_of(task_of(**turn, said="All done!"))
    assert said in draft.text
    assert "All done" not in draft.text


async def test_reviewers_words_take_the_place_of_a_result(task_of):
    turn = done_turn(result(0, "answered", message="We call you tomorrow."))
    assert (await draft_of(task_of(**turn))).text == "We call you tomorrow."


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            {"order_id": 7, "state": "sent", "lines": [1], "note": ""},
            "get order: order id 7, state sent.",
        ),
        ("sent yesterday", "get order: sent yesterday."),
        (3, "get order: 3."),
    ],
)
async def test_result_without_wording_is_reported_plainly(task_of, output, said):
    draft = await draft_of(task_of(**done_turn(result(0, output=output))))
    assert (draft.text, draft.sentences[0].basis) == (said, "tool")


async def test_what_was_done_besides_is_told_with_what_was_refused(task_of):
    turn = done_turn(
        result(0, output={"amount": 20}, tool="refund", consequential=True),
        result(1, "denied", message="no such tool"),
        result(2, output={"seen": 1}),
    )
    text = (await draft_of(task_of(**turn))).text
    assert "no such tool" in text
    assert "refund: amount 20." in text
    assert "seen" not in text


# With a model


async def test_model_writes_with_citations_and_its_costs_are_counted(task_of, events):
    model = ScriptedModel("The shop opens at nine [1]. Cards are fine everywhere. [2]")
    update = await compose(task_of(evidence=[OPEN, CARDS], model=model))
    draft = update["draft"]
    assert draft.method == "model"
    assert [[c.number for c in s.citations] for s in draft.sentences] == [[1], [2]]
    assert update["usage"].model_calls == 1
    assert [e.type for e in await events()][:2] == ["model.chosen", "model.called"]


async def test_claim_without_a_mark_still_claims_a_source(task_of):
    model = ScriptedModel("Refunds are always free.")
    draft = await draft_of(task_of(evidence=[OPEN], model=model))
    assert [(s.basis, s.citations) for s in draft.sentences] == [("evidence", ())]


async def test_claim_after_calls_claims_their_results(task_of):
    turn = done_turn(result(0, output={"amount": 20}))
    draft = await draft_of(task_of(**turn, model=ScriptedModel("You got 20 back.")))
    assert draft.sentences[0].basis == "tool"


@pytest.mark.parametrize(
    ("said", "basis"),
    [
        ("Is there anything else I can do for you?", "form"),
        ("Which order do you mean?", "form"),
        ("Your refund of 500 EUR is on its way, is that all right?", "evidence"),
        ("Did you know that returns cost 12 EUR?", "evidence"),
        ("Refunds are always free, right?", "evidence"),
        ("Is it not nice: every refund is free for members of our club?", "evidence"),
        ("Can you believe it; we pay everything back?", "evidence"),
    ],
)
async def test_claim_does_not_hide_behind_a_question_mark(task_of, said, basis):
    draft = await draft_of(task_of(evidence=[OPEN], model=ScriptedModel(said)))
    assert [s.basis for s in draft.sentences] == [basis]


@pytest.mark.parametrize("said", ["[1]", "[1] [2].", "   "])
async def test_marks_alone_are_no_answer(task_of, said):
    task = task_of(evidence=[OPEN], model=ScriptedModel(otherwise=said))
    assert (await draft_of(task)).method == "extractive"


async def test_mark_of_a_passage_that_does_not_exist_cites_nothing(task_of):
    draft = await draft_of(task_of(evidence=[OPEN], model=ScriptedModel("We open at nine [9].")))
    assert [(s.basis, s.citations) for s in draft.sentences] == [("evidence", ())]


async def test_slow_model_leaves_time_to_answer_without_it(task_of, events):
    task = task_of(evidence=[OPEN], model=ScriptedModel(Wait(60, "late")))
    assert (await draft_of(task)).method == "extractive"
    failed = next(e for e in await events() if e.type == "model.failed")
    assert "did not answer within 1.6 s" in failed.why


async def test_restricted_step_does_not_ask_a_model_of_less_clearance(task_of):
    model = ScriptedModel()
    task = task_of(evidence=[OPEN], model=model)
    step = task.step.model_copy(
        update={"model": task.step.model.model_copy(update={"clearance": "restricted"})}
    )
    object.__setattr__(task, "step", step)
    assert (await draft_of(task)).method == "extractive"
    assert model.prompts == ()


async def test_model_is_told_what_the_critic_found(task_of):
    model = ScriptedModel("We open at nine [1].")
    draft = Draft(
        text="We open at 7.", sentences=(Sentence(text="x", basis="form"),), method="model"
    )
    finding = Finding(check="number", sentence=0, why="7 does not stand in the cited passages")
    verdict = Verdict(status="revise", findings=(finding,))
    await compose(task_of(evidence=[OPEN], model=model, draft=draft, verdict=verdict))
    assert "7 does not stand in the cited passages" in model.prompts[0].text
