"""The benchmark of peers: each runs in a process of its own and does the same work."""

import subprocess
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KEYS = {"version", "cpu_ms", "p50_ms", "cpu_16_ms", "p50_16_ms"}


@pytest.mark.parametrize(
    "names", [("openai_client", "concertmaster"), ("create_agent", "create_agent_governed")]
)
def test_each_peer_tells_version_and_times(figures, names):
    command = [BENCHMARKS / "peers.py", "run", "--runs", "1", "--rounds", "1", "--warm-up", "1"]
    told = figures(*command, "--only", *names)["peers"]
    assert set(told) == set(names)
    for found in told.values():
        assert found.keys() >= KEYS
        assert min(v for k, v in found.items() if k.endswith("ms")) > 0


@pytest.mark.parametrize(
    ("what", "names", "keys"),
    [
        ("build", ("create_agent", "concertmaster"), {"first_ms", "build_ms", "agent_bytes"}),
        ("growth", ("concertmaster", "langgraph_sqlite"), {"turn_1_bytes", "turn_2_bytes"}),
        ("throughput", ("openai_client", "concertmaster"), {"per_second_1", "thread_bytes"}),
    ],
)
def test_each_measurement_tells_its_figures(figures, what, names, keys):
    command = [BENCHMARKS / "peers.py", what, "--agents", "2", "--turns", "2", "--flights", "1"]
    told = figures(*command, "--only", *names)["peers"]
    assert set(told) == set(names)
    for found in told.values():
        assert "error" not in found
        assert found.keys() >= keys


def test_peer_that_cannot_be_installed_is_reported(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import children
    from peers.catalog import Peer

    def fails(name: str, *requirements: str) -> Path:
        raise subprocess.CalledProcessError(1, "pip", stderr=b"no such version")

    monkeypatch.setattr(children, "installed", fails)
    peer = Peer("absent", "absent", ("absent==1",))
    with pytest.raises(children.Gone, match="cannot be installed: no such version"):
        children.Child(peer, "http://127.0.0.1:1/v1", tmp_path, 1)


def test_peer_that_ends_leaves_its_last_words(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import children
    from peers.catalog import Peer

    with pytest.raises(children.Gone, match=r"No module named peers\.absent"):
        children.Child(Peer("absent", "absent"), "http://127.0.0.1:1/v1", tmp_path, 60)


def test_model_calls_the_tool_once_a_turn_and_then_answers(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import server

    user = {"role": "user"}
    tools = [{"function": {"name": server.TOOL}}]
    called = {"role": "assistant", "tool_calls": [{"function": {"name": server.TOOL}}]}
    for messages in ([user], [user, called, {"role": "tool"}, user]):
        asked = server._answer({"messages": messages, "tools": tools})["choices"][0]
        assert asked["message"]["tool_calls"][0]["function"]["name"] == server.TOOL
    done = [user, called, {"role": "tool"}]
    for body in ({"messages": done, "tools": tools}, {"messages": [user]}):
        told = server._answer(body)["choices"][0]
        assert told["message"]["content"] == server.ANSWER
        assert told["finish_reason"] == "stop"


def test_model_hands_over_once_and_then_lets_the_other_call_the_tool(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import server

    user = {"role": "user"}
    hand_over = [{"function": {"name": "transfer_to_notes"}}]
    asked = server._answer({"messages": [user], "tools": hand_over})["choices"][0]
    assert asked["message"]["tool_calls"][0]["function"]["name"] == "transfer_to_notes"
    handed = [user, {"role": "assistant", "tool_calls": hand_over}, {"role": "tool"}]
    offered = [{"function": {"name": server.TOOL}}]
    asked = server._answer({"messages": handed, "tools": offered})["choices"][0]
    assert asked["message"]["tool_calls"][0]["function"]["name"] == server.TOOL
    told = server._answer({"messages": handed, "tools": hand_over})["choices"][0]
    assert told["message"]["content"] == server.ANSWER
