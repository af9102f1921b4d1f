"""The reference is written from the docstrings, and is up to date."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import concertmaster
from concertmaster.errors import ConcertmasterError


def test_reference_is_up_to_date(root: Path, script):
    tool = script("reference")
    assert tool.TARGET.is_file(), "run `make docs`"
    assert tool.TARGET.read_text() == tool.reference(tool.packages()), "run `make docs`"


def test_every_public_name_is_described(script):
    page = script("reference").reference(["concertmaster"])
    for name in concertmaster.__all__:
        assert f"\n### {name}\n" in page


def test_docstring_becomes_markdown(script):
    doc = "Do it.\n\nArgs:\n    x: what to do,\n        and how.\n\n>>> 1\n1\n"
    assert script("reference").prose(doc) == (
        "Do it.\n\n**Args**\n\n- `x`: what to do,\n  and how.\n\n```pycon\n>>> 1\n1\n```\n"
    )


def test_long_signature_is_split_at_its_arguments(script):
    def long(first_of_all: "dict[str, int]", /, *, second: "tuple[int, ...]" = (1, 2)) -> "None":
        """Nothing."""

    tool = script("reference")
    assert tool.signature("long", long) == (
        "long(first_of_all: dict[str, int], /, *, second: tuple[int, ...] = (1, 2)) -> None"
    )
    assert tool.signature("n" * 60, long).splitlines()[1:] == [
        "    first_of_all: dict[str, int],",
        "    /,",
        "    *,",
        "    second: tuple[int, ...] = (1, 2),",
        ") -> None",
    ]


def test_default_never_shows_an_address(script):
    thing = object()

    def function(x=thing): ...

    shown = script("reference").signature("f", function)
    assert shown == "f(x=...)"


def test_name_handed_on_is_described_once(script, monkeypatch: pytest.MonkeyPatch):
    tool = script("reference")
    made = ModuleType("made_up")
    made.__all__ = ["ConcertmasterError"]
    made.ConcertmasterError = ConcertmasterError
    monkeypatch.setitem(sys.modules, "made_up", made)
    page = tool.reference(["concertmaster.errors", "made_up"])
    assert page.count("\n### ConcertmasterError\n") == 1
    assert "described above: `ConcertmasterError` (concertmaster.errors)." in page
