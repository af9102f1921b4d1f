"""What it costs to write down and to show a run: audit, OpenTelemetry, LangSmith; in CPU time.

    python benchmarks/tracing.py [--runs N] [--rounds N] [--warm-up N]

One run is two model calls and one write by a tool, decided by the gate, in a workspace of one
executor; the model answers on the loopback. Each way has a process of its own, all are asked in
turns, round by round, and what counts is the median of the rounds: CPU time of that process, with
all of its threads, per run, until everything was sent. Receivers are processes of their own, too.

    none        a trail that keeps nothing
    audit       the trail as it is: canonical JSON, hash chain, rows in SQLite, signed heads
    otel        no trail kept, spans and metrics sent by OTLP over HTTP to the loopback
    langsmith   no trail kept, traced to a stub of LangSmith's API on the loopback
    all         the trail kept, and both of them sent

`none` is the same graph with the same transactions: plan, ledger, journal and what decisions rested
on are stored as ever, in as many commits. Left out are the making of events, their JSON, digests
and rows, the signing of heads, and the reading of a run's events for what the caller gets. `otel`
makes the events, since spans are made from them, and stores none.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import Any

from peers.children import served
from peers.server import ANSWER, MESSAGE
from report import report
from rich.console import Console
from rich.progress import Progress

WAYS = ("none", "audit", "otel", "langsmith", "all")
WORKSPACE = Path(__file__).parent / "peers" / "workspace"
HERE = Path(__file__).resolve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="in a round")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--warm-up", type=int, default=20, help="runs that do not count")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "URL", "FOLDER"))
    parser.add_argument("--receiver", choices=("otlp", "langsmith"))
    given = parser.parse_args()
    if given.child:
        asyncio.run(child(*given.child))
    elif given.receiver:
        receive(given.receiver)
    else:
        figures = measured(given.runs, given.rounds, given.warm_up)
        report("CPU time per run", figures)


def measured(runs: int, rounds: int, warm_up: int) -> dict[str, Any]:
    """Have every way carry out its rounds, in turns; return the medians."""
    cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    wall: dict[str, list[float]] = {way: [] for way in WAYS}
    sent: dict[str, Any] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracing-")))
        url = stack.enter_context(served(0.0))
        otlp = stack.enter_context(process("--receiver", "otlp"))
        langsmith = stack.enter_context(process("--receiver", "langsmith"))
        addresses = otlp.told["url"], langsmith.told["url"]
        children = {
            way: stack.enter_context(
                process("--child", way, url, str(folder / way), **environment(way, *addresses))
            )
            for way in WAYS
        }
        for one in children.values():
            one.ask(warm_up)
        bar = stack.enter_context(Progress(console=Console(stderr=True)))
        task = bar.add_task("rounds", total=rounds * len(WAYS))
        for number in range(rounds):
            # A different one begins each time, so that none always comes after the same other.
            shift = number % len(WAYS)
            for way in (*WAYS[shift:], *WAYS[:shift]):
                told = children[way].ask(runs)
                cpu[way].append(told["cpu_ms"])
                wall[way].append(told["wall_ms"])
                bar.advance(task)
        sent = {"otlp": otlp.ask(0), "langsmith": langsmith.ask(0)}
    check(sent, runs * rounds + warm_up)
    medians = {f"{way}_ms": statistics.median(cpu[way]) for way in WAYS}
    spread = {way: [min(cpu[way]), max(cpu[way])] for way in WAYS}
    # Round by round against `none`: what else the machine does weighs on both alike.
    added = {
        f"{way}_added_ms": statistics.median(
            a - b for a, b in zip(cpu[way], cpu["none"], strict=True)
        )
        for way in WAYS[1:]
    }
    return {
        **medians,
        **added,
        **{f"{way}_wall_ms": statistics.median(wall[way]) for way in WAYS},
        "rounds": rounds,
        "runs_each": runs,
        "lowest_and_highest": spread,
        "spans_per_run": sent["otlp"]["traces"] / (2 * (runs * rounds + warm_up)),
        "sent": sent,
    }


def check(sent: dict[str, Any], each: int) -> None:
    """See that what was measured took place: two ways sent the spans and runs of each run."""
    if sent["otlp"]["roots"] != 2 * each or sent["langsmith"]["roots"] != 2 * each:
        raise SystemExit(f"not everything arrived: {sent}, of {2 * each} runs")


def environment(way: str, otlp: str, langsmith: str) -> dict[str, str]:
    """Return what a way's process has in its environment."""
    traced = {
        "LANGSMITH_TRACING": "true",
        "LANGCHAIN_TRACING_V2": "true",
        "LANGSMITH_ENDPOINT": langsmith,
        "LANGSMITH_API_KEY": "lsv2_pt_loopback",
    }
    quiet = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
        "OMP_NUM_THREADS": "1",
        **(traced if way in ("langsmith", "all") else quiet),
    }


class Process:
    """A process that tells something when it is ready, and answers a number with figures."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running
        self.told = self._read()

    def ask(self, number: int) -> dict[str, Any]:
        assert self._running.stdin is not None
        self._running.stdin.write(f"{number}\n")
        self._running.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        if not line:
            raise SystemExit(f"{self._running.args} ended")
        return dict(json.loads(line))


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[Process]:
    """Start this file as another process; it ends with its standard input."""
    running = subprocess.Popen(
        [sys.executable, str(HERE), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield Process(running)
    finally:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.close()
        running.wait(60)
        running.stdout.close()


def say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


async def child(way: str, url: str, folder: str) -> None:
    """Carry out runs in one of the ways, as many as each line of the standard input says."""
    import concertmaster as cm
    from concertmaster.orchestrator import opening

    if way in ("none", "otel", "langsmith"):
        opening.Trail = silent()  # type: ignore[misc]
    async with cm.open(WORKSPACE, home=Path(folder), model=f"{url}#loopback") as desk:
        observer = None
        if way in ("otel", "all"):
            from concertmaster.telemetry import observe

            observer = observe(desk)

        def flush() -> None:
            if observer is not None:
                observer.flush()
            desk._segments.traces.flush(60)

        say({"way": way})
        number = 0
        while line := await asyncio.to_thread(sys.stdin.readline):
            say(await carried_out(desk, range(number, number + int(line)), flush))
            number += int(line)
        if observer is not None:
            assert observer.broken == observer.lost == 0, (observer.broken, observer.lost)
            observer.close()


async def carried_out(desk: Any, numbers: range, flush: Any) -> dict[str, float]:
    gc.collect()
    gc.disable()
    before, began = used(), perf_counter()
    for number in numbers:
        run = await desk.run(MESSAGE, principal="ana", thread=f"run-{number}")
        if run.outcome.text != ANSWER:
            raise SystemExit(f"the run ended as {run.status}: {run.outcome}")
    took = perf_counter() - began
    flush()
    spent = used() - before
    gc.enable()
    return {"cpu_ms": spent / len(numbers) * 1e3, "wall_ms": took / len(numbers) * 1e3}


def used() -> float:
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def silent() -> type:
    """Return a trail that keeps nothing, with as many transactions as one that does."""
    from functools import partial

    from concertmaster.audit import Trail

    class Silent(Trail):
        _dirty = False

        def emit(self, type: Any, **given: Any) -> None:
            self._dirty = True
            if self._listeners:
                event = self.event(type, **given)
                for tell in self._listeners:
                    tell(event)

        async def flush(self) -> None:
            if self._dirty:
                await self.database.write(self.store)

        def store(self, connection: Any, *events: Any) -> frozenset[str]:
            self._dirty = False
            for write in self._beside:
                write(connection)
            if self._listeners:
                self.database.after_commit(partial(self._tell, events))
            return frozenset(event.id for event in events)

    return Silent


def receive(what: str) -> None:
    """Receive what is sent and tell how much that was when asked."""
    if what == "langsmith":
        from concertmaster.testing import langsmith_server

        with langsmith_server() as server:
            say({"url": server.url})
            for _ in sys.stdin:
                runs = server.runs
                roots = sum(not run.get("parent_run_id") for run in runs)
                say({"traces": len(runs), "roots": roots, "faults": len(server.faults())})
        return
    counts = {"traces": 0, "roots": 0, "metrics": 0}
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(counts))
    import threading

    threading.Thread(target=server.serve_forever, daemon=True).start()
    say({"url": f"http://127.0.0.1:{server.server_port}"})
    for _ in sys.stdin:
        say(dict(counts))


def handler(counts: dict[str, int]) -> type[BaseHTTPRequestHandler]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                found = ExportTraceServiceRequest.FromString(body)
                for resource_ in found.resource_spans:
                    for scope in resource_.scope_spans:
                        counts["traces"] += len(scope.spans)
                        counts["roots"] += sum(not s.parent_span_id for s in scope.spans)
            else:
                counts["metrics"] += 1
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    main()
