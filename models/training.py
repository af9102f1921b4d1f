"""What the utterances tell beyond themselves: scope and confidence, by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.models.background import BACKGROUND
from concertmaster.models.linear import Linear
from concertmaster.models.scope import Neighbours, Scope

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Embed = Callable[[Sequence[str]], Array]

__all__ = ["calibrate", "sentence_vectors"]

_ROTATIONS = 5
_MANY = 1200
_TOO_ALIKE = 0.6
_GIVEN_COUNTS = 2.0
_SEED = 7


def sentence_vectors(embed: Embed, texts: Sequence[str]) -> Array:
    """Return the texts' vectors as float32."""
    import numpy as np

    return np.asarray(embed(texts), dtype=np.float32)


def calibrate(
    texts: Sequence[str],
    vectors: Array,
    labels: Sequence[str],
    out_of_scope: Sequence[str],
    embed: Embed,
) -> tuple[Scope, float]:
    """Return scope and softmax temperature for a model of these labelled texts.

    In each rotation a part of the utterances, and with three intents or more a part of the
    intents, is left out of the training. The former tell what in-scope messages look like; the
    latter, the given out-of-scope utterances and everyday requests tell what others do.
    """
    import numpy as np

    strangers = _strangers(vectors, out_of_scope, embed)
    inside, right, outside, weights = [], [], [], []
    logits: list[tuple[Array, int]] = []
    for train, held, left_out in _rotations(labels):
        trained = _Trained.on(texts, vectors, labels, train)
        seen = trained.see([texts[i] for i in held], vectors[held])
        truth = [trained.linear.names.index(labels[i]) for i in held]
        inside.append(seen.signals)
        right.append(seen.logits.argmax(axis=1) == truth)
        logits += zip(seen.logits, truth, strict=True)
        others = [(1.0, [texts[i] for i in left_out], vectors[left_out]), *strangers]
        for counts, their_texts, their_vectors in others:
            if their_texts:
                outside.append(trained.see(their_texts, their_vectors).signals)
                weights.append(np.full(len(their_texts), counts / len(their_texts)))
    scope = Scope.fit(
        np.concatenate(inside),
        np.concatenate(right),
        np.concatenate(outside) if outside else np.zeros((0, inside[0].shape[1])),
        np.concatenate(weights) if weights else np.zeros(0),
    )
    return scope, _temperature(logits)


@dataclass(frozen=True)
class _Seen:
    """What a model made of messages that it was not trained on."""

    signals: Array
    logits: Array


@dataclass(frozen=True)
class _Trained:
    linear: Linear
    neighbours: Neighbours

    @classmethod
    def on(
        cls, texts: Sequence[str], vectors: Array, labels: Sequence[str], some: Sequence[int]
    ) -> _Trained:
        linear = Linear.fit([texts[i] for i in some], vectors[some], [labels[i] for i in some])
        return cls(linear, Neighbours(vectors[some], [linear.names.index(labels[i]) for i in some]))

    def see(self, texts: Sequence[str], vectors: Array) -> _Seen:
        import numpy as np

        logits = np.stack([self.linear.logits(t, v) for t, v in zip(texts, vectors, strict=True)])
        near = np.array([self.neighbours.signals(v)[1:] for v in vectors], dtype=np.float32)
        return _Seen(np.column_stack([logits.max(axis=1), near]), logits)


def _strangers(
    vectors: Array, out_of_scope: Sequence[str], embed: Embed
) -> list[tuple[float, Sequence[str], Array]]:
    """Return out-of-scope texts with their weight: the given ones, and everyday requests.

    An everyday request that is much like an utterance may well be in scope, and is left out.
    """
    everyday = sentence_vectors(embed, BACKGROUND)
    far = [i for i, near in enumerate((everyday @ vectors.T).max(axis=1)) if near < _TOO_ALIKE]
    found: list[tuple[float, Sequence[str], Array]] = [
        (1.0, [BACKGROUND[i] for i in far], everyday[far])
    ]
    if out_of_scope:
        found.append((_GIVEN_COUNTS, list(out_of_scope), sentence_vectors(embed, out_of_scope)))
    return found


def _rotations(labels: Sequence[str]) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Yield which utterances to train on, to hold out, and to leave out with their intents."""
    import numpy as np

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


def _temperature(logits: Sequence[tuple[Any, int]]) -> float:
    """Return what to divide logits by, so that probabilities come true (Guo et al., 2017)."""
    import numpy as np

    def loss(temperature: float) -> float:
        total = 0.0
        for row, truth in logits:
            scaled = row / temperature
            total += float(np.logaddexp.reduce(scaled) - scaled[truth])
        return total

    return min((0.05 * 1.2**step for step in range(25)), key=loss)
