"""The tokens of an answer are those that the run's models read and wrote."""

from concertmaster.serving.openai.usage import spent


async def test_tokens_of_all_models_of_a_run_are_told(ana, refunds, said):
    answer = await ana.chat.completions.create(
        model="refunds", messages=said("refund 20 EUR of order 7")
    )
    run, trail = answer.metadata["run_id"], refunds.services.trail
    for number, counts in enumerate(({"input_tokens": 30, "output_tokens": 12}, {}, None)):
        trail.emit(
            "model.called", why=f"call {number}", actor="responder", run=run,
            thread=answer.metadata["thread_id"], model="m",
            **({"input_tokens": 1, "output_tokens": None} if counts is None else counts),
        )  # fmt: skip
    await trail.flush()
    told = await ana.chat.completions.retrieve(answer.id)
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (31, 12)
    assert told.usage.total_tokens == 43
    last = (await trail.events(run=run, types=["model.called"]))[0].seq
    assert (await spent(refunds, run, after=last)).input_tokens == 1
