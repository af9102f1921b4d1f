"""Whether a message belongs to any intent: four signals, brought to one calibrated score.

The signals are the largest logit of the linear model, its logit of being out of scope, the mean
cosine to the three nearest utterances of the best intent, and the cosine to the nearest intent's
centre. A softmax probability alone says little here: something must always be the likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Neighbours", "Scope"]

_WEIGHTS = (1.0, -0.2, 0.4, 0.4)
_NEAREST = 3
_PROBED = 16
_LOST_AT_MOST = 0.13
_LOST_UNSEEN = 0.05


class Neighbours:
    """The training utterances' vectors, grouped by intent."""

    def __init__(self, vectors: Array, labels: Sequence[int]) -> None:
        import numpy as np

        self.vectors = vectors
        self.labels = np.asarray(labels, dtype=np.int64)
        groups = [np.flatnonzero(self.labels == at) for at in range(int(self.labels.max()) + 1)]
        widest = max(map(len, groups))
        # One row a class, filled up with a place that holds no similarity.
        self._rows = np.full((len(groups), widest), len(vectors), dtype=np.int64)
        for at, group in enumerate(groups):
            self._rows[at, : len(group)] = group
        self._sizes = np.minimum([len(g) for g in groups], _NEAREST)
        centres = np.stack([vectors[g].mean(axis=0) for g in groups])
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)

    def cosines(self, vector: Array) -> Array:
        """Return the cosine of a message to each utterance."""
        made: Array = self.vectors @ vector
        return made

    def signals(self, vector: Array, cosines: Array | None = None) -> tuple[float, float, float]:
        """Return the cosines to the nearest utterance, the best class, the nearest centre.

        The best class is looked for among the 16 whose centres are nearest: comparing the
        utterances of all would take most of the time where there are many. `cosines` are those
        of `vector`, if they are known already.
        """
        import numpy as np

        known = self.cosines(vector) if cosines is None else cosines
        central = self._centres @ vector
        rows, sizes = self._rows, self._sizes
        if len(rows) > _PROBED:
            probed = np.argpartition(-central, _PROBED)[:_PROBED]
            rows, sizes = rows[probed], sizes[probed]
        near = np.append(known, np.float32(-np.inf))[rows]
        if near.shape[1] > _NEAREST:
            near = np.partition(near, -_NEAREST, axis=1)[:, -_NEAREST:]
        sums = np.where(np.isfinite(near), near, 0).sum(axis=1)
        return float(known.max()), float((sums / sizes).max()), float(central.max())


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The calibration: usual signals of in-scope messages, threshold, and steepness."""

    mean: tuple[float, ...]
    spread: tuple[float, ...]
    threshold: float
    slope: float

    @classmethod
    def fit(
        cls,
        inside: NDArray[Any],
        right: NDArray[np.bool_],
        outside: NDArray[Any],
        weights: NDArray[Any],
        *,
        cost: float | None = None,
    ) -> Scope:
        """Calibrate on signals of messages that the model did not see.

        The threshold makes the most of in-scope messages kept and rightly classified, plus
        out-of-scope messages refused, while it loses few of the former. With `cost` it is the
        one that refuses most of the latter, while in-scope messages kept and rightly classified
        become fewer by this share at most.

        Args:
            inside: a row of signals for each in-scope message.
            right: whether each of these was classified rightly.
            outside: the same signals of out-of-scope messages.
            weights: how much each of those counts.
        """
        import numpy as np

        mean, spread = inside.mean(axis=0), inside.std(axis=0)
        spread = np.where(spread > 1e-6, spread, 1.0)
        kept = ((inside - mean) / spread) @ np.array(_WEIGHTS)
        about = {"mean": tuple(map(float, mean)), "spread": tuple(map(float, spread))}
        if not len(outside):
            return cls(**about, threshold=float(np.quantile(kept, _LOST_UNSEEN)), slope=1.0)
        refused = ((outside - mean) / spread) @ np.array(_WEIGHTS)
        share = weights / weights.sum()
        tried = np.unique(np.concatenate([kept, refused]))
        tried = tried[tried <= np.quantile(kept, _LOST_AT_MOST)]
        good = np.array([((kept >= t) & right).mean() for t in tried])
        gains = good + np.array([share[refused < t].sum() for t in tried])
        if cost is not None:
            gains = np.where(good >= right.mean() - cost - 1e-9, gains - good, -1.0)
        # Of thresholds that gain the same, the strictest.
        most = np.flatnonzero(gains >= gains.max() - 1e-9)
        threshold = float(tried[most[-1]])
        slope = _slope(kept - threshold, refused - threshold, share)
        return cls(**about, threshold=threshold, slope=slope)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Scope:
        """Read a calibration back from JSON."""
        return cls(
            mean=tuple(map(float, stored["mean"])),
            spread=tuple(map(float, stored["spread"])),
            threshold=float(stored["threshold"]),
            slope=float(stored["slope"]),
        )

    def score(self, signals: Sequence[float]) -> float:
        """Return how sure it is that a message is in scope, 0 to 1; from 0.5 it counts as so."""
        total = sum(
            weight * (value - mean) / spread
            for weight, value, mean, spread in zip(
                _WEIGHTS, signals, self.mean, self.spread, strict=True
            )
        )
        steep = max(-60.0, min(60.0, self.slope * (total - self.threshold)))
        if signals[1] > signals[0]:  # The linear model itself knows it as out of scope.
            steep = -abs(steep)
        return 1 / (1 + math.exp(-steep))


def _slope(kept: Any, refused: Any, share: Any) -> float:
    """Return the steepness of the logistic curve through 0 that fits both sides best."""
    import numpy as np

    def loss(slope: float) -> float:
        inside = np.logaddexp(0, -slope * kept).mean()
        return float(inside + (share * np.logaddexp(0, slope * refused)).sum())

    return min((0.1 * 1.15**step for step in range(40)), key=loss)
