"""The places in which values are looked for."""

import threading
from typing import Any

import pytest

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance import Source, Sources, trace

TOOL = ToolShape(name="tool", effect="write")


def test_sources_are_immutable_and_keep_their_order():
    first = Sources(Source("a", "principal", "x"))
    second = first.plus(Source("b", "trusted", "y"), Source("c", "untrusted", "z"))
    assert (len(Sources()), len(first), len(second)) == (0, 1, 3)
    assert [source.id for source in second] == ["a", "b", "c"]
    assert first.plus() is first
    with pytest.raises(AttributeError):
        first.more = ()  # type: ignore[attr-defined]


def test_a_source_is_read_once():
    source = Source("a", "principal", "Bob")
    before = source.index
    trace(TOOL, {"to": "Bob"}, Sources(source).plus(Source("b", "trusted", "y")))
    assert source.index is before


def test_an_equal_content_is_not_read_again():
    content = {"to": "Bob", "n": [1, 2.5, None, True]}
    again = {"to": "Bob", "n": [1, 2.5, None, True]}
    assert Source("a", "principal", content).index is Source("b", "untrusted", again).index
    assert Source("a", "trusted", "Bob").index is not Source("a", "trusted", "Ana").index


def test_old_contents_are_forgotten():
    first = Source("a", "trusted", "Bob 0").index
    for i in range(1, 600):
        assert Source("a", "trusted", f"Bob {i}").index is not None
    assert Source("b", "trusted", "Bob 0").index is not first


def test_representation_shows_no_content():
    assert "secret" not in repr(Source("a", "principal", "secret"))


@pytest.mark.parametrize(
    "content",
    [None, 3, True, 2.5, float("nan"), 10**5000, "", [], {}, object(), b"x", {1: "Bob"}],
    ids=lambda content: type(content).__name__,
)
def test_any_content_can_be_read(content: Any):
    found = trace(TOOL, {"to": "Eve", "n": 7}, Sources(Source("a", "trusted", content)))
    assert found.arguments("composed") == {"to", "n"}


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 10**5000, -(10**5000), 1e-300, object(), b"x", "\ud800", {1: 2}],
    ids=lambda value: type(value).__name__,
)
def test_any_value_can_be_traced(value: Any):
    found = trace(TOOL, {"x": value}, Sources(Source("a", "trusted", "hello \ud800 2")))
    assert [v.argument for v in found.values][:1] == ["x"]


def test_an_unknown_standing_proves_nothing():
    source = Source("a", "friend", "Bob")  # type: ignore[arg-type]
    assert trace(TOOL, {"to": "Bob"}, Sources(source)).arguments("composed") == {"to"}


def test_many_threads_can_trace_at_once():
    text = "Pay Bob 20 euros on May 26th at 2pm, bob@x.com, https://x.com/a. " * 200
    sources = Sources(*(Source(f"s{i}", "trusted", f"{text} {i + 1000}") for i in range(10)))
    call = {"to": "bob@x.com", "amount": 20, "at": "2024-05-26T14:00", "id": 1003}
    found: list[Any] = []

    def work() -> None:
        found.append(trace(TOOL, call, sources))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)
    assert [v.origin for v in found[0].values] == ["trusted"] * 4
    assert found[0].values[2].sources == ("s3",)
