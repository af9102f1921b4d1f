"""Predictors: estimators of scikit-learn, ONNX files, functions; what they lack is told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import PredictorSpec
from concertmaster.models.predictor import Predictor, Predictors, load_predictor

from .onnx_file import onnx_file  # noqa: TID252

NUMBER = {"type": "number"}


def spec_of(**more: Any) -> PredictorSpec:
    given: dict[str, Any] = {
        "name": "scores",
        "use": "fraud:made",
        "serves": ("fraud",),
        "input": {
            "type": "object",
            "properties": {"amount": NUMBER, "age": NUMBER},
            "required": ["amount", "age"],
        },
        "output": {"type": "object", "properties": {"label": {"type": "string"}}},
    }
    return PredictorSpec(**(given | more))


def out(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def loaded(spec: PredictorSpec, made: Any, folder: Path | None = None) -> Predictor:
    return load_predictor(spec, folder, {spec.use: lambda *file: made})


@pytest.fixture(scope="module")
def classifier() -> LogisticRegression:
    rng = np.random.default_rng(0)
    amounts = rng.uniform(0, 1, size=(200, 2))
    return LogisticRegression().fit(amounts, np.where(amounts[:, 0] > 0.5, "fraud", "fine"))


def test_estimator_gets_values_in_the_declared_order_and_tells_what_is_declared(
    classifier: LogisticRegression,
) -> None:
    asked = {"age": 0.1, "amount": 0.95}
    found = loaded(spec_of(output=out(label={}, probability=NUMBER)), classifier)
    assert found.function is not None
    told = found.function(asked)
    assert set(told) == {"label", "probability"}
    assert told["label"] == "fraud"
    expected = classifier.predict_proba([[0.95, 0.1]]).max()
    assert told["probability"] == pytest.approx(expected)


def test_regression_tells_a_value() -> None:
    model = LinearRegression().fit([[1, 0], [2, 0], [3, 1]], [10, 20, 30])
    found = loaded(spec_of(output=out(value=NUMBER)), model)
    assert found.function is not None
    assert found.function({"amount": 2, "age": 0})["value"] == pytest.approx(20, abs=1)


def test_network_gets_values_by_name(tmp_path: Path) -> None:
    (tmp_path / "sum.onnx").write_bytes(onnx_file("Add", ["amount", "age"], "score"))
    found = load_predictor(spec_of(use="sum.onnx", output=out(score=NUMBER)), tmp_path, {})
    assert found.missing is None
    assert found.function is not None
    assert found.function({"amount": 2, "age": 0.5}) == {"score": 2.5}
    digest = hashlib.sha256((tmp_path / "sum.onnx").read_bytes()).hexdigest()
    assert found.version == digest[:12]


def test_network_with_one_input_gets_all_values_as_a_row(tmp_path: Path) -> None:
    (tmp_path / "most.onnx").write_bytes(onnx_file("ReduceMax", ["row"], "most", width=2))
    found = load_predictor(spec_of(use="most.onnx", output=out(most=NUMBER)), tmp_path, {})
    assert found.function is not None
    assert found.function({"age": 7, "amount": 3}) == {"most": 7.0}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"use": "none.onnx"}, "none.onnx, which cannot be read"),
        ({"use": "bad.onnx"}, "needs an ONNX file, which bad.onnx is not"),
        ({"use": "sum.onnx", "output": out(chance=NUMBER)}, "declares the output chance"),
        ({"use": "sum.onnx", "sha256": "0" * 64}, "needs another sum.onnx"),
        (
            {"use": "sum.onnx", "input": out(amount=NUMBER), "output": out(score=NUMBER)},
            "declares the inputs amount; the file has amount, age",
        ),
        ({"use": "fraud:gone"}, "needs fraud:gone, which is not loaded"),
    ],
)
def test_predictor_that_cannot_be_loaded_says_why(
    tmp_path: Path, more: dict[str, Any], told: str
) -> None:
    (tmp_path / "sum.onnx").write_bytes(onnx_file("Add", ["amount", "age"], "score"))
    (tmp_path / "bad.onnx").write_text("no network")
    found = load_predictor(spec_of(**more), tmp_path, {})
    assert found.function is None
    assert told in str(found.missing)


def test_error_of_a_maker_is_told_by_kind_and_not_by_its_words() -> None:
    def made() -> None:
        raise RuntimeError("the password is xyz")

    found = load_predictor(spec_of(), None, {"fraud:made": made})
    assert found.missing == "could not be loaded (RuntimeError)"


def test_predictors_serve_by_need_and_clearance() -> None:
    one = loaded(spec_of(name="low", clearance="internal"), lambda given: {})
    two = loaded(spec_of(name="high"), lambda given: {})
    predictors = Predictors([one, two])
    fitting, passed = predictors.serving("fraud", Confidentiality.restricted)
    assert [p.spec.name for p in fitting] == ["high"]
    assert passed == {"low": "is cleared for internal data, not restricted"}
    assert predictors.serving("weather", Confidentiality.public) == ((), {})
