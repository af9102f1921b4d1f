import doctest
import importlib
import pkgutil

import pytest

import concertmaster.retrieval

MODULES = sorted(m.name for m in pkgutil.iter_modules(concertmaster.retrieval.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"concertmaster.retrieval.{name}")
    assert doctest.testmod(module).failed == 0
