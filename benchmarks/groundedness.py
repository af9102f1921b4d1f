"""Whether responses are supported by their evidence, as the critic measures it.

    python benchmarks/groundedness.py --examples F

`--examples` is JSON lines of `evidence, message, response, supported`, such as the Wizard of
Wikipedia part of BEGIN (github.com/google/BEGIN-dataset). Measure and threshold are those that
the critic ships with; nothing is fitted here. Besides, each deterministic check says how many of
the supported and of the unsupported responses it objects to.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from report import percentile, report
from rich.console import Console
from rich.progress import track

from concertmaster.agents.grounding import THRESHOLD
from concertmaster.agents.support import check_claim, support

_CONSOLE = Console(stderr=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=Path, required=True)
    path = parser.parse_args().examples
    lines = path.read_text(encoding="utf-8").splitlines()
    examples = [json.loads(line) for line in lines if line.strip()]
    report(f"groundedness over {path.name}", measure(examples))


def measure(examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return balanced accuracy, AUROC and the time an example takes."""
    scores, times = [], []
    objections: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for example in track(examples, "judging", console=_CONSOLE):
        claim, evidence = str(example["response"]), str(example["evidence"])
        started = time.perf_counter()
        scores.append(support(claim, [evidence]))
        times.append((time.perf_counter() - started) * 1000)
        checks = {f.check for f in check_claim(0, claim, [evidence])} - {"support"}
        objections[bool(example["supported"])].update(checks)
    labels = [bool(e["supported"]) for e in examples]
    right = [s for s, label in zip(scores, labels, strict=True) if label]
    wrong = [s for s, label in zip(scores, labels, strict=True) if not label]
    sensitivity = _share(s >= THRESHOLD for s in right)
    specificity = _share(s < THRESHOLD for s in wrong)
    return {
        "examples": len(examples),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "auroc": _auroc(right, wrong),
        "p50_ms": percentile(times, 0.5),
        "p95_ms": percentile(times, 0.95),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "threshold": THRESHOLD,
        "objections": {
            check: {
                "supported": objections[True][check],
                "unsupported": objections[False][check],
            }
            for check in sorted({*objections[True], *objections[False]})
        },
    }


def _share(outcomes: Any) -> float:
    known = list(outcomes)
    return sum(known) / len(known) if known else 0.0


def _auroc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Return the share of pairs in which the supported one scores higher, ties as half."""
    pairs = len(right) * len(wrong)
    higher = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
    return higher / pairs if pairs else 0.0


if __name__ == "__main__":
    main()
