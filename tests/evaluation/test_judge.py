"""A model as a judge: optional, named when it is missing, and only an informant."""

import sys
import types

import pytest

from concertmaster.errors import ConfigError
from concertmaster.evaluation.judge import model_judge


def test_judge_without_openevals_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openevals", None)
    monkeypatch.setitem(sys.modules, "openevals.llm", None)
    with pytest.raises(ConfigError) as raised:
        model_judge("{inputs} {outputs}", model="openai:x")
    assert raised.value.hint == "pip install openevals"


def test_judge_asks_about_answers_only(monkeypatch, case, went):
    asked = []

    def create_llm_as_judge(**made):
        def judge(**given):
            asked.append((made, given))
            return {"key": "judge", "score": 0.25, "comment": "thin"}

        return judge

    openevals = types.ModuleType("openevals.llm")
    openevals.create_llm_as_judge = create_llm_as_judge
    monkeypatch.setitem(sys.modules, "openevals", types.ModuleType("openevals"))
    monkeypatch.setitem(sys.modules, "openevals.llm", openevals)
    judge = model_judge("p", model="openai:x", passes=0.5)
    found = judge(case(status="answered"), went({"text": "It is done."}))
    assert (found.score, found.passed, found.comment) == (0.25, False, "thin")
    assert asked[0][1] == {"inputs": "hello", "outputs": "It is done."}
    assert judge(case(status="refused"), went({"status": "refused"})).score is None
    assert len(asked) == 1
