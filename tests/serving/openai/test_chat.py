"""Chat completions by the real client."""

import asyncio

import openai
import pytest

from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Limits, Settings

SMALL = "refund 20 EUR of order 7"
LARGE = "refund 80 EUR of order 7"


async def streamed(client, **fields):
    stream = await client.chat.completions.create(model="refunds", stream=True, **fields)
    async with stream:
        return [chunk async for chunk in stream]


def text_of(chunks) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def test_workflows_are_listed_as_models(ana):
    (model,) = [m async for m in ana.models.list()]
    assert (model.id, model.object) == ("refunds", "model")
    assert (await ana.models.retrieve("refunds")).id == "refunds"
    with pytest.raises(openai.NotFoundError) as refused:
        await ana.models.retrieve("gpt-5/mini")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


async def test_a_message_is_answered(ana, refunds, said):
    answer = await ana.chat.completions.create(model="refunds", messages=said(SMALL))
    (choice,) = answer.choices
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert choice.message.content == "Refunded 20.00 EUR for order 7."
    assert answer.metadata["status"] == "answered"
    assert answer.id == f"chatcmpl-{answer.metadata['run_id']}"
    assert (await refunds.get(answer.metadata["run_id"])).thread == answer.metadata["thread_id"]
    # No model was asked.
    assert answer.usage.total_tokens == 0


async def test_the_client_without_an_event_loop_is_answered(url, said):
    def ask() -> str | None:
        with openai.OpenAI(base_url=url, api_key="ana-token", max_retries=0) as client:
            stream = client.chat.completions.create(
                model="refunds", messages=said(SMALL), stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert await asyncio.to_thread(ask) == "Refunded 20.00 EUR for order 7."


async def test_headers_tell_thread_and_run(ana, said):
    raw = await ana.chat.completions.with_raw_response.create(
        model="refunds", messages=said(SMALL), metadata={"thread_id": "t-1"}
    )
    answer = raw.parse()
    assert raw.headers["x-thread-id"] == answer.metadata["thread_id"] == "t-1"
    assert raw.headers["x-run-id"] == answer.metadata["run_id"]


async def test_a_stream_has_the_role_first_then_text_then_the_reason_why_it_ends(ana, said):
    first, *parts, last = await streamed(ana, messages=said(SMALL))
    assert first.choices[0].delta.role == "assistant"
    assert text_of(parts) == "Refunded 20.00 EUR for order 7."
    assert {c.choices[0].finish_reason for c in (first, *parts)} == {None}
    assert last.choices[0].finish_reason == "stop"
    assert len({c.id for c in (first, *parts, last)}) == 1


async def test_a_stream_has_the_tokens_where_they_are_asked_for(ana, said):
    options = {"include_usage": True}
    *chunks, last = await streamed(ana, messages=said(SMALL), stream_options=options)
    assert (last.choices, last.usage.total_tokens) == ([], 0)
    assert {c.usage for c in chunks} == {None}


async def test_a_thread_is_remembered_by_the_server(ana, said):
    thread = {"metadata": {"thread_id": "t-1"}}
    await ana.chat.completions.create(model="refunds", messages=said(SMALL), **thread)
    # The order's number is carried on; nothing of the conversation is sent again.
    more = said("refund 30 EUR")
    answer = await ana.chat.completions.create(model="refunds", messages=more, **thread)
    assert answer.choices[0].message.content == "Refunded 30.00 EUR for order 7."


async def test_a_call_that_waits_is_told_with_its_approvals_id(ana, refunds, said):
    answer = await ana.chat.completions.create(model="refunds", messages=said(LARGE))
    (pending,) = await refunds.approvals()
    assert pending.id in answer.choices[0].message.content
    assert "finance" in answer.choices[0].message.content
    assert answer.metadata["status"] == "awaiting_review"
    assert answer.metadata["approvals"] == pending.id
    assert "Refunded" not in answer.choices[0].message.content


async def test_a_stream_says_the_same_as_the_whole_answer(ana, said):
    for text in (SMALL, LARGE, "refund order 404", "refund order 13", "hello"):
        chunks = await streamed(ana, messages=said(text))
        whole = await ana.chat.completions.retrieve(chunks[0].id)
        assert text_of(chunks) == whole.choices[0].message.content
        assert chunks[-1].metadata == whole.metadata


async def test_the_next_message_tells_what_was_decided_elsewhere(ana, refunds, said):
    thread = {"metadata": {"thread_id": "t-1"}}
    first = await ana.chat.completions.create(model="refunds", messages=said(LARGE), **thread)
    waits = await ana.chat.completions.create(
        model="refunds", messages=said("refund 10 EUR of order 8"), **thread
    )
    assert waits.metadata["status"] == "queued"
    (pending,) = await refunds.approvals()
    await refunds.decide(pending.id, {"kind": "approve"}, principal="li")

    chunks = await streamed(ana, messages=said("refund 20 EUR of order 9"), **thread)
    told = text_of(chunks)
    assert "Refunded 80.00 EUR for order 7." in told
    assert "Refunded 10.00 EUR for order 8." in told
    assert told.endswith("Refunded 20.00 EUR for order 9.")
    # It is told once; each message's own answer can be looked up as well.
    last = await ana.chat.completions.create(
        model="refunds", messages=said("refund 5 EUR of order 9"), **thread
    )
    assert last.choices[0].message.content == "Refunded 5.00 EUR for order 9."
    ended = await ana.chat.completions.retrieve(first.id)
    assert ended.choices[0].message.content == "Refunded 80.00 EUR for order 7."


async def test_a_rejection_is_told_with_its_reason(ana, refunds, said):
    answer = await ana.chat.completions.create(model="refunds", messages=said(LARGE))
    (pending,) = await refunds.approvals()
    answered = {"kind": "reject", "reason": "paid back in cash"}
    await refunds.decide(pending.id, answered, principal="li")
    ended = await ana.chat.completions.retrieve(answer.id)
    run = await refunds.get(answer.metadata["run_id"])
    assert ended.choices[0].message.content == run.outcome.text
    assert ended.metadata["status"] == run.status != "answered"


async def test_a_run_that_takes_too_long_is_told_to_go_on_and_not_lost(
    refunds, auth, serve, client_for, said, let_go
):
    settings = Settings(limits=Limits(waiting=0.3))
    url = await serve(create_app(refunds, auth=auth, settings=settings))
    ana = client_for(f"{url}/v1", "ana")
    answer = await ana.chat.completions.create(
        model="refunds", messages=said("refund 20 EUR of order 77")
    )
    assert answer.id in answer.choices[0].message.content
    assert answer.metadata["status"] == "running"
    let_go()
    await refunds.background.wait(answer.metadata["run_id"], until="end")
    ended = await ana.chat.completions.retrieve(answer.id)
    assert ended.choices[0].message.content == "Refunded 20.00 EUR for order 77."


async def test_the_same_key_brings_about_one_run(ana, refunds, said):
    key = {"extra_headers": {"Idempotency-Key": "k-1"}}
    first, second = await asyncio.gather(
        *(
            ana.chat.completions.create(model="refunds", messages=said(SMALL), **key)
            for _ in range(2)
        )
    )
    assert first.id == second.id
    assert first.choices[0].message.content == second.choices[0].message.content
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        await ana.chat.completions.create(model="refunds", messages=said(LARGE), **key)
    assert refused.value.code == "CM601"
    assert len(await refunds.history(first.metadata["thread_id"])) == 1


async def test_two_clients_on_one_thread_are_both_answered(ana, url, client_for, refunds, said):
    other = client_for(url, "ana")
    thread = {"metadata": {"thread_id": "t-1"}}
    answers = await asyncio.gather(
        *(
            client.chat.completions.create(
                model="refunds", messages=said(f"refund {n + 1} EUR of order {n}"), **thread
            )
            for n, client in enumerate((ana, other) * 4)
        )
    )
    told = [a.choices[0].message.content for a in answers]
    assert told == [f"Refunded {n + 1}.00 EUR for order {n}." for n in range(8)]
    run = await refunds.get(answers[0].metadata["run_id"])
    assert len(await refunds.history(run.thread)) == 8


async def test_a_client_that_goes_away_does_not_lose_its_run(ana, refunds, said, let_go):
    stream = await ana.chat.completions.create(
        model="refunds", messages=said("refund 20 EUR of order 77"), stream=True
    )
    async with stream:
        first = await anext(aiter(stream))
    let_go()
    run = first.id.removeprefix("chatcmpl-")
    ended = await refunds.background.wait(run, until="end", seconds=30)
    assert ended.outcome.text == "Refunded 20.00 EUR for order 77."
    again = await ana.chat.completions.retrieve(first.id)
    assert again.choices[0].message.content == ended.outcome.text


async def test_a_slow_reader_gets_all_of_it(ana, said):
    stream = await ana.chat.completions.create(model="refunds", messages=said(SMALL), stream=True)
    parts = []
    async with stream:
        async for chunk in stream:
            parts.append(chunk)
            await asyncio.sleep(0.05)
    assert text_of(parts) == "Refunded 20.00 EUR for order 7."
    assert parts[-1].choices[0].finish_reason == "stop"


async def test_signs_of_life_do_not_disturb_a_client(ana, said, let_go, monkeypatch):
    monkeypatch.setattr("concertmaster.serving.sse._ALIVE", 0.02)
    messages = said("refund 20 EUR of order 77")
    raw = ana.chat.completions.with_streaming_response.create(
        model="refunds", messages=messages, stream=True, extra_headers={"Idempotency-Key": "k-1"}
    )
    async with raw as answer:
        lines = answer.iter_lines()
        async for line in lines:
            if line.startswith(":"):
                break
    reading = asyncio.create_task(
        streamed(ana, messages=messages, extra_headers={"Idempotency-Key": "k-1"})
    )
    await asyncio.sleep(0.2)
    let_go()
    assert text_of(await reading) == "Refunded 20.00 EUR for order 77."
