"""Small values are worked on at once, all others in another thread."""

import threading

import pytest

from concertmaster.tools.light import light, worked


class Lookalike(dict):
    """A dict with code of its own."""


def nested(depth):
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "value",
    [
        "x" * 2001,
        [0] * 101,
        {str(n): "x" * 50 for n in range(45)},
        nested(30),
        2**70,
        Lookalike(a=1),
        {"a": Lookalike()},
        {1, 2},
        b"bytes",
    ],
)
async def test_large_or_foreign_value_goes_to_another_thread(value):
    assert not light(value)
    assert await worked(lambda _: threading.get_ident(), value) != threading.get_ident()


@pytest.mark.parametrize("value", [None, True, 1.5, "x", [], {"a": [1, {"b": "c"}]}, ("x", 2)])
async def test_small_plain_value_stays(value):
    assert light(value)
    assert await worked(lambda _: threading.get_ident(), value) == threading.get_ident()


def test_value_that_holds_itself_is_not_light():
    value = []
    value.append(value)
    assert not light(value)
