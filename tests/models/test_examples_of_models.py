import doctest
import importlib
import pkgutil

import pytest

import concertmaster.models

MODULES = sorted(m.name for m in pkgutil.iter_modules(concertmaster.models.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"concertmaster.models.{name}")
    assert doctest.testmod(module).failed == 0
