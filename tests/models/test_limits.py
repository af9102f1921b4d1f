import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts.model import RateSpec
from concertmaster.errors import ModelError
from concertmaster.models.bucket import Bucket
from concertmaster.models.limits import Limits

spends = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=60)


@given(st.integers(1, 50), spends)
def test_no_more_passes_than_the_bucket_and_what_flowed_in(
    size: int, asked: list[tuple[float, int]]
) -> None:
    bucket, now, passed = Bucket.full(size, now=0.0), 0.0, 0.0
    for pause, amount in asked:
        now += pause
        wanted = min(amount, size)
        if bucket.wait(wanted, now=now) == 0:
            bucket, passed = bucket.taken(wanted, now=now), passed + wanted
        assert passed <= size + now * size / 60 + 1e-6


@given(st.integers(1, 50), st.integers(1, 500), st.floats(0, 100))
def test_after_its_wait_every_amount_passes(size: int, amount: int, now: float) -> None:
    bucket = Bucket.full(size, now=0.0).taken(amount, now=now)
    wait = bucket.wait(amount, now=now)
    assert bucket.wait(amount, now=now + wait + 1e-6) == 0


def test_what_was_not_needed_is_given_back() -> None:
    bucket = Bucket.full(100, now=0.0).taken(100, now=0.0).taken(-60, now=0.0)
    assert bucket.wait(60, now=0.0) == 0
    assert bucket.taken(-1000, now=0.0).wait(101, now=0.0) == 0


async def take(limits: Limits, rate: RateSpec, tokens: int = 0, patience: float = 0.0) -> Any:
    async with limits.place("m", "m", rate, tokens, patience=patience) as place:
        place.send()
        return place


async def test_limit_of_requests_is_told_with_the_time_until_the_next() -> None:
    now = [0.0]
    limits, rate = Limits(clock=lambda: now[0]), RateSpec(requests_per_minute=2)
    await take(limits, rate)
    await take(limits, rate)
    with pytest.raises(
        ModelError, match=r"its limit of 2 requests a minute, free in 30\.0 s"
    ) as told:
        await take(limits, rate, patience=20)
    assert (told.value.kind, told.value.rest) == ("limited", 30)
    now[0] = 30.0
    await take(limits, rate)


async def test_tokens_that_were_not_used_are_given_back() -> None:
    limits, rate = Limits(clock=lambda: 0.0), RateSpec(tokens_per_minute=100)
    async with limits.place("m", "m", rate, 90) as place:
        place.send()
        place.used = 10
    await take(limits, rate, 90)
    with pytest.raises(ModelError, match="100 tokens a minute"):
        await take(limits, rate, 90)


async def test_repeated_requests_count_and_unsent_ones_do_not() -> None:
    limits, rate = Limits(clock=lambda: 0.0), RateSpec(requests_per_minute=3)
    async with limits.place("m", "m", rate, 0):
        pass
    async with limits.place("m", "m", rate, 0) as place:
        for _ in range(3):
            place.send()
    with pytest.raises(ModelError, match="3 requests a minute"):
        await take(limits, rate)


async def test_request_larger_than_a_minute_passes_alone() -> None:
    limits, rate = Limits(clock=lambda: 0.0), RateSpec(tokens_per_minute=100)
    await take(limits, rate, 5000)
    with pytest.raises(ModelError):
        await take(limits, rate, 1)


def test_parallel_requests_are_bounded_over_threads_and_event_loops() -> None:
    limits, rate = Limits(), RateSpec(parallel=2)
    lock, under_way, most, done = threading.Lock(), [0], [0], []

    async def one() -> None:
        async with limits.place("m", "m", rate, 0, patience=30):
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            await asyncio.sleep(0.005)
            with lock:
                under_way[0] -= 1
                done.append(1)

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(5)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(done), most[0]) == (20, 2)


async def test_place_is_free_again_after_a_failure_and_a_cancelled_wait() -> None:
    limits, rate = Limits(), RateSpec(parallel=1)

    async def fail() -> None:
        async with limits.place("m", "m", rate, 0):
            waiting = asyncio.create_task(take(limits, rate, patience=30))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            with pytest.raises(ModelError, match="1 requests at the same time"):
                await take(limits, rate)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        await fail()
    await take(limits, rate)


async def test_models_without_limits_do_not_wait() -> None:
    await asyncio.gather(*(take(Limits(), RateSpec()) for _ in range(100)))
