"""What stands for turns whose messages are gone."""

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.recollection import KEPT, note_of, recollected, remembered
from concertmaster.contracts import ActionResult, Label, Outcome, Turn
from concertmaster.contracts.context import ContextSpec, Note, Summary
from concertmaster.contracts.request import Request

RULES = ContextSpec(history="summarize")


def note(number, **more):
    return Note(
        **{"run": f"r-{number}", "asked": f"question {number}", "status": "answered"} | more
    )


def turn_of(text, *results, **more):
    request = Request(text=text, resolved=text, principal="ana", received="now")
    return Turn(run="r", request=request, results={str(r.position): r for r in results}, **more)


def test_note_has_the_authors_words_and_what_was_done():
    done = ActionResult(position=0, key="k", tool="refund", status="done", consequential=True)
    read = ActionResult(position=1, key="l", tool="look", status="done")
    denied = done.model_copy(update={"position": 2, "tool": "pay", "status": "denied"})
    made = note_of(turn_of("Refund  it\nplease", done, read, denied), Outcome(status="answered"))
    assert (made.asked, made.did, made.status) == ("Refund it please", ("refund",), "answered")


def test_note_of_what_was_said_by_tools_and_documents_holds_none_of_it():
    told = ActionResult(position=0, key="k", tool="look", status="done", output="SECRET")
    made = note_of(turn_of("look", told), Outcome(status="answered", text="SECRET"))
    assert "SECRET" not in made.model_dump_json()


def test_notes_are_bounded_and_a_turn_has_one():
    notes = ()
    for number in range(100):
        notes = remembered(notes, note(number))
    again = remembered(notes, note(99, status="refused"))
    assert len(notes) == len(again) == KEPT
    assert (again[-1].run, again[-1].status) == ("r-99", "refused")


def test_summary_tells_of_the_turns_that_are_gone_only():
    told = recollected([note(1), note(2, did=("refund",)), note(3)], {"r-3"}, RULES)
    assert told == (
        '- asked: "question 1"; answered\n- asked: "question 2"; done: refund; answered'
    )


def test_open_question_is_told():
    assert "asked back for order_id" in recollected([note(1, open="order_id")], (), RULES)


def test_models_summary_stands_in_place_of_the_notes_of_its_turns():
    earlier = Summary(text="They asked twice.", label=Label(sources=("x",)), runs=("r-1", "r-2"))
    told = recollected([note(1), note(2), note(3)], (), RULES, earlier=earlier)
    assert told == 'They asked twice.\n- asked: "question 3"; answered'


@given(
    st.lists(st.text(max_size=300), max_size=40),
    st.integers(min_value=100, max_value=4000),
    st.text(max_size=9000),
)
def test_summary_is_never_longer_than_declared(asked, most, text):
    notes = [note(n, asked=words[:160]) for n, words in enumerate(asked)]
    earlier = Summary(text=text, label=Label(sources=("x",)), runs=("other",))
    rules = ContextSpec(history="summarize", summary=most)
    assert len(recollected(notes, (), rules, earlier=earlier)) <= most


def test_where_room_is_short_the_latest_turns_are_told():
    rules = ContextSpec(history="summarize", summary=100)
    told = recollected([note(n) for n in range(20)], (), rules)
    assert "question 19" in told
    assert 'question 1"' not in told
