import json
import threading
import urllib.error
import urllib.request
import zlib
from http.client import IncompleteRead
from typing import Any

import pytest

from concertmaster.testing import FAULTS, Call, Flood, OpenAIServer, Storm, fault, openai_server

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def asked(text: str = "Hi") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def post(server: OpenAIServer, text: str = "Hi") -> tuple[int, str, Any]:
    body = json.dumps({"model": "m", "messages": asked(text)}).encode()
    request = urllib.request.Request(f"{server.url}/chat/completions", data=body, method="POST")
    try:
        with OPENER.open(request, timeout=30) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


@pytest.mark.parametrize(
    ("kind", "status", "found"),
    [
        ("slow", 200, "Hello."),
        ("limited", 429, "scripted"),
        ("limited_long", 429, "scripted"),
        ("overloaded", 503, "scripted"),
        ("broken", 500, "scripted"),
        ("gateway", 200, "<html>"),
        ("denied", 401, "scripted"),
        ("refused", 400, "scripted"),
        ("overflow", 400, "context_length_exceeded"),
        ("not_json", 200, '{"choices": ['),
        ("no_choices", 200, '"choices": []'),
        ("no_content", 200, '"content": null'),
        ("cut_off", 200, '"finish_reason": "length"'),
        ("filtered", 200, '"finish_reason": "content_filter"'),
        ("wrong_tool", 200, "no_such_tool"),
        ("wrong_arguments", 200, '{\\"broken\\": '),
        ("doubled_ids", 200, "call_twin"),
        ("wrong_shape", 200, "the kind"),
        ("wrong_language", 200, "Turm"),
        ("invented", 200, "9,999.00"),
    ],
)
def test_fault_looks_as_it_does_in_the_wild(kind: Any, status: int, found: str) -> None:
    with openai_server(otherwise=fault(kind, latency=0.01)) as server:
        code, body, _ = post(server)
    assert (code, found in body) == (status, True)


def test_retry_after_is_a_header() -> None:
    with openai_server(fault("limited_long"), fault("limited")) as server:
        assert post(server)[2]["retry-after"] == "120"
        assert post(server)[2]["retry-after"] is None


def test_body_breaks_off_after_half_of_what_was_announced() -> None:
    with openai_server(fault("cut")) as server, pytest.raises(IncompleteRead) as caught:
        post(server)
    assert len(caught.value.partial) > 50


def test_endless_answer_is_ten_megabytes() -> None:
    with openai_server(fault("endless")) as server:
        assert len(post(server)[1]) > 10_000_000


@pytest.mark.parametrize("way", ["plain", "until_closed"])
def test_flood_pours_as_much_as_it_is_told(way: Any) -> None:
    with openai_server(Flood(way, 3_000_000)) as server:
        assert len(post(server)[1]) == 3_000_000
        assert server.poured >= 3_000_000


def test_flood_without_length_breaks_off() -> None:
    with openai_server(fault("flood")) as server, pytest.raises(IncompleteRead) as caught:
        post(server)
    assert len(caught.value.partial) == 64 * 2**20


def test_bomb_is_small_until_it_is_unpacked() -> None:
    with openai_server(Flood("gzip", 3_000_000)) as server:
        body = json.dumps({"messages": asked()}).encode()
        request = urllib.request.Request(f"{server.url}/chat/completions", data=body)
        with OPENER.open(request, timeout=30) as response:
            assert response.headers["content-encoding"] == "gzip"
            packed = response.read()
    assert len(packed) < 10_000
    assert len(zlib.decompress(packed, 31)) == 3_000_000


def test_calls_that_are_spoiled_are_those_of_the_answer() -> None:
    call = Call("look", {"order": 7})
    with openai_server(fault("doubled_ids", call), fault("wrong_arguments", call)) as server:
        twins = json.loads(post(server)[1])["choices"][0]["message"]["tool_calls"]
        broken = json.loads(post(server)[1])["choices"][0]["message"]["tool_calls"]
    assert [t["id"] for t in twins] == ["call_twin"] * 2
    assert twins[0]["function"] == {"name": "look", "arguments": '{"order": 7}'}
    assert broken[0]["function"]["name"] == "look"


def test_storm_has_the_declared_share_of_faults_and_each_kind() -> None:
    storm = Storm("Hello.", seed=1, share=0.5)
    calm = sum(storm(asked(str(n))) == "Hello." for n in range(2000))
    assert 900 < calm < 1100
    assert set(storm.met) == set(FAULTS)
    assert calm + sum(storm.met.values()) == 2000


def test_storm_is_the_same_whatever_the_order_of_threads() -> None:
    def weather(workers: int) -> dict[str, Any]:
        storm = Storm("Hello.", seed=5, share=0.5)
        met: dict[str, Any] = {}

        def ask(numbers: range) -> None:
            for n in numbers:
                met[str(n)] = repr(storm(asked(str(n))))[:60].split(" at 0x")[0]

        threads = [
            threading.Thread(target=ask, args=(range(w, 200, workers),)) for w in range(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return met

    assert weather(1) == weather(7)


def test_question_that_is_repeated_may_meet_something_else() -> None:
    storm = Storm("Hello.", seed=3, share=0.5)
    assert len({storm(asked()) == "Hello." for _ in range(30)}) == 2


@pytest.mark.parametrize(("share", "calm"), [(0.0, 50), (1.0, 0)])
def test_calm_and_hurricane(share: float, calm: int) -> None:
    storm = Storm("Hello.", seed=3, share=share, faults=("drop",))
    assert sum(storm(asked(str(n))) == "Hello." for n in range(50)) == calm
