import asyncio
import time
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ConfigError, ModelError, ModelUnavailable
from concertmaster.models import Chat, Choice, Models, ModelSpec
from concertmaster.testing import Call, ScriptedModel, Wait

from .conftest import SCHEMA, TOOL  # noqa: TID252

NEED = ModelNeed(need="chat")


def spec(name: str, **declared: Any) -> ModelSpec:
    return ModelSpec(name=name, provider="url", base_url="http://127.0.0.1:1/v1", **declared)


def models_of(chat: BaseChatModel) -> tuple[Models, Choice]:
    models = Models.of(chat)
    return models, models.choose(NEED)


@pytest.mark.parametrize("need", [None, "none"])
def test_step_without_a_need_gets_no_model(need: Any) -> None:
    choice = Models.of(ScriptedModel("x")).choose(need)
    assert choice == Choice(None, "the step declares no model")


def test_without_models_the_reason_says_so() -> None:
    assert Models.of(None).choose(NEED) == Choice(None, "no model is configured")


def test_smallest_sufficient_model_is_chosen_and_the_first_of_equals() -> None:
    models = Models.of(
        [spec("best", tier="best"), spec("one"), spec("two"), spec("s", tier="small")]
    )
    chosen = models.choose(NEED)
    assert chosen.model is not None
    assert chosen.model.name == "one"
    assert "tier capable meets capable" in chosen.reason
    assert "s is of tier small, below capable" in chosen.reason
    small = models.choose(ModelNeed(need="chat", tier="small"))
    assert small.model is not None
    assert small.model.name == "s"


def test_model_gets_no_data_beyond_its_clearance() -> None:
    models = Models.of([spec("public", clearance=Confidentiality.public), spec("internal")])
    assert models.choose(NEED).model == Chat(spec("internal"))
    refused = models.choose(ModelNeed(need="chat", clearance="restricted"))
    assert refused.model is None
    assert "internal is cleared for internal data, not for restricted" in refused.reason


def test_model_is_asked_only_for_what_it_is_declared_for() -> None:
    models = Models.of(spec("planner", capabilities=("plan",)))
    assert (
        models.choose(NEED).reason == "no configured model fits: planner is not declared for chat"
    )


@pytest.mark.parametrize("given", [3, object(), "nonsense", ["openai"]])
def test_what_is_no_model_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError):
        Models.of(given)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two models are named 'a'"):
        Models.of([spec("a"), spec("a")])


def test_openai_without_a_key_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        Models.of("openai:gpt-4o-mini")


async def test_without_a_model_asking_is_an_error_with_the_reason() -> None:
    models = Models.of(None)
    with pytest.raises(ModelUnavailable, match="no model is configured"):
        await models.complete(models.choose(NEED), "Hi")


async def test_text_is_returned_with_model_and_usage() -> None:
    models, choice = models_of(ScriptedModel("Hello there."))
    reply = await models.complete(choice, [{"role": "user", "content": "Hi you"}])
    assert (reply.text, reply.model, reply.data) == ("Hello there.", "scripted-model", None)
    assert reply.usage.output_tokens == 2
    assert reply.usage.cost is None


async def test_tool_calls_are_returned_as_written_even_unknown_ones() -> None:
    model = ScriptedModel([Call("look", {"order": 7}), Call("drop_tables", {})])
    models, choice = models_of(model)
    reply = await models.complete(choice, "Hi", tools=[TOOL])
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [
        ("look", {"order": 7}),
        ("drop_tables", {}),
    ]
    assert [t["function"]["name"] for t in model.prompts[0].tools] == ["look"]


async def test_calls_that_nobody_offered_are_refused() -> None:
    models, choice = models_of(ScriptedModel(Call("look"), Call("look")))
    with pytest.raises(ModelError, match="none were offered"):
        await models.complete(choice, "Hi")


async def test_structured_data_come_by_tool() -> None:
    model = ScriptedModel({"to": "a"})
    models, choice = models_of(model)
    reply = await models.complete(choice, "Hi", schema=SCHEMA)
    assert reply.data == {"to": "a"}
    assert model.prompts[0].tool_choice == "route"


async def test_structured_data_are_asked_for_again_without_tools() -> None:
    model = ScriptedModel("no idea", '{"to": "b"}')
    models, choice = models_of(model)
    reply = await models.complete(choice, "Hi", schema=SCHEMA)
    assert reply.data == {"to": "b"}
    assert [len(p.tools) for p in model.prompts] == [1, 0]
    assert reply.usage.output_tokens == 4


async def test_undeclared_choice_is_refused_after_two_attempts() -> None:
    model = ScriptedModel({"to": "c"}, {"to": "c"}, {"to": "a"})
    models, choice = models_of(model)
    with pytest.raises(ModelError, match="does not fit its schema"):
        await models.complete(choice, "Hi", schema=SCHEMA)
    assert len(model.prompts) == 2


async def test_model_without_tools_can_still_give_data() -> None:
    class Plain(ScriptedModel):
        def bind_tools(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    models, choice = models_of(Plain("a", model_name="plain"))
    assert (await models.complete(choice, "Hi", schema=SCHEMA)).data == {"to": "a"}
    with pytest.raises(ModelError, match="cannot be given tools"):
        await models.complete(choice, "Hi", tools=[TOOL])


async def test_failure_is_tried_once_more() -> None:
    model = ScriptedModel(ConnectionError("x"), "Hello.")
    models, choice = models_of(model)
    assert (await models.complete(choice, "Hi")).text == "Hello."


async def test_repeated_failure_is_told_without_its_words() -> None:
    model = ScriptedModel(otherwise=RuntimeError("key sk-123 and the prompt"))
    models, choice = models_of(model)
    with pytest.raises(ModelError, match=r"scripted-model failed \(RuntimeError\)") as caught:
        await models.complete(choice, "Hi")
    assert "sk-123" not in str(caught.value)
    assert len(model.prompts) == 2


async def test_slow_model_is_given_up_in_time() -> None:
    models, choice = models_of(ScriptedModel(Wait(30, "late"), "Hello."))
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"did not answer within 0\.05 s"):
        await models.complete(choice, "Hi", timeout=0.05)
    assert time.monotonic() - began < 5


async def test_cancelling_is_passed_on() -> None:
    models, choice = models_of(ScriptedModel(Wait(30, "late")))
    task = asyncio.create_task(models.complete(choice, "Hi"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_tools_and_schema_exclude_each_other() -> None:
    models, choice = models_of(ScriptedModel("x"))
    with pytest.raises(ModelError, match="either"):
        await models.complete(choice, "Hi", tools=[TOOL], schema=SCHEMA)


def test_choosing_imports_no_model_library() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from concertmaster.models import Models;"
        "from concertmaster.contracts.spec import ModelNeed;"
        "Models.of('http://127.0.0.1:1/v1').choose(ModelNeed(need='chat'));"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('langchain_core', 'langchain_openai', 'openai', 'genai_prices')])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
