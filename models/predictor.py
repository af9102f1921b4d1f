"""Classifiers and extractors of a workspace: loaded once, asked by need, checked both ways."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import PredictorSpec
from concertmaster.errors import ConfigError

__all__ = ["Predictor", "Predictors", "file_of", "load_predictor", "whole"]

Function = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A loaded predictor, or why it is not one: then `function` is None and `missing` says why.

    `version` is what the workspace calls it and the first twelve digits of its file's digest, or
    of its source's where neither is declared.
    """

    spec: PredictorSpec
    function: Function | None = None
    version: str = ""
    missing: str | None = None

    @property
    def clearance(self) -> Confidentiality:
        """The most confidential data that it may see."""
        return Confidentiality[self.spec.clearance]


class Predictors:
    """The predictors of a workspace, in the order in which they are asked."""

    def __init__(self, predictors: Sequence[Predictor] = ()) -> None:
        self.all = tuple(predictors)

    def serving(
        self, need: str, level: Confidentiality
    ) -> tuple[tuple[Predictor, ...], dict[str, str]]:
        """Return those that may be asked for a need, and why others may not, by name."""
        fitting, passed = [], {}
        for one in self.all:
            if need not in one.spec.needs:
                continue
            if one.function is None:
                passed[one.spec.name] = one.missing or "is not loaded"
            elif one.clearance < level:
                passed[one.spec.name] = (
                    f"is cleared for {one.spec.clearance} data, not {level.name}"
                )
            else:
                fitting.append(one)
        return tuple(fitting), passed


def file_of(spec: PredictorSpec, folder: Path | None) -> Path | None:
    """Return the file that a predictor is made from, None if it has none."""
    named = spec.use if spec.use.endswith(".onnx") else spec.file
    return None if named is None else (folder or Path()) / Path(named).expanduser()


def whole(spec: PredictorSpec, file: Path) -> str:
    """Return the digest of a predictor's file.

    Raises:
        ConfigError: it cannot be read, or is not the one that was declared.
    """
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise ConfigError(f"needs the file {file}, which cannot be read") from None
    if spec.sha256 is not None and found != spec.sha256:
        raise ConfigError(
            f"needs another {file.name} than the one that is there",
            hint=f"its digest is {found}; put the declared file back, or declare this one",
        )
    return found


def load_predictor(
    spec: PredictorSpec, folder: Path | None, makers: Mapping[str, Callable[..., Any]]
) -> Predictor:
    """Return a predictor that is ready to be asked, or one that says why it is not."""
    try:
        file = file_of(spec, folder)
        digest = whole(spec, file) if file else ""
        version = " ".join(part for part in (spec.version, digest[:12]) if part)
        if spec.use.endswith(".onnx"):
            from concertmaster.models.onnx_predictor import load_onnx

            return Predictor(spec=spec, function=load_onnx(spec, file or Path()), version=version)
        maker = makers.get(spec.use)
        if maker is None:
            return Predictor(spec=spec, missing=f"needs {spec.use}, which is not loaded")
        function = _function(spec, maker(file) if spec.file else maker())
        version = version or _written(maker)
    except ConfigError as error:
        return Predictor(spec=spec, missing=error.message)
    except Exception as error:
        return Predictor(spec=spec, missing=f"could not be loaded ({type(error).__name__})")
    return Predictor(spec=spec, function=function, version=version)


def _function(spec: PredictorSpec, made: Any) -> Function:
    if hasattr(made, "predict"):
        return lambda given: _estimated(spec, made, given)
    if callable(made):

        def ask(given: dict[str, Any]) -> Any:
            return made(given)

        return ask
    raise ConfigError(f"needs {spec.use} to return a function or an estimator")


def _written(maker: Callable[..., Any]) -> str:
    """Return the digest of the source in which a function stands, where nothing else tells."""
    code = getattr(maker, "__code__", None)
    try:
        return hashlib.sha256(Path(code.co_filename).read_bytes()).hexdigest()[:12] if code else ""
    except OSError:
        return ""


def _estimated(spec: PredictorSpec, estimator: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a scikit-learn estimator; what it can tell is cut down to what is declared."""
    row = [given[name] for name in spec.columns]
    asked = row if len(row) == 1 and isinstance(row[0], str) else [row]
    label = _plain(estimator.predict(asked)[0])
    told: dict[str, Any] = {"label": label, "value": label}
    if hasattr(estimator, "predict_proba"):
        shares = [float(share) for share in estimator.predict_proba(asked)[0]]
        told["probability"] = max(shares)
        told["probabilities"] = {
            str(_plain(name)): share for name, share in zip(estimator.classes_, shares, strict=True)
        }
    wanted = spec.output.get("properties")
    return {name: told[name] for name in told if isinstance(wanted, dict) and name in wanted}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
