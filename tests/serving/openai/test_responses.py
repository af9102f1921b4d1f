"""Responses by the real client: whole, streamed, in the background, continued, called off."""

import asyncio

import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

import concertmaster as cm
from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Settings

SMALL = "refund 20 EUR of order 7"
LARGE = "refund 80 EUR of order 7"
HELD = "refund 20 EUR of order 77"
EVENT = TypeAdapter(ResponseStreamEvent)


async def streamed(stream):
    async with stream:
        return [event async for event in stream]


def kinds(events) -> list[str]:
    return [event.type for event in events]


async def test_a_message_is_answered(ana):
    response = await ana.responses.create(model="refunds", input=SMALL)
    assert (response.status, response.output_text) == (
        "completed",
        "Refunded 20.00 EUR for order 7.",
    )
    assert response.metadata["status"] == "answered"
    assert response.id == f"resp_{response.metadata['run_id']}"
    assert (response.usage.total_tokens, response.error) == (0, None)
    # It is what it says: the client reads objects of other forms without complaint.
    Response.model_validate_json(response.model_dump_json())
    assert (await ana.responses.retrieve(response.id)).output == response.output


async def test_a_stream_has_typed_and_numbered_events(ana):
    events = await streamed(await ana.responses.create(model="refunds", input=SMALL, stream=True))
    assert kinds(events) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [e.sequence_number for e in events] == list(range(9))
    assert events[-1].response == await ana.responses.retrieve(events[0].response.id)
    for event in events:
        EVENT.validate_python(event.model_dump(warnings=False), strict=False)


async def test_the_clients_own_helper_puts_a_stream_together(ana):
    async with ana.responses.stream(model="refunds", input=SMALL) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "Refunded 20.00 EUR for order 7."
    assert final.output == events[-1].response.output
    stored = await ana.responses.retrieve(final.id)
    assert [item.id for item in stored.output] == [item.id for item in final.output]


async def test_a_stream_goes_on_behind_a_number(ana):
    stream = await ana.responses.create(model="refunds", input=SMALL, stream=True)
    whole = await streamed(stream)
    id = whole[0].response.id
    for after in (0, 4, 7, 8, 99):
        rest = await ana.responses.retrieve(id, stream=True, starting_after=after)
        assert await streamed(rest) == whole[after + 1 :]
    assert await streamed(await ana.responses.retrieve(id, stream=True)) == whole


async def test_a_client_that_goes_away_comes_back_to_the_rest(ana, let_go):
    stream = await ana.responses.create(model="refunds", input=HELD, stream=True)
    async with stream:
        first = await anext(aiter(stream))
    let_go()
    rest = await streamed(
        await ana.responses.retrieve(
            first.response.id, stream=True, starting_after=first.sequence_number
        )
    )
    assert [e.sequence_number for e in rest] == list(range(1, len(rest) + 1))
    assert rest[-1].response.output_text == "Refunded 20.00 EUR for order 77."


async def test_a_stream_goes_on_after_a_restart_of_the_server(
    refunds_folder, refunds_home, auth, serve, client_for
):
    settings = Settings(drain=0)
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth, settings=settings))
        ana = client_for(f"{url}/v1", "ana")
        stream = await ana.responses.create(model="refunds", input=HELD, stream=True)
        async with stream:
            first = await anext(aiter(stream))
            await serve.stop(url)
    (refunds_home / "data" / "go").touch()
    async with cm.open(refunds_folder, home=refunds_home) as desk:
        url = await serve(create_app(desk, auth=auth, settings=settings))
        ana = client_for(f"{url}/v1", "ana")
        rest = await streamed(
            await ana.responses.retrieve(first.response.id, stream=True, starting_after=0)
        )
    assert [e.sequence_number for e in rest] == list(range(1, len(rest) + 1))
    assert rest[-1].response.output_text == "Refunded 20.00 EUR for order 77."


async def test_a_thread_goes_on_after_a_response(ana, refunds):
    first = await ana.responses.create(model="refunds", input=SMALL)
    second = await ana.responses.create(previous_response_id=first.id, input="refund 30 EUR")
    assert second.output_text == "Refunded 30.00 EUR for order 7."
    assert (second.model, second.previous_response_id) == ("refunds", first.id)
    assert second.conversation.id == first.conversation.id
    runs = await refunds.history(first.metadata["thread_id"])
    assert [r.id for r in runs] == [r.metadata["run_id"] for r in (first, second)]


async def test_a_thread_goes_on_under_the_clients_own_name(ana, refunds):
    named = [{"conversation": "t-1"}, {"metadata": {"thread_id": "t-1"}}]
    first = await ana.responses.create(model="refunds", input=SMALL, **named[0])
    second = await ana.responses.create(model="refunds", input="refund 30 EUR", **named[1])
    assert second.output_text == "Refunded 30.00 EUR for order 7."
    both = {"previous_response_id": second.id, "metadata": {"thread_id": "t-1"}}
    third = await ana.responses.create(model="refunds", input="refund 40 EUR", **both)
    assert third.output_text == "Refunded 40.00 EUR for order 7."
    assert first.conversation.id == second.conversation.id == third.conversation.id == "t-1"
    other = {"previous_response_id": second.id, "metadata": {"thread_id": "t-2"}}
    with pytest.raises(openai.BadRequestError):
        await ana.responses.create(model="refunds", input="refund 40 EUR", **other)


async def test_a_thread_of_elsewhere_is_shown_and_not_gone_on_with_by_mistake(ana, refunds):
    run = await refunds.run(SMALL, principal="ana", thread="of-the-shell")
    shown = await ana.responses.retrieve(f"resp_{run.id}")
    assert shown.output_text == run.outcome.text
    with pytest.raises(openai.NotFoundError):
        await ana.responses.create(previous_response_id=shown.id, input="refund 30 EUR")
    assert len(await refunds.history("of-the-shell")) == 1


async def test_a_thread_that_is_busy_is_told_where_nothing_may_queue(
    refunds, auth, serve, client_for, let_go
):
    url = await serve(create_app(refunds, auth=auth, settings=Settings(conflict="reject")))
    ana = client_for(f"{url}/v1", "ana")
    named = {"model": "refunds", "conversation": "t-1"}
    await ana.responses.create(input=HELD, background=True, **named)
    with pytest.raises(openai.ConflictError) as refused:
        await ana.responses.create(input=SMALL, **named)
    assert refused.value.code == "CM611"
    let_go()


async def test_in_the_background_a_response_is_there_at_once(ana, let_go):
    response = await ana.responses.create(model="refunds", input=HELD, background=True)
    assert (response.status, response.output) == ("in_progress", [])
    let_go()
    async with asyncio.timeout(30):
        while response.status in ("queued", "in_progress"):
            await asyncio.sleep(0.05)
            response = await ana.responses.retrieve(response.id)
    assert response.output_text == "Refunded 20.00 EUR for order 77."


async def test_a_response_is_called_off_by_whose_it_is(ana, refunds, let_go):
    response = await ana.responses.create(model="refunds", input=HELD, background=True)
    called_off = await ana.responses.cancel(response.id)
    assert called_off.status == "cancelled"
    let_go()
    run = await refunds.background.wait(response.metadata["run_id"], until="end")
    assert run.status == "cancelled"
    ended = await ana.responses.create(model="refunds", input=SMALL)
    # What has ended stays as it is.
    assert (await ana.responses.cancel(ended.id)).status == "completed"


async def test_what_broke_is_told_and_not_covered_up(ana, refunds):
    text = "refund 20 EUR of order 500"
    response = await ana.responses.create(model="refunds", input=text)
    run = await refunds.get(response.metadata["run_id"])
    assert response.metadata["status"] == run.status == "escalated"
    assert response.output_text == run.outcome.text
    assert "Refunded" not in response.output_text


async def test_the_same_key_brings_about_one_response(ana):
    key = {"extra_headers": {"Idempotency-Key": "k-1"}}
    first = await ana.responses.create(model="refunds", input=SMALL, **key)
    again = await streamed(
        await ana.responses.create(model="refunds", input=SMALL, stream=True, **key)
    )
    assert again[-1].response.id == first.id
    assert again[-1].response.output_text == first.output_text


async def test_an_answer_tells_what_it_cites(desk, auth, serve, client_for):
    url = f"{await serve(create_app(desk, auth=auth))}/v1"
    ana, question = client_for(url, "ana"), "How long do I have to return a lamp?"
    async with ana.responses.stream(model="support_desk", input=question) as stream:
        events = [event async for event in stream]
        response = await stream.get_final_response()
    run = await desk.get(response.metadata["run_id"])
    cited = [(c.document, c.title) for c in run.outcome.citations]
    (part,) = response.output[0].content
    assert part.text == run.outcome.text
    assert [(a.file_id, a.filename) for a in part.annotations] == cited != []
    assert {a.type for a in part.annotations} == {"file_citation"}
    added = [e for e in events if e.type == "response.output_text.annotation.added"]
    assert len(added) == len(cited)

    messages = [{"role": "user", "content": question}]
    chat = await ana.chat.completions.create(model="support_desk", messages=messages)
    message = chat.choices[0].message
    assert "[1]" in message.content
    assert [(c["document"], c["title"]) for c in message.citations] == cited
    streamed_chat = await ana.chat.completions.create(
        model="support_desk", messages=messages, stream=True
    )
    async with streamed_chat:
        *_, last = [chunk async for chunk in streamed_chat]
    assert [c["number"] for c in last.choices[0].delta.citations] == [
        c.number for c in run.outcome.citations
    ]
