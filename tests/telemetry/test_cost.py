"""Whoever does not ask for telemetry does not load it."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
import concertmaster as cm
import concertmaster.telemetry
assert not [m for m in sys.modules if m.startswith("opentelemetry")]

async def main():
    async with cm.open({folder!r}, home={home!r}) as desk:
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
        assert run.status == "answered", run

asyncio.run(main())
loaded = [m for m in sys.modules if m.startswith(("opentelemetry.exporter", "concertmaster.tele"))]
print([m for m in loaded if m != "concertmaster.telemetry"])
"""


def test_a_run_without_an_observer_loads_nothing(workspace, tmp_path):
    program = PROGRAM.format(folder=str(workspace), home=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
