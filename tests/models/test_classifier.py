"""The intent model on utterances of a desk; vectors are made of words, so no model is needed."""

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.errors import ConfigError, StorageError
from concertmaster.models.classifier import IntentModel, Scores
from concertmaster.models.ngrams import Ngrams
from concertmaster.models.scope import Neighbours

EXAMPLES = {
    "refund": [
        "I want my money back",
        "refund my order please",
        "give me a refund",
        "I need a refund",
        "please return my money",
        "can I get a refund for this order",
        "refund for order 1042",
        "how do I get my money back",
    ],
    "track": [
        "where is my parcel",
        "track my order",
        "when does my parcel arrive",
        "parcel tracking",
        "has my parcel been shipped",
        "where is the parcel you shipped",
        "track parcel 77",
        "my parcel has not arrived",
    ],
    "address": [
        "change my address",
        "I moved to a new address",
        "update the delivery address",
        "new address for my account",
        "my address is wrong",
        "correct the address please",
        "send it to another address",
        "I have a new address",
    ],
}
STRANGE = ["sing about the stars", "what rhymes with orange", "my cat is purple today"]


def embed(texts: Sequence[str]) -> np.ndarray:
    """Return the sum of a fixed direction for each word, brought to length 1."""
    made = np.zeros((len(texts), 96), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split() or ["?"]:
            seed = int.from_bytes(hashlib.sha256(word.encode(errors="replace")).digest()[:4])
            made[row] += np.random.default_rng(seed).normal(size=96)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def model() -> IntentModel:
    return IntentModel.train(EXAMPLES, (), embed, "words")


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("I would like a refund for my order", "refund"),
        ("where is my parcel now", "track"),
        ("please change the address of my order", "address"),
        ("REFUND!!", "refund"),
    ],
)
def test_message_gets_its_intent_first(model: IntentModel, text: str, intent: str) -> None:
    scores = model.predict(text)
    assert scores.ranked[0][0] == intent
    assert scores.in_scope


@pytest.mark.parametrize("text", ["what is the weather", "", "?!", "\ud800", "qwertz"])
def test_strange_message_is_out_of_scope(model: IntentModel, text: str) -> None:
    scores = model.predict(text)
    assert not scores.in_scope
    assert scores.in_scope_score < 0.5


@settings(deadline=None, max_examples=60)
@given(text=st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=200))
def test_probabilities_are_a_ranking_of_all_intents(model: IntentModel, text: str) -> None:
    scores = model.predict(text)
    probabilities = [p for _, p in scores.ranked]
    assert sorted(name for name, _ in scores.ranked) == sorted(EXAMPLES)
    assert probabilities == sorted(probabilities, reverse=True)
    assert math.isclose(sum(probabilities), 1, rel_tol=1e-4)
    assert 0 <= scores.in_scope_score <= 1
    assert scores.in_scope == (scores.in_scope_score >= 0.5)
    assert -1.001 <= scores.nearest <= 1.001


def test_training_utterance_is_its_own_nearest(model: IntentModel) -> None:
    assert model.predict("track my order").nearest == pytest.approx(1, abs=1e-5)


def test_stored_model_answers_the_same(model: IntentModel, tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.npz"
    model.save(path)
    again = IntentModel.load(path, embed)
    assert again.fingerprint == model.fingerprint
    for text in ("refund my parcel", "what is the weather", ""):
        assert again.predict(text) == model.predict(text)
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


def test_stored_model_with_a_kernel_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predicted(shares: tuple[float, ...], folder: str) -> list[Scores]:
        mixture = (shares[0], 1.0)
        monkeypatch.setattr("concertmaster.models.training._mixture", lambda _: mixture)
        model = IntentModel.train(EXAMPLES, STRANGE, embed)
        model.save(tmp_path / folder)
        texts = ("refund my parcel", "what is the weather", "")
        made = [model.predict(text) for text in texts]
        assert made == [IntentModel.load(tmp_path / folder, embed).predict(t) for t in texts]
        return made

    # The kernel has its say on what a message wants, and none on whether it is in scope.
    without, mixed = predicted((0.0,), "without"), predicted((16.0,), "mixed")
    assert [s.ranked for s in without] != [s.ranked for s in mixed]
    assert [s.in_scope for s in without] == [s.in_scope for s in mixed]


def test_same_utterances_train_the_same_model(model: IntentModel) -> None:
    again = IntentModel.train(EXAMPLES, (), embed, "words")
    assert again.predict("refund my parcel") == model.predict("refund my parcel")


def test_classifying_loads_nothing_but_numpy(model: IntentModel, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model.save(path)
    program = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from concertmaster.models.classifier import IntentModel\n"
        f"model = IntentModel.load(Path({str(path)!r}), lambda t: numpy.ones((len(t), 96)))\n"
        "model.predict('refund my order')\n"
        "print([m for m in ('sklearn', 'scipy', 'pickle5', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_fingerprint_follows_utterances_order_and_embedder() -> None:
    base = IntentModel.fingerprint_of(EXAMPLES, STRANGE, "words")
    assert base == IntentModel.fingerprint_of(dict(reversed(EXAMPLES.items())), STRANGE, "words")
    changed = {**EXAMPLES, "track": [*EXAMPLES["track"][1:], "where is it"]}
    assert (
        len(
            {
                base,
                IntentModel.fingerprint_of(changed, STRANGE, "words"),
                IntentModel.fingerprint_of(EXAMPLES, (), "words"),
                IntentModel.fingerprint_of(EXAMPLES, STRANGE, "other"),
            }
        )
        == 4
    )


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("out_of_scope", [(), STRANGE])
def test_one_or_two_intents_are_enough(count: int, out_of_scope: Sequence[str]) -> None:
    few = dict(list(EXAMPLES.items())[:count])
    model = IntentModel.train(few, out_of_scope, embed)
    assert model.predict("I need a refund for this order").in_scope
    assert model.predict("give me a refund please").ranked[0][0] == "refund"
    assert not model.predict("who painted the mona lisa").in_scope


def test_three_utterances_an_intent_are_enough() -> None:
    few = {name: texts[:3] for name, texts in EXAMPLES.items()}
    model = IntentModel.train(few, (), embed)
    assert model.predict("where is my parcel today").ranked[0][0] == "track"


def test_given_out_of_scope_utterances_are_refused() -> None:
    near = [f"sing about my {word}" for word in ("parcel", "address", "refund", "order", "money")]
    model = IntentModel.train(EXAMPLES, near, embed)
    assert not model.predict("sing about my parcel").in_scope
    assert model.predict("where is my parcel").in_scope


@pytest.mark.parametrize("examples", [{}, {"a": [], "b": ["x", "y"]}, {"a": ["only one"]}])
def test_too_few_utterances_are_an_error(examples: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="too few utterances"):
        IntentModel.train(examples, (), embed)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x93NUMPY", b"\x80\x04pickle"])
def test_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="is no intent model of this release"):
        IntentModel.load(path, embed)


def test_file_of_another_release_is_told(model: IntentModel, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model.save(path)
    with np.load(path) as stored:
        arrays = dict(stored)
    about = {**json.loads(arrays["about"].tobytes()), "format": 99}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(StorageError, match="is no intent model of this release"):
        IntentModel.load(path, embed)


def test_missing_file_and_folder_that_is_none_are_told(model: IntentModel, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        IntentModel.load(tmp_path / "none.npz", embed)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        model.save(tmp_path / "file" / "model.npz")


@given(st.lists(st.text(max_size=30), max_size=8), st.text(max_size=60))
def test_ngram_features_are_places_and_a_unit_vector(texts: list[str], text: str) -> None:
    ngrams = Ngrams.fit(texts)
    places, weights = ngrams.features(text)
    assert len(set(places.tolist())) == len(places) == len(weights)
    assert all(0 <= p < len(ngrams.vocabulary) for p in places)
    assert len(weights) == 0 or np.linalg.norm(weights) == pytest.approx(1, abs=1e-5)


def test_neighbours_compare_with_utterances_classes_and_centres() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
    nearest, best, centre = Neighbours(vectors, [0, 0, 0, 1]).signals(np.array([1, 0], "f4"))
    assert nearest == pytest.approx(1)
    assert best == pytest.approx((1 + 0.6 + 0) / 3)
    assert centre == pytest.approx(1.6 / math.hypot(1.6, 1.8))


def test_best_class_is_found_among_many_and_a_text_is_its_own_nearest() -> None:
    vectors = np.eye(64, dtype=np.float32)
    near = Neighbours(vectors, [at // 2 for at in range(64)])
    for at in (0, 33, 63):
        nearest, best, centre = near.signals(vectors[at])
        assert nearest == pytest.approx(1)
        assert best == pytest.approx(0.5)
        assert centre == pytest.approx(math.sqrt(0.5))


def test_very_many_texts_train_without_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concertmaster.models.kernel._MOST", 10)
    model = IntentModel.train(EXAMPLES, (), embed)
    assert model.predict("track my order").ranked[0][0] == "track"


def test_what_was_trained_on_says_nothing_of_how_sure_to_be() -> None:
    """Messages to calibrate on that the model has seen would make it far too sure of itself."""
    seen = [(text, name) for name, texts in EXAMPLES.items() for text in texts]
    itself = IntentModel.train(EXAMPLES, (), embed)
    held = IntentModel.train(EXAMPLES, (), embed, held=seen)
    for text in ("track my order", "where is it please"):
        assert held.predict(text) == itself.predict(text)


def test_real_utterances_are_told_apart(shared_data: Path) -> None:
    """A desk of 12 intents with 15 utterances each, against real messages of both kinds."""
    from concertmaster.retrieval.embeddings import default_embedder

    def read(name: str) -> list[dict[str, str]]:
        lines = (shared_data / "clinc150" / name).read_text().splitlines()
        return [json.loads(line) for line in lines]

    train, check = read("train.jsonl"), read("val.jsonl")
    names = sorted({row["intent"] for row in train if row["intent"]})[::13]
    examples = {n: [r["text"] for r in train if r["intent"] == n][:15] for n in names}
    inside = [r for r in check if r["intent"] in names][::2]
    outside = [r for r in check if r["intent"] not in names][::15]
    model = IntentModel.train(examples, (), default_embedder().embed)
    kept = [model.predict(r["text"]) for r in inside]
    right = [
        s.in_scope and s.ranked[0][0] == r["intent"] for s, r in zip(kept, inside, strict=True)
    ]
    refused = [not model.predict(r["text"]).in_scope for r in outside]
    assert len(names) == 12
    assert np.mean(right) > 0.85
    assert np.mean(refused) > 0.75
