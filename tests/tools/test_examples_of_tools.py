import doctest
import importlib
import pkgutil

import pytest

import concertmaster.tools

MODULES = sorted(m.name for m in pkgutil.iter_modules(concertmaster.tools.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"concertmaster.tools.{name}")
    assert doctest.testmod(module).failed == 0
