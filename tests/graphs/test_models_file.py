import sys
from pathlib import Path

import pytest

from concertmaster.graphs.problems import Problem
from concertmaster.graphs.readiness import check
from concertmaster.graphs.workspace import Workspace
from concertmaster.testing import temporary_workspace

SOUND = """
models:
  - {name: near, use: "http://127.0.0.1:9/v1#small", tier: capable}
  - {name: far, use: "openai:gpt-4o-mini", tier: best, region: eu, key: FAR_KEY}
rules:
  - {id: risky, when: "step == 'executor' && 'manager' in principal.roles", tier: best, why: care}
"""


def found(text: str, monkeypatch: pytest.MonkeyPatch | None = None) -> list[Problem]:
    if monkeypatch is not None:
        monkeypatch.setenv("FAR_KEY", "sk-test")
    with temporary_workspace("support_desk") as folder:
        (folder / "models.yaml").write_text(text)
        return [p for p in check(folder) if Path(p.file).name in ("models.yaml", "workflow.yaml")]


def test_sound_models_have_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(SOUND, monkeypatch) == []


def test_models_are_part_of_the_workspace_and_of_its_digest() -> None:
    with temporary_workspace("support_desk") as folder:
        before = Workspace.load(folder).digest
        (folder / "models.yaml").write_text(SOUND)
        workspace = Workspace.load(folder)
        assert [m.name for m in workspace.spec.models.models] == ["near", "far"]
        assert workspace.digest != before


def test_missing_key_is_a_warning_that_names_the_variable() -> None:
    (problem,) = found(SOUND)
    assert (problem.severity, problem.code, problem.line) == ("warning", "model-key", 4)
    assert "FAR_KEY" in problem.message


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("models: [{name: a, use: nonsense}]", "model", "names no model"),
        (
            'models: [{name: a, use: "http://h/v1"}, {name: a, use: "http://i/v1"}]',
            "duplicate",
            "two models 'a'",
        ),
        (
            'models: [{name: a, use: "http://h/v1", tier: small, capabilities: [chat]}]',
            "no-model",
            "step 'executor': no configured model fits: a is not declared for plan",
        ),
        ('rules: [{id: r, when: "riks == 1", never: [b]}]', "condition", "rule 'r'"),
        ('rules: [{id: r, when: "true", never: [b]}]', "unknown-model", "there is no model 'b'"),
        ('rules: [{id: r, when: "true"}]', "spec", "a rule changes something"),
        ("models: [{name: a, use: x, price: {input: -1, output: 0}}]", "type", "price"),
    ],
)
def test_what_is_wrong_is_found_before_anything_runs(text: str, code: str, told: str) -> None:
    problems = found(text)
    assert any(p.severity == "error" and told in p.message for p in problems), problems


CHATS = """
from concertmaster.testing import ScriptedModel

def house():
    return ScriptedModel("You have 30 days.")

def needy(key):
    return None
"""


def told_of(use: str, more: str = "") -> list[Problem]:
    with temporary_workspace("support_desk") as folder:
        (folder / "chats.py").write_text(CHATS)
        (folder / "text.gguf").write_text("no model at all")
        (folder / "models.yaml").write_text(f"models:\n  - {{name: a, use: '{use}', {more}}}\n")
        return [p for p in check(folder) if Path(p.file).name == "models.yaml"]


def test_function_of_the_workspace_is_a_model() -> None:
    assert told_of("chats:house") == []


@pytest.mark.parametrize(
    ("use", "code", "told", "hint"),
    [
        ("chats:hous", "model", "'hous' is not defined here", None),
        ("chat:house", "model", "there is no module 'chat'", None),
        ("chats:needy", "model", "chats:needy needs arguments", "def needy():"),
        ("models/none.gguf", "model-file", "models/none.gguf, which cannot be read", ".gguf file"),
        ("text.gguf", "model-file", "needs a GGUF file, which text.gguf is not", ".gguf file"),
        (
            "mistralai:large",
            "model-package",
            "needs the package langchain-mistralai",
            "pip install langchain langchain-mistralai",
        ),
        ("opnai:gpt-4o", "model", "there is no provider 'opnai'", "did you mean openai:?"),
    ],
)
def test_what_a_model_lacks_is_an_error_with_its_fix(
    use: str, code: str, told: str, hint: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "langchain_mistralai", None)
    (problem,) = told_of(use)
    assert (problem.severity, problem.code, problem.line) == ("error", code, 2)
    assert told in problem.message
    assert hint is None or hint in str(problem.hint)


def test_missing_key_of_a_provider_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (problem,) = told_of("anthropic:claude-sonnet-5-5")
    assert (problem.severity, problem.code) == ("warning", "model-key")
    assert problem.hint is not None
    assert "export ANTHROPIC_API_KEY" in problem.hint


IDENTITY = bytes.fromhex(
    "08083a430a100a016e12017022084964656e74697479120567726170685a130a016e120e0a0c0801"
    "12080a0208010a02080162130a0170120e0a0c080112080a0208010a02080142040a00100d"
)
"""An ONNX file with the input n and the output p."""

NETWORK = (
    "{name: scores, use: score.onnx, input: {type: object, properties: {n: {type: number}},"
    " required: [n]}, output: {type: object, properties: {p: {type: number}}}}"
)


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("", "", None, ""),
        ("score.onnx", "text.onnx", "predictor-file", "needs an ONNX file"),
        ("{p: {type: number}}", "{q: {type: number}}", "predictor-file", "declares the output q"),
        ("score.onnx", "none.onnx", "predictor-file", "none.onnx, which cannot be read"),
        ("score.onnx,", f"score.onnx, sha256: '{'0' * 64}',", "predictor-file", "another score"),
        ("required: [n]", "required: []", "predictor", "n may be left out of its input"),
        ("properties: {p: {type: number}}", "properties: {}", "predictor", "names no properties"),
        ("{type: number}}, req", "{type: figure}}, req", "predictor", "is no schema of an object"),
        ("score.onnx", "chats:needy", "predictor", "chats:needy needs arguments"),
        ("score.onnx", "'chats:needy', file: f", "predictor-file", "f, which cannot be read"),
    ],
)
def test_predictors_are_looked_at_before_anything_runs(
    old: str, new: str, code: str | None, told: str
) -> None:
    with temporary_workspace("support_desk") as folder:
        (folder / "chats.py").write_text(CHATS)
        (folder / "score.onnx").write_bytes(IDENTITY)
        (folder / "text.onnx").write_text("no network")
        (folder / "models.yaml").write_text(f"predictors:\n  - {NETWORK.replace(old, new, 1)}\n")
        problems = [p for p in check(folder) if Path(p.file).name == "models.yaml"]
    assert [p.code for p in problems] == ([] if code is None else [code]), problems
    assert all(told in p.message for p in problems)
