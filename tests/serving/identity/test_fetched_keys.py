import asyncio
import gzip

import pytest

from concertmaster.errors import IdentityDown
from concertmaster.serving.identity.fetched_keys import FetchedKeys

from .conftest import OTHER_RSA, RSA, jwk, jwks  # noqa: TID252


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def keys(served, seconds):
    served.body = jwks(jwk(RSA, "k1")).encode()
    fetched = FetchedKeys(served.url, refresh=3600, keep=86400, pause=60, clock=seconds)
    yield fetched
    fetched.close()


async def test_keys_are_fetched_once_and_kept(keys, served):
    for _ in range(5):
        assert await keys.find("k1", "RS256")
    assert len(served.asked) == 1


async def test_requests_at_once_fetch_once(keys, served):
    found = await asyncio.gather(*(keys.find("k1", "RS256") for _ in range(20)))
    assert all(found)
    assert len(served.asked) == 1


async def test_made_up_key_ids_do_not_have_it_fetched_over_and_over(keys, served, seconds):
    await keys.find("k1", "RS256")
    seconds.at += 61
    for number in range(50):
        assert await keys.find(f"made-up-{number}", "RS256") is None
    assert len(served.asked) == 2


async def test_new_key_is_found_after_a_rotation_and_the_old_one_is_gone(keys, served, seconds):
    await keys.find("k1", "RS256")
    served.body = jwks(jwk(OTHER_RSA, "k2")).encode()
    assert await keys.find("k2", "RS256") is None, "too soon after the last fetch"
    seconds.at += 60
    assert await keys.find("k2", "RS256")
    assert await keys.find("k1", "RS256") is None


async def test_withdrawn_key_is_gone_once_the_set_is_fetched_again(keys, served, seconds):
    await keys.find("k1", "RS256")
    served.body = jwks().encode()
    seconds.at += 3600
    assert await keys.find("k1", "RS256") is None


async def test_last_good_keys_are_used_while_the_issuer_is_down_for_a_time(keys, served, seconds):
    await keys.find("k1", "RS256")
    served.status = 500
    seconds.at += 86399
    assert await keys.find("k1", "RS256")
    seconds.at += 1
    with pytest.raises(IdentityDown, match="could not be fetched"):
        await keys.find("k1", "RS256")


async def test_issuer_that_is_back_is_asked_again_after_the_pause(keys, served, seconds):
    served.status = 503
    for _ in range(3):
        with pytest.raises(IdentityDown):
            await keys.find("k1", "RS256")
    assert len(served.asked) == 1
    served.status = 200
    seconds.at += 60
    assert await keys.find("k1", "RS256")


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (b"no json", 200, {}),
        (b'{"keys": {}}', 200, {}),
        (b"[" * 10_000, 200, {}),
        (jwks(*[{"kty": "RSA"}] * 65).encode(), 200, {}),
        (b'{"keys": [' + b" " * 10_000_000 + b"]}", 200, {}),
        (gzip.compress(b'{"keys": []}'), 200, {"content-encoding": "gzip"}),
        (b"", 302, {"location": "http://127.0.0.1:1/elsewhere"}),
        (b"", 404, {}),
    ],
    ids=["text", "form", "nested", "many", "10 MB", "packed", "redirect", "missing"],
)
async def test_answer_that_is_no_key_set_lets_nobody_in(keys, served, body, status, headers):
    served.body, served.status, served.headers = body, status, headers
    with pytest.raises(IdentityDown):
        await keys.find("k1", "RS256")
    assert len(served.asked) == 1


async def test_bad_answer_does_not_take_away_good_keys(keys, served, seconds):
    await keys.find("k1", "RS256")
    served.body = b"x" * 10_000_000
    seconds.at += 3600
    assert await keys.find("k1", "RS256")
    assert len(served.asked) == 2


async def test_nobody_listening_lets_nobody_in(seconds):
    with pytest.raises(IdentityDown):
        await FetchedKeys("http://127.0.0.1:1/jwks", clock=seconds).find("k1", "RS256")


async def test_fetch_goes_on_when_the_request_that_began_it_goes_away(keys, served):
    served.delay.clear()
    first = asyncio.create_task(keys.find("k1", "RS256"))
    while not served.asked:
        await asyncio.sleep(0.01)
    first.cancel()
    second = asyncio.create_task(keys.find("k1", "RS256"))
    await asyncio.sleep(0.05)
    served.delay.set()
    assert await second
    assert len(served.asked) == 1
