"""The intent model: utterances in, a ranking with probabilities and a verdict on scope out.

Sentence vectors come from a function that the caller hands in. Training needs SciPy;
classifying needs numpy alone, and what is stored is plain arrays and JSON.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from concertmaster.errors import ConfigError, StorageError
from concertmaster.models.kernel import Kernel
from concertmaster.models.linear import Linear
from concertmaster.models.ngrams import Ngrams
from concertmaster.models.scope import Neighbours, Scope

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from concertmaster.models.training import Embed

__all__ = ["IntentModel", "Scores"]

_FORMAT = 3
_FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What the model makes of a message.

    `ranked` holds every intent with its probability, best first. `in_scope_score` is 0 to 1 and
    in scope from 0.5. `nearest` is the cosine to the nearest training utterance.
    """

    ranked: tuple[tuple[str, float], ...]
    in_scope: bool
    in_scope_score: float
    nearest: float


class IntentModel:
    """A trained classifier of short messages.

    >>> import numpy as np
    >>> def embed(texts):
    ...     return np.array([[t.count("a"), len(t) - t.count("a")] for t in texts]) / 4
    >>> examples = {"a": ["aaaa", "aaab", "aaba"], "b": ["bbbb", "bbba", "bbab"]}
    >>> IntentModel.train(examples, (), embed).predict("aaaa").ranked[0][0]
    'a'
    """

    def __init__(
        self,
        *,
        linear: Linear,
        neighbours: Neighbours,
        kernel: Kernel | None,
        scope: Scope,
        share: float,
        temperature: float,
        margin: float,
        fingerprint: str,
        embed: Embed,
    ) -> None:
        self._linear = linear
        self._neighbours = neighbours
        self._kernel = kernel if share else None
        self._scope = scope
        self._share = share
        self._temperature = temperature
        self._embed = embed
        self.fingerprint = fingerprint
        self.margin = margin
        """The lead of the best over the second probability below which a question pays."""

    @property
    def names(self) -> tuple[str, ...]:
        """The intents, sorted."""
        return self._linear.names

    @staticmethod
    def fingerprint_of(
        examples: Mapping[str, Sequence[str]], out_of_scope: Sequence[str], embedder: str
    ) -> str:
        """Return what identifies a model trained so: other utterances, another value."""
        described = {
            "format": _FORMAT,
            "examples": {name: list(texts) for name, texts in examples.items()},
            "out_of_scope": list(out_of_scope),
            "embedder": embedder,
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    @classmethod
    def train(
        cls,
        examples: Mapping[str, Sequence[str]],
        out_of_scope: Sequence[str],
        embed: Embed,
        embedder: str = "",
        *,
        held: Sequence[tuple[str, str | None]] = (),
        cost: float | None = None,
    ) -> IntentModel:
        """Train on utterances of each intent; 12 intents with 15 each take a second or two.

        Args:
            examples: intents with their utterances; 1 intent or more, 3 utterances each or more.
            out_of_scope: utterances that belong to none of them, if any are known.
            embed: returns a float array of shape (texts, numbers) with rows of length 1.
            embedder: the name of what embeds, part of the fingerprint.
            held: messages with their intents (null: out of scope) to calibrate on, but for
                those that are trained on; without them the model calibrates itself by
                cross-validation.
            cost: the share of in-scope messages that `held` may lose to the threshold of scope;
                by default the threshold balances both kinds.

        Raises:
            ConfigError: there is no intent, or one has no utterances.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        from concertmaster.models.training import Trained, calibrate, calibrate_on

        lacking = [name for name, texts in examples.items() if len(texts) < _FEWEST]
        if lacking or not examples:
            raise ConfigError(
                f"too few utterances to train intents on: {', '.join(lacking) or 'no intent'}",
                hint="give every intent in intents.yaml three utterances or more",
            )
        labelled = [(text, name) for name in sorted(examples) for text in examples[name]]
        texts, labels = [t for t, _ in labelled], [n for _, n in labelled]
        vectors = _vectors(embed, texts)
        strange = list(out_of_scope)
        every_vector = vectors
        if strange:
            every_vector = np.concatenate([vectors, _vectors(embed, strange)])
        every_label = [*labels, *(None for _ in strange)]
        seen = {*texts, *strange}
        unseen = [(text, name) for text, name in held if text not in seen]
        # The products are small: several threads spend their time waiting for one another.
        with threadpool_limits(limits=1):
            trained = Trained.fit([*texts, *strange], every_vector, every_label)
            if any(name in examples for _, name in unseen):
                found = calibrate_on(trained, unseen, embed, cost)
            else:
                found = calibrate(texts, vectors, labels, out_of_scope, embed)
        return cls(
            linear=trained.linear,
            neighbours=trained.neighbours,
            kernel=trained.kernel,
            scope=found.scope,
            share=found.share,
            temperature=found.temperature,
            margin=found.margin,
            fingerprint=cls.fingerprint_of(examples, out_of_scope, embedder),
            embed=embed,
        )

    def predict(self, text: str) -> Scores:
        """Classify one message."""
        import numpy as np

        vector = _vectors(self._embed, [text])[0]
        grams = self._linear.ngrams.features(text)
        cosines = self._neighbours.cosines(vector)
        logits, other = self._linear.logits(*grams, vector)
        mixed = logits
        if self._kernel is not None:
            mixed = logits + self._share * self._kernel.scores(*grams, cosines)
        scaled = np.exp((mixed - mixed.max()) / self._temperature)
        probabilities = scaled / scaled.sum()
        nearest, best, centre = self._neighbours.signals(vector, cosines)
        score = self._scope.score((float(logits.max()), other, best, centre))
        if not any(c.isalnum() for c in text):
            score = 0.0
        order = np.argsort(-probabilities, kind="stable")
        return Scores(
            ranked=tuple((self._linear.names[i], float(probabilities[i])) for i in order),
            in_scope=score >= 0.5,
            in_scope_score=score,
            nearest=nearest,
        )

    def save(self, path: Path) -> None:
        """Write the model to a file, all at once or not at all.

        Raises:
            StorageError: it cannot be written.
        """
        import numpy as np

        about = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "names": self._linear.names,
            "vocabulary": self._linear.ngrams.vocabulary,
            "scope": asdict(self._scope),
            "share": self._share,
            "temperature": self._temperature,
            "margin": self.margin,
        }
        arrays: dict[str, Any] = {
            "about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            "dense": self._linear.dense,
            "sparse": self._linear.sparse,
            "bias": self._linear.bias,
            "idf": self._linear.ngrams.idf,
            "vectors": self._neighbours.vectors,
            "labels": self._neighbours.labels,
        }
        if self._kernel is not None:
            arrays |= {f"kernel_{name}": value for name, value in vars(self._kernel).items()}
        content = io.BytesIO()
        np.savez(content, **arrays)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half.write_bytes(content.getvalue())
            half.replace(path)
        except OSError as error:
            if half.is_file():
                half.unlink()
            raise StorageError(
                f"{path}: the intent model cannot be written ({error.strerror})",
                hint="make the folder writable and free some space",
            ) from error

    @classmethod
    def load(cls, path: Path, embed: Embed) -> IntentModel:
        """Read a stored model; nothing in the file is executed.

        Raises:
            StorageError: the file is missing, damaged, or of another release.
        """
        import numpy as np

        try:
            # From memory: numpy leaves the file open when it is no archive.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                if about["format"] != _FORMAT:
                    raise ValueError("format")
                ngrams = Ngrams(tuple(about["vocabulary"]), stored["idf"])
                linear = Linear(
                    tuple(about["names"]),
                    stored["dense"],
                    stored["sparse"],
                    stored["bias"],
                    ngrams,
                )
                neighbours = Neighbours(stored["vectors"], stored["labels"])
                parts = [f"kernel_{field.name}" for field in fields(Kernel)]
                share = float(about["share"])
                kernel = Kernel(*(stored[part] for part in parts)) if share else None
            return cls(
                linear=linear,
                neighbours=neighbours,
                kernel=kernel,
                scope=Scope.of(about["scope"]),
                share=share,
                temperature=float(about["temperature"]),
                margin=float(about["margin"]),
                fingerprint=str(about["fingerprint"]),
                embed=embed,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise StorageError(
                f"{path} is no intent model of this release ({type(error).__name__})",
                hint="remove the file; the model is trained again from the utterances",
            ) from error


def _vectors(embed: Embed, texts: Sequence[str]) -> NDArray[Any]:
    import numpy as np

    return np.asarray(embed(texts), dtype=np.float32)
