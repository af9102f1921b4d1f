"""The benchmark of peers: each runs in a process of its own and does the same work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KEYS = {"version", "cpu_ms", "p50_ms", "cpu_16_ms", "p50_16_ms"}


@pytest.mark.parametrize(
    "names", [("openai_client", "concertmaster"), ("create_agent", "create_agent_governed")]
)
def test_each_peer_tells_version_and_times(names):
    command = [BENCHMARKS / "peers.py", "run", "--runs", "1", "--rounds", "1", "--warm-up", "1"]
    ended = subprocess.run(
        [sys.executable, *command, "--only", *names],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])["peers"]
    assert set(told) == set(names)
    for figures in told.values():
        assert figures.keys() >= KEYS
        assert min(v for k, v in figures.items() if k.endswith("ms")) > 0


def test_model_calls_the_tool_once_and_then_answers(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from peers import server

    tools = [{"function": {"name": server.TOOL}}]
    asked = server._answer({"messages": [{"role": "user"}], "tools": tools})["choices"][0]
    assert asked["message"]["tool_calls"][0]["function"]["name"] == server.TOOL
    done = [{"role": "user"}, {"role": "tool"}]
    for body in ({"messages": done, "tools": tools}, {"messages": [{"role": "user"}]}):
        told = server._answer(body)["choices"][0]
        assert told["message"]["content"] == server.ANSWER
        assert told["finish_reason"] == "stop"
