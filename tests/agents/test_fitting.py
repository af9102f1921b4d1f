"""How prompts are made to fit: what goes first, what is told, and what never happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.fitting import Fitted, Material, Prompt, Unfit, fit
from concertmaster.contracts import ActionResult, Confidentiality, Evidence, Label, Message
from concertmaster.contracts.context import ContextSpec, Note
from concertmaster.models.spec import ModelSpec
from concertmaster.tools import declare
from concertmaster.tools.toolbox import Toolbox

PUBLIC = Label(sources=("request",))


@declare(effect="read", label="internal")
def look(at: str) -> str:
    """Look."""
    return at


TOOLS = Toolbox.of(look)


def model(context=None, clearance=Confidentiality.internal):
    return ModelSpec(name="m", provider="program", context=context, clearance=clearance)


def said(number, size=90, label=PUBLIC):
    role = "user" if number % 2 == 0 else "assistant"
    text = f"m{number} ".ljust(size, "x")
    return Message(role=role, text=text, run=f"r-{number // 2}", label=label)


def passage(number, score, size=300, readers=("everyone",)):
    text = f"p{number} ".ljust(size, "x")
    return Evidence(
        number=number,
        document=f"d-{number}",
        version="1",
        title="t",
        text=text,
        start=0,
        end=size,
        score=score,
        readers=readers,
    )


def result(position, size=3000):
    return ActionResult(position=position, key="k", tool="look", status="done", output="x" * size)


def write(material):
    parts = [material.summary, *(f"[{e.number}] {e.text}" for e in material.evidence)]
    parts += [str(r.output)[: material.longest] for r in material.results]
    return [
        {"role": "system", "content": "You answer."},
        *({"role": m.role, "content": m.text} for m in material.history),
        {"role": "user", "content": "\n".join([*parts, "Why?"])},
    ]


def prompt(rules=None, notes=(), **material):
    return Prompt(
        write=write,
        label=PUBLIC,
        material=Material(**material),
        rules=rules or ContextSpec(),
        notes=notes,
        toolbox=TOOLS,
    )


FULL = {
    "history": tuple(said(n) for n in range(9)),
    "evidence": (passage(1, 0.9), passage(2, 0.2), passage(3, 0.5)),
    "results": (result(0),),
}


def text_of(fitted):
    return "\n".join(str(m["content"]) for m in fitted.messages)


def test_model_without_a_bound_gets_all_that_is_declared():
    fitted = fit(prompt(**FULL), model(), 500)
    assert all(f"[{n}]" in text_of(fitted) for n in (1, 2, 3))
    assert fitted.left_out == ("4 of 9 messages",)


def test_history_that_begins_with_an_answer_loses_it():
    fitted = fit(prompt(history=tuple(said(n) for n in range(8))), model(), 500)
    assert [m["role"] for m in fitted.messages][:2] == ["system", "user"]
    assert "m2 " in text_of(fitted)
    odd = fit(prompt(ContextSpec(keep=3), history=tuple(said(n) for n in range(8))), model(), 500)
    assert [m["role"] for m in odd.messages] == ["system", "user", "assistant", "user"]


def test_messages_go_before_results_and_results_before_passages():
    order = []
    for context in range(3200, 256, -40):
        fitted = fit(prompt(**FULL), model(context), 100)
        if isinstance(fitted, Unfit):
            break
        order.append(fitted.left_out)
    told = [" ".join(one) for one in order]
    first = {part: next(n for n, one in enumerate(told) if part in one) for part in PARTS}
    assert first["of 9 messages"] <= first["beyond"] < first["passages"]


PARTS = ("of 9 messages", "beyond", "passages")


def test_passages_go_from_the_worst_score_up_and_keep_their_numbers():
    found = prompt(evidence=FULL["evidence"])
    two = fit(found, model(470), 200)
    assert "[2]" not in text_of(two)
    assert "[1]" in text_of(two)
    assert "[3]" in text_of(two)
    assert two.left_out == ("1 of 3 passages",)
    one = fit(found, model(360), 200)
    assert "[1]" in text_of(one)
    assert one.left_out == ("2 of 3 passages",)


def test_where_all_passages_are_declared_the_model_is_passed_over():
    found = prompt(ContextSpec(evidence="all"), evidence=FULL["evidence"])
    unfit = fit(found, model(470), 200)
    assert isinstance(unfit, Unfit)
    assert "holds 470 tokens" in unfit.why


def test_what_a_model_was_seen_to_count_is_what_fits():
    found = prompt(**FULL)
    assert (
        fit(found, model(2600), 100).left_out
        != fit(found, model(2600), 100, lambda n: 3 * n).left_out
    )


@given(
    st.integers(min_value=0, max_value=14),
    st.lists(st.tuples(st.floats(0, 1), st.integers(10, 900)), max_size=6),
    st.lists(st.integers(0, 9000), max_size=3),
    st.integers(min_value=256, max_value=6000),
    st.integers(min_value=1, max_value=1000),
    st.sampled_from(["trim", "summarize"]),
)
def test_what_is_fitted_always_fits(history, passages, results, context, output, how):
    found = prompt(
        ContextSpec(history=how),
        notes=tuple(Note(run=f"r-{n}", asked="x" * 99, status="answered") for n in range(9)),
        history=tuple(said(n) for n in range(history)),
        evidence=tuple(passage(n + 1, s, size) for n, (s, size) in enumerate(passages)),
        results=tuple(result(n, size) for n, size in enumerate(results)),
    )
    fitted = fit(found, model(context), output)
    if isinstance(fitted, Fitted):
        assert fitted.tokens + output <= context
        if passages:
            best = max(passages, key=lambda one: one[0])[0]
            assert any(
                f"[{n + 1}] p{n + 1} " in text_of(fitted)
                for n, (score, _) in enumerate(passages)
                if score == best
            )
    else:
        assert found.call(output).tokens + output > context


def test_turns_whose_messages_are_gone_are_summarized_where_declared():
    notes = tuple(Note(run=f"r-{n}", asked=f"asked {n}", status="answered") for n in range(4))
    history = tuple(said(n) for n in range(8))
    trimmed = fit(prompt(ContextSpec(keep=4), notes, history=history), model(), 500)
    rules = ContextSpec(keep=4, history="summarize")
    told = fit(prompt(rules, notes, history=history), model(), 500)
    assert "asked" not in text_of(trimmed)
    assert "asked 0" in text_of(told)
    assert "asked 1" in text_of(told)
    assert "asked 2" not in text_of(told)


@pytest.mark.parametrize(
    ("readers", "level"),
    [(("everyone",), "public"), (("role:staff",), "internal"), (("group:x",), "restricted")],
)
def test_label_is_the_join_of_what_stands_in_it(readers, level):
    found = prompt(evidence=(passage(1, 1.0, readers=readers),))
    fitted = fit(found, model(clearance=Confidentiality.restricted), 10)
    assert fitted.label.confidentiality.name == level
