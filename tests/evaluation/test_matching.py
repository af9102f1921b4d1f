"""Paths and trajectories, compared in each mode."""

import pytest

from concertmaster.evaluation.cases import ExpectedCall
from concertmaster.evaluation.matching import match_path, match_tools
from concertmaster.evaluation.recorded import Called


def wanted(tool, status=None, **arguments):
    return ExpectedCall(tool=tool, arguments=arguments or None, status=status)


def made(tool, status="done", **arguments):
    return Called(tool=tool, arguments=arguments, status=status)


@pytest.mark.parametrize(
    ("mode", "fits", "differs"),
    [
        ("exact", ["abc"], ["ab", "abcd", "acb", ""]),
        ("in_order", ["abc", "xaxbxcx"], ["acb", "ab", ""]),
        ("contains", ["abc", "cba", "xcxbxa"], ["ab", ""]),
    ],
)
def test_path_is_compared_by_its_mode(mode, fits, differs):
    for taken in fits:
        assert match_path("abc", taken, mode) is None, taken
    for taken in differs:
        assert match_path("abc", taken, mode) is not None, taken


def test_in_order_asks_for_a_repeated_step_as_often():
    assert match_path("aa", "aba", "in_order") is None
    assert match_path("aa", "ab", "in_order") is not None


@pytest.mark.parametrize(
    ("mode", "fits", "differs"),
    [
        ("strict", [["a", "b"]], [["b", "a"], ["a"], ["a", "b", "b"], []]),
        ("unordered", [["a", "b"], ["b", "a"]], [["a"], ["a", "b", "b"], []]),
        ("subset", [["a", "b"], ["b"], []], [["c"], ["a", "a"]]),
        ("superset", [["a", "b"], ["c", "b", "a"]], [["a"], []]),
    ],
)
def test_trajectory_is_compared_by_its_mode(mode, fits, differs):
    asked = [wanted("a"), wanted("b")]
    for tools in fits:
        assert match_tools(asked, [made(t) for t in tools], mode, "subset") == [], tools
    for tools in differs:
        assert match_tools(asked, [made(t) for t in tools], mode, "subset"), tools


def test_arguments_are_compared_exactly_in_part_or_not_at_all():
    calls = [made("a", x=1, y=[1, {"k": 2}])]
    assert match_tools([wanted("a", x=1)], calls, "strict", "subset") == []
    assert match_tools([wanted("a", x=1)], calls, "strict", "exact")
    assert match_tools([wanted("a", y=[1, {"k": 2}], x=1)], calls, "strict", "exact") == []
    assert match_tools([wanted("a", x=2)], calls, "strict", "subset")
    assert match_tools([wanted("a", x=2)], calls, "strict", "ignore") == []


def test_argument_that_is_true_is_not_one():
    assert match_tools([wanted("a", x=True)], [made("a", x=1)], "strict", "subset")


def test_a_call_stands_for_one_expected_call_only():
    asked = [wanted("a"), wanted("a", x=1)]
    assert match_tools(asked, [made("a", x=1), made("a", x=2)], "unordered", "subset") == []
    assert match_tools(asked, [made("a", x=2), made("a", x=2)], "unordered", "subset")


def test_status_of_a_call_is_compared_where_it_is_given():
    assert match_tools([wanted("a", "denied")], [made("a", "done")], "strict", "subset")
    assert match_tools([wanted("a", "denied")], [made("a", "denied")], "strict", "subset") == []
