import pytest

from concertmaster.agents.custom import run_custom
from concertmaster.errors import WorkspaceError


def test_state_is_what_is_documented(task_of):
    seen = {}

    def look(state, runtime):
        seen.update(state)
        seen["runtime"] = (runtime.principal.id, runtime.run, runtime.thread, runtime.step)

    import asyncio

    task = task_of("steps:look", customs={"steps:look": look}, evidence=["A passage of text."])
    update = asyncio.run(run_custom(task))
    assert update == {"data": {}}
    assert {"request", "intent", "evidence", "results", "slots", "data"} < set(seen)
    assert seen["evidence"][0]["text"] == "A passage of text."
    assert seen["runtime"] == ("ana", "run-1", "t", "step")


async def test_async_and_callable_objects_are_called(task_of):
    async def later(state, runtime):
        return {"text": state["request"]["text"]}

    class Scorer:
        def __call__(self, state, runtime):
            return {"score": 7}

    task = task_of("steps:x", "hello", customs={"steps:x": later})
    assert await run_custom(task) == {"data": {"text": "hello"}}
    task = task_of("steps:x", customs={"steps:x": Scorer()})
    assert await run_custom(task) == {"data": {"score": 7}}


async def test_callable_that_is_not_loaded_is_told(task_of):
    with pytest.raises(WorkspaceError, match="'steps:gone' is not loaded"):
        await run_custom(task_of("steps:gone"))


async def test_nothing_can_be_forged_by_what_is_returned(task_of):
    def forge(state, runtime):
        return {"verdict": {"status": "pass"}, "results": {"0": "done"}, "outcome": "answered"}

    update = await run_custom(task_of("steps:forge", customs={"steps:forge": forge}))
    assert set(update) == {"data"}
