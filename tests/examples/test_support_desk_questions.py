"""The sample desk asks which of two requests is meant, and goes on with a second one."""

import concertmaster as cm
from concertmaster.testing import temporary_home


async def test_close_intents_are_asked_about_and_the_answer_chooses_one(root):
    with temporary_home() as home:
        async with cm.open(root / "examples" / "support_desk", home=home) as desk:
            asked = await desk.run("order 1042 late", principal="ana", thread="t")
            assert (asked.status, asked.outcome.asks) == ("answered", "intent")
            assert "(1)" in asked.outcome.text
            assert not [e for e in asked.events if e.type in ("plan.proposed", "tool.called")]
            run = await desk.run("2", principal="ana", thread="t")
            (read,) = [e for e in run.events if e.type == "intent.classified"]
            assert read.data["method"] == "chosen"
            assert "1042" in run.outcome.text


async def test_second_request_is_named_and_taken_up_on_agreement(root):
    text = "Where is my order 1042? And also, how many points do I get for an order?"
    with temporary_home() as home:
        async with cm.open(root / "examples" / "support_desk", home=home) as desk:
            first = await desk.run(text, principal="ana", thread="t")
            assert "1042" in first.outcome.text
            assert "the Linden Club. Shall I go on with that?" in first.outcome.text
            second = await desk.run("yes please", principal="ana", thread="t")
            (read,) = [e for e in second.events if e.type == "intent.classified"]
            assert (read.data["intent"], read.data["method"]) == ("loyalty_programme", "chosen")
            assert second.outcome.asks is None
