"""The benchmark of routing runs on recorded conversations and reports what it should."""

import json
import subprocess
import sys


def recorded(tool):
    call = {"id": "c", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    return {
        "traj": [
            {"role": "system", "content": "Be polite. " * 200},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "done"},
            {"role": "assistant", "content": "It is done."},
        ]
    }


def test_calls_of_high_risk_alone_go_to_the_best_tier(root, tmp_path):
    runs = tmp_path / "runs.jsonl"
    rows = [recorded("look_up"), recorded("cancel_reservation")]
    runs.write_text("\n".join(json.dumps(row) for row in rows))
    command = [sys.executable, "benchmarks/routing.py", "--runs", str(runs), "--decisions", "20"]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"decision_p50_ms", "cost_saving", "latency_ratio", "environment"} <= found.keys()
    assert (found["models"], found["calls"], found["plans_of_high_risk"]) == (50, 4, 1)
    assert found["shares"][found["one_big_model"]] == 0.25
    assert 0 < found["cost_saving"] < 0.75
    assert found["latency_ratio"] < 1
