"""Running a benchmark as people do, and reading its last line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def figures(root: Path):
    """Return what runs a benchmark and returns its figures: `figures("benchmarks/x.py", …)`."""

    def run(*command, seconds: float = 300) -> dict:
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
