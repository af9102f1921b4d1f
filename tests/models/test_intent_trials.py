"""Trials of the intent model: figures, confusions, cross-validation."""

import numpy as np
import pytest

from concertmaster.models.classifier import IntentModel
from concertmaster.models.intent_trials import (
    Judged,
    Trial,
    calibration_error,
    cross_validated,
    tried,
)
from concertmaster.models.scope import Scope

WORDS = ("refund", "parcel", "address", "weather")
EXAMPLES = {
    "refund": [f"refund number {n}" for n in range(10)],
    "track": [f"parcel number {n}" for n in range(10)],
    "address": [f"address number {n}" for n in range(10)],
}
STRANGE = [f"weather number {n}" for n in range(10)]


def embed(texts):
    """Return a direction for each word that tells, so that every message is easy."""
    made = np.full((len(texts), 5), 0.1, dtype=np.float32)
    for row, text in enumerate(texts):
        for at, word in enumerate(WORDS):
            made[row, at] += word in text
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def judged(text, wanted, read, likeliest=None, confidence=0.9):
    return Judged(
        text=text, wanted=wanted, read=read, likeliest=likeliest or read, confidence=confidence
    )


TRIAL = Trial(
    rows=(
        judged("a", "x", "x"),
        judged("b", "x", "y"),
        judged("c", "x", "y"),
        judged("d", "y", None, "y"),
        judged("e", None, None, "y"),
        judged("f", None, "x"),
    )
)


def test_refused_message_counts_as_wrong():
    assert TRIAL.accuracy == 0.25
    assert TRIAL.out_of_scope_recall == 0.5


def test_confusions_are_named_with_their_messages_the_commonest_first():
    first, *rest = TRIAL.confusions()
    assert (first.wanted, first.read, first.texts) == ("x", "y", ("b", "c"))
    assert {(c.wanted, c.read) for c in rest} == {("y", None), (None, "x")}


def test_intents_are_counted():
    assert list(TRIAL.intents()) == [("x", 3, 1, 1), ("y", 1, 0, 2)]


def test_trial_without_out_of_scope_messages_has_no_recall():
    assert Trial(rows=TRIAL.rows[:2]).out_of_scope_recall is None


def test_calibration_error_is_the_gap_between_probability_and_share():
    assert calibration_error([(0.8, True)] * 8 + [(0.8, False)] * 2) == pytest.approx(0)
    assert calibration_error([(0.9, False)] * 4) == pytest.approx(0.9)
    assert calibration_error([]) == 0


def test_every_utterance_is_judged_once_by_a_model_without_it():
    told = []
    trial = cross_validated(EXAMPLES, STRANGE, embed, progress=lambda *done: told.append(done))
    assert sorted(r.text for r in trial.rows) == sorted(
        [*STRANGE, *(t for texts in EXAMPLES.values() for t in texts)]
    )
    assert trial.accuracy > 0.9
    assert trial.out_of_scope_recall > 0.9
    assert told == [(n, 5) for n in range(1, 6)]


def test_each_text_is_embedded_once():
    seen = []

    def counting(texts):
        seen.extend(texts)
        return embed(texts)

    cross_validated(EXAMPLES, STRANGE, counting, folds=2)
    assert len(seen) == len(set(seen))


def test_intent_that_the_model_lacks_is_out_of_its_scope():
    model = IntentModel.train(EXAMPLES, STRANGE, embed)
    (row,) = tried(model, [("refund number 3", "sell_soul")]).rows
    assert row.wanted is None


def test_labelled_messages_set_the_threshold_of_scope():
    """Messages near to nothing known are kept or refused as they are labelled."""
    odd = [f"refund weather {n}" for n in range(10)]
    plain = [
        (f"{word} again {n}", name)
        for n in range(10)
        for word, name in (("refund", "refund"), ("parcel", "track"))
    ]
    strict = IntentModel.train(EXAMPLES, (), embed, held=[*plain, *((t, None) for t in odd)])
    loose = IntentModel.train(EXAMPLES, (), embed, held=[*plain, *((t, "refund") for t in odd)])
    assert not strict.predict("refund weather 77").in_scope
    assert loose.predict("refund weather 77").in_scope


@pytest.mark.parametrize("cost", [0.0, 0.05, 0.12])
def test_cost_bounds_what_the_threshold_loses_and_is_spent_on_refusals(cost):
    order = np.random.default_rng(3)
    inside, outside = order.normal(1, 1, (400, 4)), order.normal(0, 1, (400, 4))
    inside[:, 1] = outside[:, 1] = -9.0  # The model itself knows none of them as out of scope.
    right = order.random(400) < 0.9
    scope = Scope.fit(inside, right, outside, np.ones(400), cost=cost)
    kept = np.array([scope.score(row) >= 0.5 for row in inside])
    refused = np.mean([scope.score(row) < 0.5 for row in outside])
    assert (kept & right).mean() >= right.mean() - cost - 1e-9
    assert refused > 2 * cost


def test_margin_is_nothing_where_nothing_is_mixed_up():
    assert IntentModel.train(EXAMPLES, STRANGE, embed).margin == 0


def test_margin_grows_where_two_intents_are_mixed_up():
    torn = {name: list(texts) for name, texts in EXAMPLES.items()}
    torn["track"] = [f"refund count {n}" for n in range(10)]
    held = [(f"refund {n}", "refund" if n % 2 else "track") for n in range(20)]
    held += [(f"address {n}", "address") for n in range(200)]
    assert IntentModel.train(torn, STRANGE, embed, held=held).margin > 0
