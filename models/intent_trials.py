"""How well intents are told apart: by cross-validation, or on messages that others labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from concertmaster.models.classifier import IntentModel

if TYPE_CHECKING:
    from concertmaster.models.training import Embed

__all__ = ["Confusion", "Judged", "Trial", "calibration_error", "cross_validated", "tried"]

Row = tuple[str, str | None]
_SEED = 11
_BINS = 10


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A message, its wanted intent (null: out of scope), and what the model made of it.

    `read` is null when the model takes it for out of scope. `confidence` is the probability of
    `likeliest`, whatever the scope.
    """

    text: str
    wanted: str | None
    read: str | None
    likeliest: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Messages of one intent that were read as another; null stands for out of scope."""

    wanted: str | None
    read: str | None
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The messages of one trial, and the figures that follow from them.

    >>> right = Judged(text="a", wanted="x", read="x", likeliest="x", confidence=1.0)
    >>> wrong = Judged(text="b", wanted="x", read=None, likeliest="x", confidence=1.0)
    >>> Trial(rows=(right, wrong)).accuracy
    0.5
    """

    rows: tuple[Judged, ...]

    @property
    def inside(self) -> tuple[Judged, ...]:
        """The messages in scope."""
        return tuple(r for r in self.rows if r.wanted is not None)

    @property
    def outside(self) -> tuple[Judged, ...]:
        """The messages out of scope."""
        return tuple(r for r in self.rows if r.wanted is None)

    @property
    def accuracy(self) -> float | None:
        """The share of in-scope messages read as what they are; a refused one is wrong."""
        return _share([r.read == r.wanted for r in self.inside])

    @property
    def out_of_scope_recall(self) -> float | None:
        """The share of out-of-scope messages that are refused."""
        return _share([r.read is None for r in self.outside])

    @property
    def calibration_error(self) -> float:
        """The expected calibration error of the first probability."""
        return calibration_error([(r.confidence, r.likeliest == r.wanted) for r in self.inside])

    def intents(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield each intent with its messages, those read rightly, and others read as it."""
        names = sorted({r.wanted for r in self.inside if r.wanted is not None})
        for name in names:
            own = [r for r in self.rows if r.wanted == name]
            others = sum(r.read == name for r in self.rows if r.wanted != name)
            yield name, len(own), sum(r.read == name for r in own), others

    def confusions(self) -> tuple[Confusion, ...]:
        """Return what was read as something else, the commonest first."""
        wrong = [r for r in self.rows if r.read != r.wanted]
        counted = Counter((r.wanted, r.read) for r in wrong)
        ranked = sorted(counted, key=lambda pair: (-counted[pair], str(pair)))
        return tuple(
            Confusion(
                wanted=wanted,
                read=read,
                texts=tuple(r.text for r in wrong if (r.wanted, r.read) == (wanted, read)),
            )
            for wanted, read in ranked
        )


def calibration_error(judged: Sequence[tuple[float, bool]]) -> float:
    """Return how far probabilities are from shares of right ones, over ten equal bins.

    Args:
        judged: the probability of each message's likeliest intent, and whether it was the right
            one.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for sure, right in judged:
        bins.setdefault(min(int(sure * _BINS), _BINS - 1), []).append((sure, right))
    gaps = (abs(sum(s for s, _ in b) - sum(r for _, r in b)) for b in bins.values())
    return sum(gaps) / len(judged) if judged else 0.0


def tried(model: IntentModel, rows: Sequence[Row]) -> Trial:
    """Return what a model makes of labelled messages; an intent it lacks is out of its scope."""
    known = set(model.names)
    judged = []
    for text, intent in rows:
        scores = model.predict(text)
        first, sure = scores.ranked[0]
        judged.append(
            Judged(
                text=text,
                wanted=intent if intent in known else None,
                read=first if scores.in_scope else None,
                likeliest=first,
                confidence=sure,
            )
        )
    return Trial(rows=tuple(judged))


def cross_validated(
    examples: Mapping[str, Sequence[str]],
    out_of_scope: Sequence[str],
    embed: Embed,
    *,
    folds: int = 5,
    progress: Callable[[int, int], object] | None = None,
) -> Trial:
    """Return what models make of the utterances that each was not trained on.

    Every utterance is judged once. The same utterances give the same trial.

    Args:
        examples: intents with their utterances, three each or more.
        out_of_scope: utterances that belong to none.
        embed: makes the vectors; each text is embedded once.
        folds: in how many parts the utterances are divided.
        progress: told how many models of how many are done.

    Raises:
        ConfigError: there are too few utterances to train on.
    """
    import numpy as np

    embedded = _once(embed)
    order = np.random.default_rng(_SEED)
    rows: list[Row] = []
    parts: list[int] = []
    listed: list[tuple[str | None, Sequence[str]]] = [*sorted(examples.items())]
    for name, texts in [*listed, (None, out_of_scope)]:
        rows += [(text, name) for text in texts]
        parts += (order.permutation(len(texts)) % folds).tolist()
    judged: list[Judged] = []
    for part in range(folds):
        kept: dict[str, list[str]] = {name: [] for name in examples}
        strange: list[str] = []
        for (text, name), at in zip(rows, parts, strict=True):
            if at != part:
                (strange if name is None else kept[name]).append(text)
        held = [row for row, at in zip(rows, parts, strict=True) if at == part]
        judged += tried(IntentModel.train(kept, strange, embedded), held).rows
        if progress is not None:
            progress(part + 1, folds)
    return Trial(rows=tuple(judged))


def _once(embed: Embed) -> Embed:
    """Return the same embedding, which remembers what it made."""
    import numpy as np

    made: dict[str, Any] = {}

    def embedded(texts: Sequence[str]) -> Any:
        new = [text for text in dict.fromkeys(texts) if text not in made]
        if new:
            made.update(zip(new, embed(new), strict=True))
        return np.stack([made[text] for text in texts])

    return embedded


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
