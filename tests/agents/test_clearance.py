"""Attacks on the clearance of models: text above it reaches none, whatever the route."""

from dataclasses import replace

import pytest

from concertmaster.agents.asking import ask, chosen
from concertmaster.agents.clearance import answer_label
from concertmaster.agents.exchange import exchange
from concertmaster.agents.intent import classify_intent
from concertmaster.agents.prompts import answer_prompt, judging_prompt, planning_prompt
from concertmaster.agents.recorder import Recorder
from concertmaster.agents.responder import compose
from concertmaster.contracts import (
    Action,
    ActionResult,
    Confidentiality,
    Draft,
    Label,
    Message,
    Sentence,
    Verdict,
)
from concertmaster.contracts.spec import RouteSpec
from concertmaster.errors import ModelUnavailable
from concertmaster.graphs.choose import _ask as choose_route
from concertmaster.models.spec import ModelSpec
from concertmaster.testing import ScriptedModel
from concertmaster.tools import declare
from concertmaster.tools.toolbox import Toolbox

SECRET = "The lease of the depot ends in May."
RESTRICTED = Label(confidentiality=Confidentiality.restricted, sources=("deed",))


@declare(effect="read", label="restricted")
def salaries(of: str) -> str:
    """Look salaries up."""
    return of


@declare(effect="read", label="internal")
def look(at: str) -> str:
    """Look."""
    return at


def cleared(level, *steps, name="m", otherwise="Ok."):
    spec = ModelSpec(name=name, provider="program", tier="best", clearance=Confidentiality[level])
    return spec, ScriptedModel(*steps, otherwise=otherwise)


def with_tools(task, **turn):
    services = replace(task.services, toolbox=Toolbox.of(salaries, look))
    return task_with(replace(task, services=services), **turn)


def task_with(task, messages=(), **turn):
    return replace(task, turn=task.turn.model_copy(update=turn), messages=tuple(messages))


def called(tool="salaries", **more):
    action = Action(position=0, step="step", tool=tool, arguments={"of": "x"}, key="k", why="w")
    fields = {"position": 0, "key": "k", "tool": tool, "status": "done", "output": SECRET} | more
    return {"actions": (action,), "results": {"0": ActionResult(**fields)}}


async def test_restricted_evidence_is_not_sent_to_a_model_cleared_for_less(
    task_of, passage_of, events
):
    spec, model = cleared("internal", "It ends in May. [1]")
    found = passage_of(1, SECRET, readers=("group:board",))
    update = await compose(task_of(text="When does it end?", evidence=[found], model=(spec, model)))
    assert model.prompts == ()
    assert update["draft"].method == "extractive"
    (event,) = [e for e in await events() if e.type == "model.failed"]
    assert "is cleared for internal data; this is restricted" in event.why


async def test_model_that_is_cleared_gets_it_in_place_of_one_that_is_not(
    task_of, passage_of, events
):
    other, ours = cleared("internal", name="other"), cleared("restricted", f"{SECRET} [1]")
    found = passage_of(1, SECRET, readers=("user:ana",))
    task = task_of(text="When does the lease end?", evidence=[found], model=[other, ours])
    update = await compose(task)
    assert (other[1].prompts, len(ours[1].prompts)) == ((), 1)
    assert update["composed"].confidentiality == Confidentiality.restricted
    chosen_ = [e for e in await events() if e.type == "model.chosen"]
    assert "other is cleared for internal data; this is restricted" in chosen_[0].why


async def test_forged_label_in_the_state_does_not_lower_a_passages_own(task_of, passage_of):
    spec, model = cleared("internal")
    forged = Label(confidentiality=Confidentiality.public, sources=("x",))
    found = passage_of(1, SECRET, readers=("group:board",), label=forged)
    await compose(task_of(evidence=[found], model=(spec, model)))
    assert model.prompts == ()


async def test_message_that_quotes_a_restricted_document_is_left_out(task_of, passage_of, events):
    spec, model = cleared("internal", "We open at nine. [1]")
    before = (
        Message(role="user", text="And the lease?", run="r-0", label=Label(sources=("request",))),
        Message(role="assistant", text=SECRET, run="r-0", label=RESTRICTED),
    )
    task = task_of(evidence=["We open at nine."], model=(spec, model))
    await compose(task_with(task, before))
    assert len(model.prompts) == 1
    assert SECRET not in model.prompts[0].text
    (event,) = [e for e in await events() if e.type == "model.chosen"]
    assert event.data["left_out"] == ["2 of 2 messages, 2 of them above its clearance"]


async def test_message_that_nobody_labelled_counts_as_restricted(task_of):
    spec, model = cleared("internal", "Ok. [1]")
    unlabelled = Message(role="user", text=SECRET, run="r-0")
    await compose(task_with(task_of(evidence=["We open."], model=(spec, model)), [unlabelled]))
    assert SECRET not in model.prompts[0].text


async def test_answer_bears_the_label_of_all_that_its_model_read(task_of, passage_of):
    spec, model = cleared("restricted", "We open at nine. [2]")
    found = [passage_of(1, SECRET, readers=("user:ana",)), passage_of(2, "We open at nine.")]
    task = task_of(evidence=found, model=(spec, model))
    update = await compose(task)
    after = task.turn.model_copy(update=update)
    assert [c.number for s in after.draft.sentences for c in s.citations] == [2]
    label = answer_label(after, (), task.services.toolbox)
    assert label.confidentiality == Confidentiality.restricted


async def test_restricted_result_is_not_sent_to_the_planner(task_of):
    spec, model = cleared("internal")
    task = with_tools(task_of("executor", need="plan", model=(spec, model)), **called())
    prompt = planning_prompt(task, ())
    assert "this is restricted" in chosen(task, prompt).reason
    careless = task.services.models.choose(task.step.model)
    with pytest.raises(ModelUnavailable, match="cleared for internal data; this is restricted"):
        await ask(task, careless, prompt, why="careless")
    assert model.prompts == ()


async def test_result_of_a_tool_that_nobody_knows_counts_as_restricted(task_of):
    spec, model = cleared("internal")
    task = with_tools(task_of(model=(spec, model)), **called("nobodys"))
    assert chosen(task, answer_prompt(task)).model is None


async def test_arguments_that_a_cleared_model_wrote_bear_what_it_read(task_of):
    read = called("look", output="fine")
    spec, model = cleared("internal")
    task = with_tools(task_of("executor", need="plan", model=(spec, model)), **read)
    assert chosen(task, planning_prompt(task, ())).model is not None
    tainted = task_with(task, composed=RESTRICTED, **read)
    assert chosen(tainted, planning_prompt(tainted, ())).model is None


async def test_draft_of_a_cleared_model_is_not_shown_to_another(task_of):
    spec, model = cleared("internal")
    draft = Draft(text=SECRET, sentences=(Sentence(text=SECRET, basis="tool"),), method="model")
    verdict = Verdict(status="revise")
    task = task_of(model=(spec, model), draft=draft, verdict=verdict, composed=RESTRICTED)
    assert chosen(task, answer_prompt(task)).model is None
    assert chosen(task, judging_prompt(task, draft, {"type": "object"})).model is None


async def test_fixed_wording_from_what_a_custom_step_returned_counts_as_restricted(task_of):
    spec, model = cleared("internal")
    task = task_of(model=(spec, model), said=f"Note: {SECRET}", data={"note": SECRET})
    assert chosen(task, answer_prompt(task)).model is None


async def test_request_above_a_models_clearance_is_not_sent_to_choose_its_intent(
    task_of, classifier
):
    spec, model = cleared("internal")
    task = task_of(
        "intent_classifier", "Purple elephants compile", model=(spec, model), classifier=classifier
    )
    request = task.turn.request.model_copy(update={"label": RESTRICTED})
    update = await classify_intent(task_with(task, request=request))
    assert model.prompts == ()
    assert update["intent"].method == "linear"


async def test_request_above_a_models_clearance_is_not_sent_to_choose_a_route(task_of):
    spec, model = cleared("internal", {"to": "step"})
    task = task_of(model=(spec, model))
    route = RouteSpec(ask=("step",), otherwise="refuse")
    told = Recorder(task.services, task.session, "choose", "run-1")
    request = task.turn.request.model_copy(update={"label": RESTRICTED})
    target, why, _ = await choose_route(task.services, route, request, told)
    assert (target, model.prompts) == ("refuse", ())
    assert "this is restricted" in why
    target, *_ = await choose_route(task.services, route, task.turn.request, told)
    assert (target, len(model.prompts)) == ("step", 1)


async def test_caller_that_chose_without_asking_for_clearance_is_stopped_at_the_end(
    task_of, passage_of
):
    spec, model = cleared("internal")
    found = passage_of(1, SECRET, readers=("group:board",))
    task = task_of(evidence=[found], model=(spec, model))
    careless = task.services.models.choose(task.step.model)
    assert careless.model is not None
    with pytest.raises(ModelUnavailable, match="this is restricted"):
        await ask(task, careless, answer_prompt(task), why="careless")
    with pytest.raises(ModelUnavailable, match="this is restricted"):
        await exchange(task.services, careless, [], label=RESTRICTED, seconds=1)
    with pytest.raises(ModelUnavailable, match="this is restricted"):
        await exchange(task.services, careless, [], label=None, seconds=1)
    assert model.prompts == ()


async def test_public_model_is_not_sent_what_a_role_may_read(task_of, passage_of):
    spec, model = cleared("public")
    found = passage_of(1, SECRET, readers=("role:staff",))
    task = task_of(evidence=[found], model=(spec, model))
    need = task.step.model.model_copy(update={"clearance": "public"})
    task = replace(task, step=task.step.model_copy(update={"model": need}))
    assert task.services.models.choose(need).model is not None
    assert chosen(task, answer_prompt(task)).model is None
