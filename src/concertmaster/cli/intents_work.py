"""What the commands about intents do: read, train, try."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ConfigError

if TYPE_CHECKING:
    from concertmaster.graphs.workspace import Workspace
    from concertmaster.models.intent_trials import Trial
    from concertmaster.retrieval.embeddings import Embedder

__all__ = ["labelled", "measured", "trained"]

_OUT_OF_SCOPE = "out_of_scope"


def labelled(path: Path) -> list[tuple[str, str | None]]:
    """Return the messages of a file of JSON lines with their intents, or of golden questions.

    Raises:
        ConfigError: it cannot be read, or a line is no message; tells the line, not its text.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({type(error).__name__})",
            hint="name a file of JSON lines in UTF-8",
        ) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _row(line)
        if row is None:
            raise ConfigError(
                f"{path}:{number} is no labelled message",
                hint='write {"text": "…", "intent": "…"}, with null for out of scope',
            )
        rows += row
    if not rows:
        raise ConfigError(f"{path} holds no message with an intent", hint="one JSON object a line")
    return rows


def _row(line: str) -> list[tuple[str, str | None]] | None:
    """Return the message of a line; nothing for a golden question that names no intent.

    A line of `golden.jsonl`, which feedback becomes, has `question` in the place of `text`. There
    null means that nobody said what was wanted, and `out_of_scope` that nothing was.
    """
    try:
        row = json.loads(line)
        golden = "text" not in row and "question" in row
        text, intent = row["question" if golden else "text"], row["intent"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or not isinstance(intent, str | None):
        return None
    if golden and intent is None:
        return []
    return [(text, None if golden and intent == _OUT_OF_SCOPE else intent)]


async def trained(folder: Path, data: Path | None, home: Path | None) -> dict[str, Any]:
    """Train a workspace's classifier, store it in the home, and tell about it."""
    from concertmaster.models.classifier import IntentModel
    from concertmaster.orchestrator.home import Home, base_dir

    workspace, examples = _read(folder)
    held = _known(labelled(data), examples) if data else []
    embedder = _embedder(workspace)
    place = Home.prepare(home or base_dir() / workspace.name, workspace.path)
    async with place.busy():
        start = time.perf_counter()
        model = IntentModel.train(
            examples,
            workspace.spec.intents.out_of_scope,
            embedder.embed,
            embedder.name,
            held=held,
        )
        seconds = time.perf_counter() - start
        stored = place.intents / "model.npz"
        model.save(stored)
    return {
        "workspace": workspace.name,
        "intents": len(examples),
        "utterances": sum(map(len, examples.values())),
        "seconds": seconds,
        "bytes": stored.stat().st_size,
        "margin": model.margin,
        "fingerprint": model.fingerprint,
        "file": str(stored),
    }


def measured(folder: Path, data: Path | None, folds: int) -> Trial:
    """Try the classifier of a workspace on its own utterances in turn, or on given messages."""
    from rich.progress import track

    from concertmaster.cli.console import err
    from concertmaster.models.classifier import IntentModel
    from concertmaster.models.intent_trials import cross_validated, tried

    workspace, examples = _read(folder)
    strange = workspace.spec.intents.out_of_scope
    embed = _embedder(workspace).embed
    if data is not None:
        rows = labelled(data)
        _known(rows, examples)
        # What feedback taught is an utterance, too: nothing is judged by a model that learned it.
        seen = {text for text, _ in rows}
        kept = {name: [t for t in texts if t not in seen] for name, texts in examples.items()}
        strange = tuple(t for t in strange if t not in seen)
        return tried(IntentModel.train(kept, strange, embed), rows)
    console = err()
    bar = iter(
        track(
            range(folds),
            "training",
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
    )
    next(bar, None)
    trial = cross_validated(
        examples, strange, embed, folds=folds, progress=lambda done, total: next(bar, None)
    )
    next(bar, None)
    return trial


def _read(folder: Path) -> tuple[Workspace, dict[str, list[str]]]:
    from concertmaster.graphs.workspace import Workspace

    workspace = Workspace.load(folder)
    examples = {i.name: list(i.utterances) for i in workspace.spec.intents.intents}
    if not examples:
        raise ConfigError(
            f"workspace {workspace.name!r} declares no intents",
            hint="declare them in intents.yaml",
        )
    return workspace, examples


def _embedder(workspace: Workspace) -> Embedder:
    """Return the embedding with which a desk of this workspace reads messages."""
    from concertmaster.retrieval.embeddings import default_embedder, embedder_of

    knowledge = workspace.spec.workflow.knowledge
    return embedder_of(knowledge.embedding) if knowledge else default_embedder()


def _known(
    rows: list[tuple[str, str | None]], examples: dict[str, list[str]]
) -> list[tuple[str, str | None]]:
    named = {intent for _, intent in rows if intent is not None}
    if named.isdisjoint(examples):
        raise ConfigError(
            "no message of the data has an intent of the workspace",
            hint=f"its intents are {', '.join(sorted(examples))}",
        )
    return rows
