"""What asking a model leaves in the trail and in the costs."""

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from concertmaster.agents.responder import compose


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
