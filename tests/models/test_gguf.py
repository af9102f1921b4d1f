"""GGUF files: what they lack is told; with llama.cpp and a model at hand, they answer over HTTP."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from concertmaster.contracts import Confidentiality
from concertmaster.contracts.model import ModelEntry
from concertmaster.contracts.spec import ModelNeed
from concertmaster.errors import ConfigError, ModelUnavailable
from concertmaster.models import Models
from concertmaster.models.lack import lack_of
from concertmaster.models.registry import declared

SMALL = Path(__file__).parents[2] / "build" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
loads = pytest.mark.skipif(
    find_spec("xllamacpp") is None or not SMALL.is_file(),
    reason="no llama.cpp or no small model here: `make test-local-model` fetches both",
)


def spec_of(use: str, folder: Path | None = None, **more: Any) -> Any:
    return declared(ModelEntry(name="small", use=use, **more), folder)


def test_path_is_counted_from_the_workspace(tmp_path: Path) -> None:
    spec = spec_of("models/small.gguf", tmp_path)
    assert spec.model == str(tmp_path / "models" / "small.gguf")
    assert spec_of("gguf:/srv/x.gguf", tmp_path).model == "/srv/x.gguf"


def test_file_on_this_machine_sees_everything_and_costs_nothing(tmp_path: Path) -> None:
    spec = spec_of("small.gguf", tmp_path)
    assert spec.local
    assert spec.clearance is Confidentiality.restricted
    assert spec.price is not None
    assert (spec.price.input, spec.price.output) == (0, 0)


def test_missing_package_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    (tmp_path / "small.gguf").write_bytes(b"GGUF and more")
    lack = lack_of(spec_of("small.gguf", tmp_path))
    assert lack is not None
    assert (lack.kind, lack.fix) == ("package", "pip install 'concertmaster[local]'")


@pytest.mark.skipif(find_spec("xllamacpp") is None, reason="no llama.cpp here")
async def test_damaged_file_makes_the_model_unavailable_and_nothing_worse(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").write_bytes(b"GGUF" + bytes(2000))
    models = Models.of(str(tmp_path / "small.gguf"))
    choice = models.choose(ModelNeed(need="chat"))
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        await models.complete(choice, [{"role": "user", "content": "Hi"}])
    await models.aclose()


@loads
async def test_file_is_loaded_once_answers_in_a_form_and_is_let_go() -> None:
    from concertmaster.models import gguf

    schema = {
        "title": "choice",
        "type": "object",
        "properties": {"word": {"enum": ["green", "seven"]}},
        "required": ["word"],
    }
    both = [Models.of(str(SMALL)) for _ in range(2)]
    asked = [{"role": "user", "content": "Which is a colour, green or seven?"}]
    choices = [models.choose(ModelNeed(need="chat")) for models in both]
    replies = await asyncio.gather(
        *(m.complete(c, asked, schema=schema) for m, c in zip(both, choices, strict=True))
    )
    assert all(reply.data in ({"word": "green"}, {"word": "seven"}) for reply in replies)
    assert [reply.usage.cost for reply in replies] == [0.0, 0.0]
    assert len(gguf._held) == 1
    for models in both:
        await models.aclose()
    assert not gguf._held


def test_unknown_option_of_a_file_is_told(tmp_path: Path) -> None:
    from concertmaster.models.gguf import _place

    with pytest.raises(ConfigError, match="a GGUF file has no option 'thread'"):
        _place(spec_of("small.gguf", tmp_path, options={"thread": 2}))
