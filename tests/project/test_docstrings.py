"""Every public name says what it is, and the examples in docstrings are true."""

import ast
import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def public(modules: dict[str, Path]):
    """Yield each name of each `__all__` with its value."""
    for module_name in sorted(modules):
        if module_name.endswith("__main__"):
            continue
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            yield f"{module_name}.{name}", getattr(module, name)


def described(value: object) -> bool:
    """Whether a value is described: classes and functions by a docstring of their own."""
    if inspect.isclass(value):
        # pydantic and dataclasses make one up from the fields when there is none.
        own = vars(value).get("__doc__") or ""
        return bool(own.strip()) and not own.startswith(f"{value.__name__}(")
    return not inspect.isroutine(value) or bool(inspect.getdoc(value))


def test_every_module_says_what_it_is(modules: dict[str, Path]):
    silent = [
        n for n, path in modules.items() if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_every_public_name_says_what_it_is(modules: dict[str, Path]):
    assert [name for name, value in public(modules) if not described(value)] == []


def test_lists_of_public_names_are_true(modules: dict[str, Path]):
    for name in modules:
        if name.endswith("__main__"):
            continue
        module = importlib.import_module(name)
        names = list(getattr(module, "__all__", ()))
        assert len(names) == len(set(names)), name
        assert [n for n in names if not hasattr(module, n)] == [], name


def test_examples_in_docstrings_are_true(modules: dict[str, Path]):
    failed = []
    for name, path in modules.items():
        if ">>> " in path.read_text():
            result = doctest.testmod(importlib.import_module(name), report=True)
            failed += [name] if result.failed else []
    assert failed == []


@pytest.mark.parametrize("source", ["def f(): ...", "class C: ..."])
def test_silence_is_found(source: str):
    scope: dict[str, object] = {}
    exec(source, scope)
    assert not described(scope["f" if "def" in source else "C"])
