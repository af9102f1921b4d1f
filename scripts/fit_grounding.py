"""Fit the critic's measure of support, and estimate how it does on examples it has not seen.

    python scripts/fit_grounding.py --examples data/begin_wow/dev.jsonl

Prints the weights for `concertmaster/agents/grounding.py`, and balanced accuracy and AUROC: over
the examples fitted on (resubstitution), and cross-validated in ten folds, five times shuffled,
where examples with the same evidence are never on both sides. `--examples` is JSON lines of
`evidence, message, response, supported`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from concertmaster.agents.grounding import FEATURES, THRESHOLD, features

__all__ = ["cross_validate", "fit"]

_C = 0.3
_FOLDS = 10
_SHUFFLES = 5


def fit(matrix: Any, labels: Any) -> tuple[list[float], float]:
    """Return the weights and the bias for features that are not standardised."""
    pipeline = _pipeline().fit(matrix, labels)
    scaler, regression = pipeline[0], pipeline[1]
    weights = regression.coef_[0] / scaler.scale_
    bias = regression.intercept_[0] - float(weights @ scaler.mean_)
    return [float(w) for w in weights], float(bias)


def cross_validate(matrix: Any, labels: Any, groups: list[str]) -> dict[str, float]:
    """Return mean and spread of balanced accuracy, and the mean AUROC, over the shuffles."""
    accuracies, areas = [], []
    for seed in range(_SHUFFLES):
        unseen = np.zeros(len(labels))
        folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
        for train, test in folds.split(matrix, labels, groups):
            model = _pipeline().fit(matrix[train], labels[train])
            unseen[test] = model.predict_proba(matrix[test])[:, 1]
        accuracies.append(balanced_accuracy_score(labels, unseen >= THRESHOLD))
        areas.append(roc_auc_score(labels, unseen))
    return {
        "cv_balanced_accuracy": float(np.mean(accuracies)),
        "cv_spread": float(np.std(accuracies)),
        "cv_auroc": float(np.mean(areas)),
    }


def _pipeline() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=_C, class_weight="balanced"))


def main() -> None:
    """Fit, estimate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=Path, required=True)
    lines = parser.parse_args().examples.read_text(encoding="utf-8").splitlines()
    examples = [json.loads(line) for line in lines if line.strip()]
    matrix = np.array([features(e["response"], e["evidence"]) for e in examples])
    labels = np.array([int(e["supported"]) for e in examples])
    groups = [str(e["evidence"]).lower() for e in examples]
    weights, bias = fit(matrix, labels)
    logits = matrix @ np.array(weights) + bias
    figures = {
        "examples": len(examples),
        "weights": {n: round(w, 3) for n, w in zip(FEATURES, weights, strict=True)},
        "bias": round(bias, 3),
        "fitted_balanced_accuracy": balanced_accuracy_score(labels, logits >= 0),
        "fitted_auroc": roc_auc_score(labels, logits),
        **cross_validate(matrix, labels, groups),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
