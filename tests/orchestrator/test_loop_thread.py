"""A loop in a thread: work is waited for from anywhere but the thread itself."""

import asyncio
import threading

import pytest

from concertmaster.errors import ConfigError
from concertmaster.orchestrator.loop_thread import LoopThread


@pytest.fixture
def loop():
    made = LoopThread("concertmaster-test")
    yield made
    made.stop()


async def here():
    return threading.current_thread().name


async def test_work_is_done_in_its_thread_while_another_loop_waits(loop):
    assert loop.wait(here()) == "concertmaster-test"
    assert not loop.inside


def test_what_work_raises_is_raised(loop):
    async def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        loop.wait(fails())


def test_waiting_for_itself_is_refused_and_nothing_is_run(loop):
    begun = []

    async def never():
        begun.append(1)

    async def again():
        assert loop.inside
        loop.wait(never())

    with pytest.raises(ConfigError, match="would wait for itself"):
        loop.wait(again())
    assert begun == []


def test_work_of_a_caller_who_is_interrupted_is_cancelled(loop, monkeypatch):
    cancelled = threading.Event()

    async def long():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    submit = asyncio.run_coroutine_threadsafe

    def interrupted(work, on):
        future = submit(work, on)
        submit(asyncio.sleep(0), on).result()  # It has begun.

        def result():
            raise KeyboardInterrupt

        future.result = result
        return future

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.wait(long())
    assert cancelled.wait(10)


def test_once_stopped_its_thread_is_gone():
    made = LoopThread("concertmaster-gone")
    made.stop()
    assert "concertmaster-gone" not in {t.name for t in threading.enumerate()}
