"""What the utterances tell beyond themselves: scope and confidence, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from concertmaster.models.background import BACKGROUND
from concertmaster.models.kernel import Kernel
from concertmaster.models.linear import Linear
from concertmaster.models.ngrams import Ngrams
from concertmaster.models.scope import Neighbours, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Embed = Callable[[Sequence[str]], Array]

__all__ = [
    "Calibration",
    "Seen",
    "Trained",
    "calibrate",
    "calibrate_on",
    "sentence_vectors",
]

_ROTATIONS = 5
_MANY = 1200
_TOO_ALIKE = 0.6
_GIVEN_COUNTS = 2.0
_SEED = 7
_WRONG_COSTS = 3.0
_ASKED_AT_MOST = 0.05
_WIDEST = 0.4
_SHARES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
_TEMPERATURES = tuple(0.05 * 1.2**step for step in range(25))
_CHUNK = 512


def sentence_vectors(embed: Embed, texts: Sequence[str]) -> Array:
    """Return the texts' vectors as float32."""
    return np.asarray(embed(texts), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What messages tell that the model was not trained on.

    `share` is how often the kernel's scores are added to the linear model's logits, and
    `temperature` divides the sum. `margin` is the lead of the best probability over the
    second below which a question to the author pays.
    """

    scope: Scope
    share: float
    temperature: float
    margin: float


def calibrate(
    texts: Sequence[str],
    vectors: Array,
    labels: Sequence[str],
    out_of_scope: Sequence[str],
    embed: Embed,
) -> Calibration:
    """Calibrate a model of these labelled texts by cross-validation.

    In each rotation a part of the utterances, and with three intents or more a part of the
    intents, is left out of the training. The former tell what in-scope messages look like; the
    latter, the given out-of-scope utterances and everyday requests tell what others do.
    """
    everyday = _everyday(vectors, embed)
    given = sentence_vectors(embed, out_of_scope) if out_of_scope else vectors[:0]
    heard = _Heard()
    for turn, (train, held, left_out) in enumerate(_rotations(labels)):
        known = [i for i in range(len(out_of_scope)) if i % _ROTATIONS != turn]
        trained = Trained.fit(
            [*(texts[i] for i in train), *(out_of_scope[i] for i in known)],
            np.concatenate([vectors[train], given[known]]),
            [*(labels[i] for i in train), *(None for _ in known)],
        )
        seen = trained.see([texts[i] for i in held], vectors[held])
        heard.inside(seen, [trained.linear.names.index(labels[i]) for i in held])
        unknown = [i for i in range(len(out_of_scope)) if i % _ROTATIONS == turn]
        for counts, their_texts, their_vectors in (
            (1.0, [texts[i] for i in left_out], vectors[left_out]),
            (1.0, *everyday),
            (_GIVEN_COUNTS, [out_of_scope[i] for i in unknown], given[unknown]),
        ):
            if their_texts:
                heard.outside(trained.see(their_texts, their_vectors), counts)
    return heard.calibration()


def calibrate_on(
    trained: Trained, held: Sequence[tuple[str, str | None]], embed: Embed, cost: float | None
) -> Calibration:
    """Calibrate a trained model on messages of which it is known what they want.

    Args:
        trained: the model.
        held: messages with their intents, null for out of scope; none of them trained on.
        embed: makes the vectors.
        cost: as in `Scope.fit`.
    """
    vectors = sentence_vectors(embed, [text for text, _ in held])
    place = {name: at for at, name in enumerate(trained.linear.names)}
    heard = _Heard()
    known = [i for i, (_, name) in enumerate(held) if name in place]
    strange = [i for i, (_, name) in enumerate(held) if name not in place]
    seen = trained.see([held[i][0] for i in known], vectors[known])
    heard.inside(seen, [place[str(held[i][1])] for i in known])
    if strange:
        heard.outside(trained.see([held[i][0] for i in strange], vectors[strange]), 1.0)
    return heard.calibration(cost)


class _Heard:
    """What models made of messages that they had not seen, in scope and out of it."""

    def __init__(self) -> None:
        self._inside: list[tuple[Seen, Any]] = []
        self._outside: list[Array] = []
        self._weights: list[Any] = []

    def inside(self, seen: Seen, truth: Sequence[int]) -> None:
        """Add messages in scope with the places of their intents."""
        self._inside.append((seen, np.array(truth, dtype=np.int64)))

    def outside(self, seen: Seen, counts: float) -> None:
        """Add messages out of scope; together they count so much."""
        self._outside.append(seen.signals)
        self._weights.append(np.full(len(seen.signals), counts / len(seen.signals)))

    def calibration(self, cost: float | None = None) -> Calibration:
        """Return what follows from all of them."""
        share, temperature = _mixture(self._inside)
        mixed = [(seen.mixed(share), truth) for seen, truth in self._inside]
        width = self._inside[0][0].signals.shape[1]
        scope = Scope.fit(
            np.concatenate([seen.signals for seen, _ in self._inside]),
            np.concatenate([logits.argmax(axis=1) == truth for logits, truth in mixed]),
            np.concatenate(self._outside) if self._outside else np.zeros((0, width)),
            np.concatenate(self._weights) if self._weights else np.zeros(0),
            cost=cost,
        )
        rows = [pair for logits, truth in mixed for pair in zip(logits, truth, strict=True)]
        margin = _margin(rows, temperature)
        return Calibration(scope=scope, share=share, temperature=temperature, margin=margin)


@dataclass(frozen=True)
class Seen:
    """What a model made of messages: signals of scope, logits, the kernel's scores, a row each."""

    signals: Array
    logits: Array
    scores: Array

    def mixed(self, share: float) -> Array:
        """Return the logits with so much of the kernel's scores."""
        return self.logits + np.float32(share) * self.scores


@dataclass(frozen=True)
class Trained:
    """A linear model, the neighbours among what it was trained on, and the kernel over these."""

    linear: Linear
    neighbours: Neighbours
    kernel: Kernel | None

    @classmethod
    def fit(cls, texts: Sequence[str], vectors: Array, labels: Sequence[str | None]) -> Trained:
        """Train on texts; those with a label of None are known to the linear model only."""
        ngrams = Ngrams.fit(texts)
        counted = ngrams.counted(texts)
        linear = Linear.fit(ngrams, counted, vectors, labels)
        named = [at for at, label in enumerate(labels) if label is not None]
        place = {name: at for at, name in enumerate(linear.names)}
        classes = [place[str(labels[at])] for at in named]
        kernel = Kernel.fit(counted[named], vectors[named], classes)
        return cls(linear, Neighbours(vectors[named], classes), kernel)

    def see(self, texts: Sequence[str], vectors: Array) -> Seen:
        """Return what the model makes of many messages."""
        counted = self.linear.ngrams.counted(texts)
        logits, other = self.linear.logits_of(counted, vectors)
        scores = np.zeros_like(logits)
        near = np.zeros((len(texts), 2), dtype=np.float32)
        for first in range(0, len(texts), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            cosines = vectors[chunk] @ self.neighbours.vectors.T
            pairs = zip(vectors[chunk], cosines, strict=True)
            near[chunk] = [self.neighbours.signals(*pair)[1:] for pair in pairs]
            if self.kernel is not None:
                scores[chunk] = self.kernel.scores_of(counted[chunk], cosines)
        signals = np.column_stack([logits.max(axis=1), other, near])
        return Seen(signals.astype(np.float32), logits, scores)


def _everyday(vectors: Array, embed: Embed) -> tuple[Sequence[str], Array]:
    """Return everyday requests, but for those much like an utterance: they may be in scope."""
    made = sentence_vectors(embed, BACKGROUND)
    far = [i for i, near in enumerate((made @ vectors.T).max(axis=1)) if near < _TOO_ALIKE]
    return [BACKGROUND[i] for i in far], made[far]


def _rotations(labels: Sequence[str]) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Yield which utterances to train on, to hold out, and to leave out with their intents."""
    names = sorted(set(labels))
    # A fixed seed: the same utterances give the same model.
    order = np.random.default_rng(_SEED)
    groups = min(_ROTATIONS, len(names)) if len(names) > 2 else 0
    group = {name: at % max(groups, 1) for at, name in enumerate(order.permutation(names))}
    fold = np.zeros(len(labels), dtype=np.int64)
    for name in names:
        own = order.permutation([i for i, label in enumerate(labels) if label == name])
        fold[own] = np.arange(len(own)) % _ROTATIONS
    for turn in range(_ROTATIONS if len(labels) <= _MANY else 1):
        out = {n for n in names if groups and group[n] == turn % groups}
        train = [i for i, n in enumerate(labels) if n not in out and fold[i] != turn]
        known = {labels[i] for i in train}
        held = [i for i, n in enumerate(labels) if n in known and fold[i] == turn]
        if held:
            yield train, held, [i for i, n in enumerate(labels) if n not in known]


def _mixture(heard: Sequence[tuple[Seen, Any]]) -> tuple[float, float]:
    """Return how much of the kernel's scores to add, and what to divide the logits by.

    The former reads most messages rightly and, of those that read as many, makes probabilities
    come true; the latter makes them come true, by the least cross-entropy (Guo et al., 2017).
    """

    def judged(share: float) -> tuple[int, float, float, float]:
        wrong, losses = 0, np.zeros(len(_TEMPERATURES))
        for seen, truth in heard:
            logits = seen.mixed(share)
            wrong += int((logits.argmax(axis=1) != truth).sum())
            logits -= logits.max(axis=1, keepdims=True)
            own = logits[np.arange(len(truth)), truth]
            for at, heat in enumerate(_TEMPERATURES):
                sums = np.exp(logits / np.float32(heat)).sum(axis=1)
                losses[at] += float((np.log(sums) - own / heat).sum())
        best = int(losses.argmin())
        return wrong, float(losses[best]), share, _TEMPERATURES[best]

    def right(share: float) -> Any:
        return np.concatenate([s.mixed(share).argmax(axis=1) == truth for s, truth in heard])

    shares = _SHARES if any(seen.scores.any() for seen, _ in heard) else (0.0,)
    _, _, share, temperature = min(map(judged, shares))
    # Only a gain beyond chance (McNemar's, one standard error) pays for the time it takes.
    alone, mixed = right(0.0), right(share)
    if mixed.sum() - alone.sum() <= np.sqrt((alone != mixed).sum()):
        return 0.0, judged(0.0)[3]
    return share, temperature


def _margin(logits: Sequence[tuple[Any, int]], temperature: float) -> float:
    """Return the lead of the best over the second probability below which a question pays.

    It pays where messages whose second intent was meant are so many that, each counting
    `_WRONG_COSTS` times, they outweigh those that were read rightly and are asked for nothing.
    Few messages are asked about in any case.
    """
    leads, gains = [], []
    for row, truth in logits:
        scaled = np.exp((row - row.max()) / temperature)
        order = np.argsort(-scaled, kind="stable")
        if len(order) > 1:
            leads.append((scaled[order[0]] - scaled[order[1]]) / scaled.sum())
            gains.append(-1.0 if order[0] == truth else _WRONG_COSTS * (order[1] == truth))
    if not leads:
        return 0.0
    ranked = np.argsort(leads, kind="stable")
    totals = np.cumsum(np.array(gains)[ranked])[: max(1, round(_ASKED_AT_MOST * len(leads)))]
    best = int(totals.argmax())
    return float(min(leads[ranked[best]], _WIDEST)) if totals[best] > 0 else 0.0
