"""A bank's 698 documents and its customers' opening words, through the whole graph.

    python benchmarks/rho_bank.py --documents F --queries F [--principal customer|staff]

`--documents` is JSON lines of `id, title, content`, `--queries` of `id, text, relevant`. A canary
is planted in every document whose title begins with "Internal:"; afterwards it is looked for in
everything that the runs left or showed: prompts (of a second pass with a recording model),
states, traces, logs, answers and every byte of the home directory, the index itself aside.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import logging
import re
import resource
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook
from ranking import ndcg
from report import percentile, report
from rich.console import Console
from rich.progress import track

import concertmaster as cm
from concertmaster.testing import ScriptedModel

DESK = Path(__file__).resolve().parent.parent / "examples" / "bank_desk"
INTERNAL = "Internal:"
PRINCIPALS = {
    "customer": cm.Principal(id="bench-customer", roles=("customer",)),
    "staff": cm.Principal(id="bench-staff", roles=("staff",)),
}
Documents = dict[str, dict[str, str]]


class Recorder(BaseCallbackHandler):
    """Keeps what a tracer would send: inputs and outputs of every traced step."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        """Keep a step's input."""
        self.seen.append(repr(inputs))
        self.seen.append(repr(kwargs.get("metadata")))

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        """Keep a step's output."""
        self.seen.append(repr(outputs))

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        """Keep an error's text."""
        self.seen.append(repr(error))


_TRACE: ContextVar[Recorder | None] = ContextVar("bench_trace", default=None)
register_configure_hook(_TRACE, inheritable=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--principal", choices=sorted(PRINCIPALS), default="customer")
    options = parser.parse_args()
    queries = [json.loads(line) for line in options.queries.read_text().splitlines() if line]
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(
            _measure(options.documents, queries, PRINCIPALS[options.principal], Path(folder))
        )
    report(f"rho_bank as {options.principal}", {"principal": options.principal, **figures})


async def _measure(
    source: Path, queries: list[dict[str, Any]], who: cm.Principal, folder: Path
) -> dict[str, Any]:
    planted, canaries = _plant(source, folder / "documents.jsonl")
    documents: Documents = {d["id"]: d for d in map(json.loads, planted.read_text().splitlines())}
    places = Places(canaries)
    plain = await _pass(planted, queries, who, folder / "plain", places, None)
    model = ScriptedModel(otherwise=_quoting_model)
    shutil.copytree(folder / "plain" / "index", folder / "model" / "index")
    await _pass(planted, queries, who, folder / "model", places, model)
    places.look("\n".join(p.text for p in model.prompts), "prompts")
    ranks = [_found(run, q["relevant"]) for run, q in zip(plain.runs, queries, strict=True)]
    statuses = Counter(run.status for run in plain.runs)
    answered = [r for r in plain.runs if r.status == "answered"]
    support = [_supported(r, documents) for r in answered]
    sentences = sum(total for _, total in support)
    staff = "staff" in who.roles
    return {
        "queries": len(queries),
        "documents": len(documents),
        "internal_documents": len(canaries),
        "hit_at_10": _mean(any(r) for r in ranks),
        "ndcg_at_10": _mean(
            ndcg(r, len(q["relevant"])) for r, q in zip(ranks, queries, strict=True)
        ),
        "answered": statuses["answered"],
        "escalated": statuses["escalated"],
        "refused": statuses["refused"],
        "failed": len(queries) - sum(statuses[s] for s in ("answered", "escalated", "refused")),
        "answered_share": len(answered) / len(queries),
        "sentences": sentences,
        "sentences_supported": sum(good for good, _ in support) / sentences if sentences else 0.0,
        "answers_fully_supported": _mean(good == total for good, total in support),
        "internal_leaks": 0 if staff else len(places.leaked),
        "internal_shown_to_staff": len(places.leaked) if staff else 0,
        "leak_places": sorted(places.where) if not staff else [],
        "p50_ms": percentile(plain.times, 0.5),
        "p95_ms": percentile(plain.times, 0.95),
        "index_s": plain.index_s,
        "peak_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


class Places:
    """Where canaries turned up."""

    def __init__(self, canaries: dict[str, str]) -> None:
        self.canaries = canaries
        self.leaked: set[str] = set()
        self.where: set[str] = set()

    def look(self, text: str | bytes, place: str) -> None:
        """Note every internal document whose canary stands in the text."""
        raw = text.encode() if isinstance(text, str) else text
        for document, canary in self.canaries.items():
            if canary.encode() in raw:
                self.leaked.add(document)
                self.where.add(place)


class Passed:
    """One pass over all queries."""

    def __init__(self) -> None:
        self.runs: list[cm.Run] = []
        self.times: list[float] = []
        self.index_s = 0.0


async def _pass(
    documents: Path,
    queries: list[dict[str, Any]],
    who: cm.Principal,
    home: Path,
    places: Places,
    model: Any,
) -> Passed:
    passed, recorder, log, screen = Passed(), Recorder(), io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    token = _TRACE.set(recorder)
    console = Console(stderr=True)
    try:
        async with _bank(documents, home, model, passed) as desk:
            with contextlib.redirect_stdout(screen):
                for query in track(queries, description="queries", console=console):
                    start = time.perf_counter()
                    run = await desk.run(query["text"], principal=who, thread=query["id"])
                    passed.times.append((time.perf_counter() - start) * 1000)
                    passed.runs.append(run)
            for query in queries:
                config = {"configurable": {"thread_id": query["id"]}}
                async for state in desk.graph.aget_state_history(config):
                    places.look(repr(state.values), "states")
    finally:
        _TRACE.reset(token)
        logging.getLogger().removeHandler(handler)
    for run in passed.runs:
        places.look(run.outcome.model_dump_json(), "answers")
        places.look(run._repr_html_(), "answers")
    places.look("\n".join(recorder.seen), "traces")
    places.look(log.getvalue() + screen.getvalue(), "logs")
    _look_at_home(home, places)
    return passed


@contextlib.asynccontextmanager
async def _bank(documents: Path, home: Path, model: Any, passed: Passed) -> AsyncIterator[cm.Desk]:
    start = time.perf_counter()
    async with cm.open(DESK, home=home, model=model) as desk:
        await desk.ingest([documents])
        passed.index_s = time.perf_counter() - start
        yield desk


def _plant(source: Path, target: Path) -> tuple[Path, dict[str, str]]:
    canaries, lines = {}, []
    for number, line in enumerate(filter(None, source.read_text().splitlines())):
        document = json.loads(line)
        if document["title"].startswith(INTERNAL):
            canary = f"canary{number:04d}x{abs(hash(document['id'])) % 10**10:010d}"
            canaries[document["id"]] = canary
            document["content"] += f"\n\nFile mark {canary} of this document."
            document["title"] += f" ({canary})"
        lines.append(json.dumps(document))
    target.write_text("\n".join(lines))
    return target, canaries


def _quoting_model(messages: list[Any]) -> str:
    """Answer with the first sentence of each passage in the prompt, cited."""
    prompt = str(messages[0].content)
    found = re.finditer(r"<data-(\w+) evidence (\d+)>\n(.*?)\n</data-\1>", prompt, re.DOTALL)
    passages = [(m.group(2), m.group(3)) for m in found][:3]
    quoted = [f"{p.split('. ')[0].strip().rstrip('.')} [{n}]." for n, p in passages]
    return " ".join(quoted) or "I do not know."


def _look_at_home(home: Path, places: Places) -> None:
    """Search raw bytes of every file but the index, and every value of every table."""
    for path in home.rglob("*"):
        if path.is_file() and "index" not in path.relative_to(home).parts[:1]:
            places.look(path.read_bytes(), f"bytes of {path.name}")
    connection = sqlite3.connect(home / "concertmaster.sqlite3")
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            for value in row:
                if isinstance(value, str | bytes):
                    places.look(value, f"table {table}")
    connection.close()


def _found(run: cm.Run, relevant: Iterable[str]) -> list[bool]:
    retrieved = run.turn.retrieved if run.turn else None
    wanted = set(relevant)
    return [d in wanted for d in (retrieved.documents[:10] if retrieved else ())]


def _supported(run: cm.Run, documents: Documents) -> tuple[int, int]:
    """Count an answer's factual sentences and those whose cited spans hold what they say.

    Judged here from the documents themselves: a sentence is supported if it stands verbatim in
    a cited span, or if the cited spans hold 60% of its words and all of its numbers.
    """
    draft = run.turn.draft if run.turn else None
    good = total = 0
    for sentence in draft.sentences if draft else ():
        if sentence.basis == "form":
            continue
        total += 1
        spans = " ".join(
            documents[c.document]["content"][c.start : c.end]
            for c in sentence.citations
            if c.document in documents
        )
        good += _holds(spans, sentence.text)
    return good, total


def _holds(source: str, claim: str) -> bool:
    flat, said = " ".join(source.lower().split()), " ".join(claim.lower().split())
    if said and said.rstrip(".") in flat:
        return True
    words = set(re.findall(r"[a-z]{3,}", said))
    known = set(re.findall(r"[a-z]{3,}", flat))
    numbers = set(re.findall(r"\d+", said)) <= set(re.findall(r"\d+", flat))
    return bool(words) and numbers and len(words & known) / len(words) >= 0.6


def _mean(values: Iterable[float | bool]) -> float:
    listed = [float(v) for v in values]
    return sum(listed) / len(listed) if listed else 0.0


if __name__ == "__main__":
    main()
