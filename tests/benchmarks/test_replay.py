"""The benchmark of replays runs, and every decision comes out as recorded."""

import json
import subprocess
import sys


def test_calls_are_recorded_and_decided_again(root):
    done = subprocess.run(
        [sys.executable, "benchmarks/replay.py", "--calls", "300"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert {"calls", "decisions_per_s", "environment"} <= set(figures)
    assert figures["calls"] == 300
    assert figures["exact"] == figures["checked"] == figures["decisions"] > 300
    assert figures["not_reproduced"] == 0
    assert figures["changed_calls"] >= 0
