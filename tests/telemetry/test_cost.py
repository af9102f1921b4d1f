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


GLOBAL = """
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import concertmaster as cm
from concertmaster.telemetry import observe

seen = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(seen))
trace.set_tracer_provider(provider)
before = provider.id_generator

async def main():
    async with cm.open({folder!r}, home={home!r}) as desk:
        observer = observe(desk)
        await desk.run("refund 20 EUR of order 42", principal="ana")
        observer.close()

asyncio.run(main())
assert provider.id_generator is before
print(len(seen.get_finished_spans()) > 3, provider.force_flush())
"""


def test_a_programs_global_provider_is_used_and_left_as_it_is(workspace, tmp_path, receiver):
    program = GLOBAL.format(folder=str(workspace), home=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.stdout.strip(), done.returncode) == ("True True", 0), done.stderr
    assert receiver.spans() == []


WITHOUT_SDK = """
import asyncio, sys
for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"):
    sys.modules[name] = None
import concertmaster as cm
from concertmaster.telemetry import observe

async def main():
    async with cm.open({folder!r}, home={home!r}) as desk:
        try:
            observe(desk)
        except ImportError as error:
            print(error)
        run = await desk.run("refund 20 EUR of order 42", principal="ana")
        assert run.status == "answered"

asyncio.run(main())
"""


def test_without_the_extra_the_error_says_what_to_install(workspace, tmp_path):
    program = WITHOUT_SDK.format(folder=str(workspace), home=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120
    )
    assert "pip install 'concertmaster[otel]'" in done.stdout, done.stderr
    assert done.returncode == 0
