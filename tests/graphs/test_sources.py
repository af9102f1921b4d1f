from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.graphs.sources import read_source


@pytest.fixture
def read(tmp_path):
    """Read these bytes or this text as a YAML file."""

    def one(content):
        file = tmp_path / "workflow.yaml"
        raw = content if isinstance(content, bytes) else content.encode()
        file.write_bytes(raw)
        return read_source(file)

    return one


def test_values_come_with_their_lines(read):
    source, problems = read("a: 1\nb:\n  - x\n  - c: [2, 2.5, true, null]\n")
    assert problems == []
    assert source.value == {"a": 1, "b": ["x", {"c": [2, 2.5, True, None]}]}
    assert [source.line(p) for p in ((), ("b",), ("b", 1), ("b", 1, "c", 3))] == [1, 2, 4, 4]


def test_line_of_what_is_missing_is_that_of_what_is_around_it(read):
    source, _ = read("a: 1\nb:\n  - x: 1\n    y: 2\n")
    assert source.line(("b", 0, "owner")) == 3
    assert source.problem("spec", ("b", 0, "owner"), "none").line == 3


def test_dates_stay_text_and_a_byte_order_mark_is_no_part_of_it(read):
    assert read("\ufeffa: 2026-01-31\n")[0].value == {"a": "2026-01-31"}


def test_aliases_are_followed(read):
    source, problems = read("a: &x {k: 1}\nb: *x\n")
    assert (source.value["b"], problems) == ({"k": 1}, [])


BROKEN = [
    ("a: 1\na: 2\n", 2, "the key 'a' twice"),
    ("a:\n  b: !!python/object/apply:os.system [ls]\n", 2, "the tag"),
    ("a: 1\nb: !secret x\n", 2, "the tag '!secret'"),
    ("a: 1\nb: !other:timestamp x\n", 2, "the tag"),
    ("a: !!set {x}\n", 1, "the tag"),
    ("a: !!binary aGk=\n", 1, "the tag"),
    ("a: 1\nb: .inf\n", 2, "no float"),
    ("b: .nan\n", 1, "no float"),
    ("a: " + "9" * 5000, 1, "no int"),
    ("? [a]\n: b\n", 1, "a key that is no text"),
    ("a: [1, 2\nb: 3\n", 2, "no valid YAML"),
    ("a:\n\t- b\n", 2, "no valid YAML"),
    ("a: *nowhere\n", 1, "undefined alias"),
    ("a: 1\n---\nb: 2\n", 2, "single document"),
    ('a: 1\nb: "x\x01"\n', 2, "no valid YAML"),
    ("# nothing\n", 1, "is empty"),
    (b"", 1, "is empty"),
    ("a: 1\nb: Gr\u00fc\u00dfe\n".encode("latin-1"), 2, "is not UTF-8"),
    (b"a: " + b"x" * 2_000_001, 1, "more than 2000000"),
    ("a: &x [*x, *x]\n", 1, "nests deeper"),
    ("a: " + "[" * 100_000, 1, "nests deeper"),
    ("a:\n" + "".join("  " * n + f"- k{n}:\n" for n in range(60)), 26, "nests deeper"),
]


@pytest.mark.parametrize(("content", "line", "told"), BROKEN)
def test_what_cannot_be_read_is_told_with_its_line(read, content, line, told):
    _, problems = read(content)
    assert [(p.code, p.severity, p.line) for p in problems] == [("yaml", "error", line)]
    assert told in problems[0].message
    assert "workflow.yaml" in problems[0].message


def test_aliases_that_multiply_are_stopped(read):
    names = "abcdefghij"
    levels = "".join(
        f"{inner}: &{inner} [{', '.join([f'*{outer}'] * 9)}]\n" for outer, inner in pairwise(names)
    )
    _, problems = read("a: &a [x, x, x]\n" + levels)
    assert [p.message for p in problems] == [
        "workflow.yaml has too many values (aliases multiply them)"
    ]


def test_chain_of_aliases_is_stopped(read):
    chain = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))
    _, problems = read("a0: &a0 [1]\n" + chain)
    assert len(problems) == 1
    assert "nests deeper" in problems[0].message


def test_missing_and_unreadable_files_are_told(tmp_path):
    for file in (tmp_path / "away.yaml", tmp_path):
        _, problems = read_source(file)
        assert [p.line for p in problems] == [1]
        assert "cannot be read" in problems[0].message


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text("ab:-[]{}&*!|>'\"#?\n\t ,%@", max_size=60).map(str.encode))
def test_no_bytes_make_it_raise(read, content):
    source, problems = read(content)
    assert problems or source.value is not None or content.strip() != b""
    assert all(p.line >= 1 for p in problems)
