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

__all__ = ["calibrate", "neighbours_of", "sentence_vectors"]

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

    everyday = _everyday(vectors, embed)
    given = sentence_vectors(embed, out_of_scope) if out_of_scope else vectors[:0]
    inside, right, outside, weights = [], [], [], []
    logits: list[tuple[Array, int]] = []
    for turn, (train, held, left_out) in enumerate(_rotations(labels)):
        known = [i for i in range(len(out_of_scope)) if i % _ROTATIONS != turn]
        trained = _Trained.on(
            [*(texts[i] for i in train), *(out_of_scope[i] for i in known)],
            np.concatenate([vectors[train], given[known]]),
            [*(labels[i] for i in train), *(None for _ in known)],
        )
        seen = trained.see([texts[i] for i in held], vectors[held])
        truth = [trained.linear.names.index(labels[i]) for i in held]
        inside.append(seen.signals)
        right.append(seen.logits.argmax(axis=1) == truth)
        logits += zip(seen.logits, truth, strict=True)
        unknown = [i for i in range(len(out_of_scope)) if i % _ROTATIONS == turn]
        for counts, their_texts, their_vectors in (
            (1.0, [texts[i] for i in left_out], vectors[left_out]),
            (1.0, *everyday),
            (_GIVEN_COUNTS, [out_of_scope[i] for i in unknown], given[unknown]),
        ):
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
    """What a model made of messages that it was not trained on: signals of scope, logits."""

    signals: Array
    logits: Array


@dataclass(frozen=True)
class _Trained:
    linear: Linear
    neighbours: Neighbours

    @classmethod
    def on(cls, texts: Sequence[str], vectors: Array, labels: Sequence[str | None]) -> _Trained:
        linear = Linear.fit(texts, vectors, labels)
        return cls(linear, neighbours_of(linear, vectors, labels))

    def see(self, texts: Sequence[str], vectors: Array) -> _Seen:
        import numpy as np

        rows, signals = [], []
        for text, vector in zip(texts, vectors, strict=True):
            logits, other = self.linear.logits(text, vector)
            rows.append(logits)
            signals.append((logits.max(), other, *self.neighbours.signals(vector)[1:]))
        return _Seen(np.array(signals, dtype=np.float32), np.stack(rows))


def neighbours_of(linear: Linear, vectors: Array, labels: Sequence[str | None]) -> Neighbours:
    """Return the neighbours among the labelled messages, with the linear model's numbering."""
    named = [(at, label) for at, label in enumerate(labels) if label is not None]
    places = [linear.names.index(label) for _, label in named]
    return Neighbours(vectors[[at for at, _ in named]], places)


def _everyday(vectors: Array, embed: Embed) -> tuple[Sequence[str], Array]:
    """Return everyday requests, but for those much like an utterance: they may be in scope."""
    made = sentence_vectors(embed, BACKGROUND)
    far = [i for i, near in enumerate((made @ vectors.T).max(axis=1)) if near < _TOO_ALIKE]
    return [BACKGROUND[i] for i in far], made[far]


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
