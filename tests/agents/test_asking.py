"""What asking a model leaves in the trail and in the costs."""

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from concertmaster.agents.asking import ask_for
from concertmaster.agents.fitting import Prompt
from concertmaster.agents.responder import compose
from concertmaster.contracts import Confidentiality, Label
from concertmaster.errors import ModelError
from concertmaster.models import Chat, Choice, ModelSpec
from concertmaster.testing import ScriptedModel


async def test_tokens_from_a_providers_cache_are_in_the_costs_and_in_the_trail(task_of, events):
    usage = {"input_tokens": 900, "output_tokens": 9, "total_tokens": 909}
    usage["input_token_details"] = {"cache_read": 768}
    answer = AIMessage("We open at nine. [1]", usage_metadata=usage)
    model = GenericFakeChatModel(messages=iter([answer]))
    task = task_of(evidence=["We open at nine."], model=model)
    update = await compose(task)
    assert update["usage"].cached_tokens == 768
    (called,) = [e for e in await events() if e.type == "model.called"]
    assert (called.data["input_tokens"], called.data["cached_tokens"]) == (900, 768)
    # What the provider counted measures the next estimate for this model.
    key = task.services.models.chats[0].spec.key
    assert task.services.gauge.count(key, 100) > 100


SMALL = Chat(ModelSpec(name="small", provider="program", context=10), ScriptedModel(otherwise="?"))
FAILING = Chat(
    ModelSpec(name="failing", provider="program"), ScriptedModel(otherwise=RuntimeError("down"))
)


@pytest.mark.parametrize(
    ("first", "then", "kind"),
    [(SMALL, SMALL, "unfit"), (FAILING, SMALL, "broken"), (SMALL, FAILING, "broken")],
    ids=["both unfit", "the later unfit", "the first unfit"],
)
async def test_failure_that_may_pass_is_told_before_one_that_cannot(task_of, first, then, kind):
    """It decides whether the step is tried again."""
    task = task_of(evidence=["We open at nine."], model=ScriptedModel(otherwise="?"))
    choice = Choice(first, "because", (then,))
    prompt = Prompt(
        write=lambda _: [
            {"role": "user", "content": "When do you open on the feast of St Stephen?"}
        ],
        label=Label(confidentiality=Confidentiality.public, sources=("request",)),
    )
    with pytest.raises(ModelError) as caught:
        await ask_for(task, choice, prompt, why="asked", seconds=5)
    assert caught.value.kind == kind, caught.value.message
