"""The intent model on labelled messages: accuracy, out of scope, time.

    python benchmarks/intent.py --train F [--val F] [--test F] [--cost SHARE]

Files are JSON lines of `text, intent`; the intent is null for messages out of scope. The threshold
of scope is chosen on `--val`, never on `--test`. Without `--test`, each half of `--val` is measured
with the threshold of the other one; without both, `--train` is cross-validated in five parts.
`train_s` is the longest training, vectors included; what parts share is embedded in the first.
What is measured is the model that desks use. An in-scope message that is refused counts as wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from report import percentile, report
from rich.console import Console
from rich.progress import track

from concertmaster.models.classifier import IntentModel, Scores
from concertmaster.models.intent_trials import calibration_error
from concertmaster.retrieval.embeddings import default_embedder

Row = tuple[str, str | None]
_CONSOLE = Console(stderr=True)
_COST = 0.007
_FOLDS = 5
_POINTS = 21
_CHUNK = 4096
_VECTORS: dict[str, Any] = {}


@dataclass(frozen=True)
class Seen:
    """A message with its intent, what the model made of it, and the milliseconds that took."""

    row: Row
    scores: Scores
    ms: float
    cpu_ms: float

    @property
    def right(self) -> bool:
        """Whether the likeliest intent is the wanted one, whatever its scope."""
        return self.scores.ranked[0][0] == self.row[1]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument(
        "--cost",
        type=float,
        default=_COST,
        help="share of in-scope messages of --val that the threshold may cost (%(default)s)",
    )
    options = parser.parse_args()
    train = _read(options.train)
    val = _read(options.val) if options.val else []
    seen: list[Seen] = []
    times: list[tuple[float, float]] = []
    if options.test:
        parts = [(train, val, _read(options.test))]
        split = "test"
    elif val:
        halves = val[::2], val[1::2]
        parts = [(train, halves[0], halves[1]), (train, halves[1], halves[0])]
        split = "halves of val, each with the threshold of the other"
    else:
        parts = [_fold(train, number) for number in range(_FOLDS)]
        split = f"train, cross-validated in {_FOLDS} parts"
    for rows, held, test in parts:
        model, seconds = _trained(rows, held, options.cost)
        times.append(seconds)
        seen += _classified(model, test)
    report(
        f"Intents: {split}", {"split": split, **_figures(seen, *map(max, zip(*times, strict=True)))}
    )


def _read(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [(row["text"], row["intent"]) for row in rows]


def _fold(rows: Sequence[Row], number: int) -> tuple[list[Row], list[Row], list[Row]]:
    """Return what one part of a cross-validation trains on, calibrates on (nothing), and tests."""
    order = np.random.default_rng(0).permutation(len(rows)) % _FOLDS
    kept = [row for row, at in zip(rows, order, strict=True) if at != number]
    return kept, [], [row for row, at in zip(rows, order, strict=True) if at == number]


def _trained(
    rows: Sequence[Row], held: Sequence[Row], cost: float
) -> tuple[IntentModel, tuple[float, float]]:
    """Return a model and the seconds that it took, of wall and CPU, vectors included."""
    examples: dict[str, list[str]] = {}
    for text, intent in rows:
        if intent is not None:
            examples.setdefault(intent, []).append(text)
    strange = [text for text, intent in rows if intent is None]
    embedder = default_embedder()
    embedder.embed(["warm"])
    start, cpu = time.perf_counter(), time.process_time()
    model = IntentModel.train(examples, strange, _embed, embedder.name, held=held, cost=cost)
    return model, (time.perf_counter() - start, time.process_time() - cpu)


def _embed(texts: Sequence[str]) -> Any:
    """Return vectors; what parts of one measurement have in common is embedded once."""
    if len(texts) == 1:
        return default_embedder().embed(texts)
    new = [text for text in dict.fromkeys(texts) if text not in _VECTORS]
    chunks = [new[at : at + _CHUNK] for at in range(0, len(new), _CHUNK)]
    for chunk in track(chunks, description="vectors", console=_CONSOLE):
        _VECTORS.update(zip(chunk, default_embedder().embed(chunk), strict=True))
    return np.stack([_VECTORS[text] for text in texts])


def _classified(model: IntentModel, rows: Sequence[Row]) -> list[Seen]:
    seen = []
    for row in track(rows, description="messages", console=_CONSOLE):
        start, cpu = time.perf_counter(), time.process_time()
        scores = model.predict(row[0])
        used = (time.process_time() - cpu) * 1000
        seen.append(Seen(row, scores, (time.perf_counter() - start) * 1000, used))
    return seen


def _figures(seen: Sequence[Seen], train_s: float, train_cpu_s: float) -> dict[str, Any]:
    known = {name for s in seen for name, _ in s.scores.ranked}
    inside = [s for s in seen if s.row[1] in known]
    outside = [s for s in seen if s.row[1] not in known]
    figures: dict[str, Any] = {"messages": len(seen), "in_scope": len(inside)}
    kept = _mean(s.right and s.scores.in_scope for s in inside)
    accuracy = _mean(s.right for s in inside)
    if outside:
        figures |= {
            "in_scope_accuracy": kept,
            "oos_recall": _mean(not s.scores.in_scope for s in outside),
            "auroc": _auroc(inside, outside),
            "accuracy_without_scope": accuracy,
            "curve": _curve(inside, outside),
        }
    else:
        figures |= {"accuracy": accuracy, "accuracy_with_scope": kept}
    figures |= {
        "calibration_error": calibration_error([(s.scores.ranked[0][1], s.right) for s in inside]),
        "p50_ms": percentile([s.ms for s in seen], 0.5),
        "p95_ms": percentile([s.ms for s in seen], 0.95),
        "cpu_p50_ms": percentile([s.cpu_ms for s in seen], 0.5),
        "train_s": train_s,
        "train_cpu_s": train_cpu_s,
        "confusions": _confusions(inside),
    }
    return figures


def _mean(values: Any) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else 0.0


def _auroc(inside: Sequence[Seen], outside: Sequence[Seen]) -> float:
    """Return how often a message in scope scores above one out of scope; ties count half."""
    high = np.array([s.scores.in_scope_score for s in inside])
    low = np.sort([s.scores.in_scope_score for s in outside])
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / 2 / len(low))


def _curve(inside: Sequence[Seen], outside: Sequence[Seen]) -> list[dict[str, float]]:
    """Return points from refusing nothing to refusing a fifth of what is in scope."""
    scores = np.array([s.scores.in_scope_score for s in inside])
    right = np.array([s.right for s in inside])
    strange = np.array([s.scores.in_scope_score for s in outside])
    points = []
    for share in np.linspace(0, 0.2, _POINTS):
        threshold = float(np.quantile(scores, share)) if share else 0.0
        points.append(
            {
                "threshold": threshold,
                "in_scope_accuracy": float(((scores >= threshold) & right).mean()),
                "oos_recall": float((strange < threshold).mean()),
            }
        )
    return points


def _confusions(inside: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return the ten commonest confusions, with an example each."""
    wrong = [(s.row[1], s.scores.ranked[0][0], s.row[0]) for s in inside if not s.right]
    pairs = Counter((truth, read) for truth, read, _ in wrong)
    first = {(truth, read): text for truth, read, text in reversed(wrong)}
    return [
        {"intent": truth, "read_as": read, "count": count, "example": first[truth, read]}
        for (truth, read), count in pairs.most_common(10)
    ]


if __name__ == "__main__":
    sys.exit(main())
