"""Checking policies: every problem is found, at its line, and no harmless policy is refused."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import ToolShape
from concertmaster.policies import check
from concertmaster.policies.statements import MAX_LENGTH, Problem, Statement, split

Shapes = dict[str, ToolShape]
Folder = Callable[..., Path]

REFUND = 'principal, action == Action::"refund_payment", resource'
EVERYTHING = 'principal, action == Action::"everything", resource'


def problems(folder: Folder, shapes: Shapes, text: str) -> list[tuple[int, str]]:
    return [(p.line, p.message) for p in check(folder(text), shapes)]


def only(folder: Folder, shapes: Shapes, text: str) -> tuple[int, str]:
    found = problems(folder, shapes, text)
    assert len(found) == 1, found
    return found[0]


def test_sound_policies_have_no_problems(folder: Folder, shapes: Shapes):
    text = f"""// @id("commented out") permit (
@id("a") // a comment; with a semicolon
@reason("it says \\"; permit\\" and // is no comment")
@obligation("review:finance,review:2-of:risk")
permit ({REFUND}) when {{ context.args.amount_cents > 0 }};
@id("b") forbid (principal, action, resource == Tool::"everything") when {{
  principal.id like "*;*" }}; @id("c") permit (principal, action, resource);
// the end"""
    assert problems(folder, shapes, text) == []


@pytest.mark.parametrize("folder_of", ["none", "empty", "comments"])
def test_nothing_to_check_is_no_problem(folder: Folder, shapes: Shapes, folder_of: str):
    where = {"none": None, "empty": folder(), "comments": folder("// nothing\n\n")}[folder_of]
    assert check(where, shapes) == []


def test_missing_folder_is_a_problem(tmp_path: Path, shapes: Shapes):
    [problem] = check(tmp_path / "nowhere", shapes)
    assert problem.message == "there is no such folder"


def test_file_that_is_no_text_is_a_problem(folder: Folder, shapes: Shapes):
    where = folder()
    (where / "latin.cedar").write_bytes(b"// \xff\xfe")
    [problem] = check(where, shapes)
    assert problem.message == "the file is not UTF-8 text"


def test_byte_order_mark_and_windows_lines_are_read(folder: Folder, shapes: Shapes):
    where = folder()
    text = '\ufeff@id("a")\r\npermit (principal, action, resource);\r\n'
    (where / "windows.cedar").write_bytes(text.encode())
    assert check(where, shapes) == []


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("\npermit (principal, action, resource);", 2, "no name"),
        ('@id("")\npermit (principal, action, resource);', 1, "no name"),
        ("@id permit (principal, action, resource);", 1, "no name"),
        ('@id("a b") permit (principal, action, resource);', 1, "an @id begins"),
        ('@id("x")\n@obligaton("review:risk")\npermit (principal, action, resource);', 2,
         "did you mean @obligation?"),
        ('@id("x") @note("y") permit (principal, action, resource);', 1, "known are @id"),
        ('@id("x")\n@obligation("mail:legal")\npermit (principal, action, resource);', 2,
         "'mail:legal' is not understood"),
        ('@id("x") @obligation("review:") permit (principal, action, resource);', 1, "understood"),
        ('@id("x") @obligation("review:0-of:a") permit (principal, action, resource);', 1, "not"),
        ('@id("x") @obligation("Review:a") permit (principal, action, resource);', 1, "understood"),
        ('@id("x") @obligation permit (principal, action, resource);', 1, "'' is not understood"),
        ('@id("x") @obligation("review:a,") permit (principal, action, resource);', 1, "''"),
        ('@id("x") @obligation("review:a") forbid (principal, action, resource);', 1, "a forbid"),
        ('@id("x") permit (principal == ?principal, action, resource);', 1, "templates"),
        ('@id("x") permit (principal, action, resource)', 1, "no Cedar policy"),
        ('@id("x") permit (principal, action, resource) when {\n  foo };', 2, "foo"),
        ("garbage", 1, "no Cedar policy"),
        ('@id("x") permit (principal, action, resource) when { "', 1, "no Cedar policy"),
        ('@id("x")\npermit (principal,\n action == Action::"refnd", resource);', 3, "refnd"),
        ('@id("x") permit (principal == Person::"a", action, resource);', 1, "Person"),
        (f'@id("x") permit ({REFUND})\nwhen {{ true &&\n context.args.amuont > 1 }};', 3,
         "`args.amuont` not found (refund_payment)"),
        (f'@id("x") permit ({REFUND})\nwhen {{ context.args.note == "a" }};', 2,
         "test it first with `has note`"),
        (f'@id("x") permit ({REFUND}) when {{ context.args.amount_cents == "1" }};', 1,
         "not compatible"),
        (f'@id("x") permit ({REFUND}) when {{ principal.role == "a" }};', 1, "`role`"),
        (f'@id("x") permit ({EVERYTHING}) when {{ context.args.nested == 1 }};', 1,
         "cannot see a list of something else than plain values; offer it as a fact"),
        (f'@id("x") permit ({EVERYTHING}) when {{ context.facts.total_cents > 1 }};', 1,
         "total_cents"),
    ],
)  # fmt: skip
def test_problem_is_told_at_its_line(
    folder: Folder, shapes: Shapes, text: str, line: int, told: str
):
    found_line, message = only(folder, shapes, text)
    assert (found_line, told in message) == (line, True), (found_line, message)


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        (
            "context.args has amuont && context.args.amuont > 5",
            "it can have amount_cents, note, order_id",
        ),
        ("context has args.amount_cent", "did you mean 'amount_cents'?"),
        ("context has fact", "did you mean 'facts'?"),
        ("context.facts has totl", "context.facts never has 'totl'"),
        ("principal has role", "did you mean 'roles'?"),
        ("resource has colour", "never has 'colour'"),
        ('context.args has "order-id"', "never has 'order-id'"),
        ("context.args has order_id && [true, context.args has x].contains(true)", "'x'"),
    ],
)
def test_forbid_that_tests_for_what_cannot_be_there_is_a_problem(
    folder: Folder, shapes: Shapes, condition: str, told: str
):
    # Cedar's validator takes such a test for plain false: the rule would never apply.
    _, message = only(folder, shapes, f'@id("x") forbid ({REFUND}) when {{ {condition} }};')
    assert told in message


def test_test_for_an_invisible_argument_says_why(folder: Folder, shapes: Shapes):
    text = f'@id("x") forbid ({EVERYTHING}) when {{ context.args has thing }};'
    assert "policies cannot see an object" in only(folder, shapes, text)[1]


def test_unscoped_policy_may_test_for_an_argument_that_some_tool_has(
    folder: Folder, shapes: Shapes
):
    text = (
        '@id("x") forbid (principal, action, resource)'
        " when { context.args has amount_cents && context.args.amount_cents > 5 };"
    )
    assert problems(folder, shapes, text) == []


def test_id_is_unique_over_all_files(folder: Folder, shapes: Shapes):
    one = '@id("same") permit (principal, action, resource);'
    where = folder(one, "\n" + one)
    [problem] = check(where, shapes)
    assert (problem.file, problem.line) == (str(where / "01.cedar"), 2)
    assert f"{where / '00.cedar'}:1" in problem.message


def test_id_of_an_unsound_policy_is_taken_too(folder: Folder, shapes: Shapes):
    text = '@id("a") permit (principal, action == Action::"nix", resource);\n'
    found = problems(folder, shapes, text + '@id("a") permit (principal, action, resource);')
    assert [line for line, _ in found] == [1, 2]


def test_message_for_many_tools_is_told_once(folder: Folder):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = {f"t{n}": ToolShape(name=f"t{n}", effect="read", arguments=schema) for n in range(20)}
    text = '@id("x") permit (principal, action, resource) when { context.args.a == "b" };'
    _, message = only(folder, tools, text)
    assert "(t0, t1, t10 and others)" in message


def test_odd_argument_names_do_not_break_the_check(folder: Folder):
    names = ["", "__entity", "__extn", "__cedar", "a b", "é", "-", "if", "has", '"', "\n", "args"]
    schema = {"type": "object", "properties": {n: {"type": "string"} for n in names}}
    tools = {"t": ToolShape(name="t", effect="read", arguments=schema)}
    text = (
        '@id("x") permit (principal, action, resource) when {'
        ' context.args has "a b" && context.args["a b"] == "c" };'
    )
    assert problems(folder, tools, text) == []


# What would take the process down is tried in a process of its own.
DEEP = """
import sys
from pathlib import Path
from concertmaster.contracts import ToolShape
from concertmaster.policies import check
tools = {"t": ToolShape(name="t", effect="read")}
for problem in check(Path(sys.argv[1]), tools):
    print(problem.line, problem.message)
"""


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 5000 + "true" + ")" * 5000,
        "[" * 5000 + "]" * 5000 + ".isEmpty()",
        '{"a":' * 5000 + "1" + "}" * 5000 + " == 1",
        "if true then true else " * 5000 + "true",
        "true&&if true then true else " * 101 + "true",
        "!" * 5000 + "true",
        " && ".join(["true"] * 5000),
        "+".join(["1"] * 9000) + " > 2",
        "context" + ".a" * 9000,
        "true" + " " * MAX_LENGTH,
    ],
    ids=["round", "square", "curly", "if", "hidden-if", "not", "and", "plus", "dot", "long"],
)
def test_text_that_overflows_a_stack_is_a_problem_and_no_crash(folder: Folder, condition: str):
    where = folder(f'\n@id("x") permit (principal, action, resource) when {{ {condition} }};')
    done = subprocess.run(
        [sys.executable, "-c", DEEP, str(where)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout.startswith("2 ")


def test_sound_policy_at_the_bounds_loads(folder: Folder, shapes: Shapes):
    condition = "(" * 48 + "true" + ")" * 48 + " && " + "(if true then true else false) && " * 50
    text = f'@id("x") permit (principal, action, resource) when {{ {condition} true }};'
    assert problems(folder, shapes, text) == []


def test_statements_are_cut_at_their_semicolons_only():
    text = '// a;\npermit "x;\\";" (a); // b;\n\n  forbid\n(b);  rest'
    found = list(split("f", text))
    assert [(s.line, s.text) for s in found if isinstance(s, Statement)] == [
        (2, 'permit "x;\\";" (a);'),
        (4, "forbid\n(b);"),
        (5, "rest"),
    ]


@given(st.text(st.characters() | st.sampled_from('"\\;/()[]{}\n if'), max_size=200))
def test_cutting_loses_nothing_and_never_fails(text: str):
    pieces = list(split("f", text))
    assert all(isinstance(p, Statement | Problem) for p in pieces)
    joined = "".join(p.text for p in pieces if isinstance(p, Statement))
    kept = [c for c in joined if not c.isspace()]
    assert len(kept) <= len([c for c in text if not c.isspace()])
    for piece in pieces:
        assert 1 <= piece.line <= text.count("\n") + 1
        if isinstance(piece, Statement):
            assert piece.text in text
