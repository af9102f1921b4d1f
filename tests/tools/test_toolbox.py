import sys
from pathlib import Path

import pytest

from concertmaster.errors import WorkspaceError
from concertmaster.tools import declare
from concertmaster.tools.toolbox import Toolbox, load_callable

GOOD = '''
from pathlib import Path
from concertmaster.tools import declare

@declare(effect="read")
def look(order: int) -> dict[str, int]:
    """Look an order up."""
    return {"order": order}

alias = look

def setup(data_dir: Path) -> None:
    marks = data_dir / "setup"
    marks.write_text(marks.read_text() + "again" if marks.exists() else "once")
'''


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        file = folder / name.replace("__", "/")
        file = file.with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def problems_of(folder: Path) -> list[str]:
    return [f"{Path(p.file).name}:{p.line}: {p.message}" for p in Toolbox.inspect(folder)[1]]


def test_workspace_tools_are_loaded_without_touching_the_path(tmp_path: Path) -> None:
    before = list(sys.path)
    toolbox = Toolbox.load(write(tmp_path, tools=GOOD))
    assert toolbox.names == ("look",)
    assert toolbox["look"](order=3) == {"order": 3}
    assert sys.path == before
    assert "tools" not in sys.modules
    assert not list(tmp_path.rglob("__pycache__"))


def test_tools_module_can_be_named_itself(tmp_path: Path) -> None:
    write(tmp_path, tools=GOOD)
    assert Toolbox.load(tmp_path / "tools.py").names == ("look",)


def test_no_workspace_and_a_workspace_without_tools_have_none(tmp_path: Path) -> None:
    assert Toolbox.load(None).names == ()
    assert Toolbox.load(tmp_path).names == ()


def test_two_workspaces_do_not_see_each_other(tmp_path: Path) -> None:
    one = Toolbox.load(write(tmp_path / "one", tools=GOOD))
    two = Toolbox.load(write(tmp_path / "two", tools=GOOD.replace("look", "find")))
    assert (one.names, two.names) == (("look",), ("find",))


def test_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    first = Toolbox.load(write(tmp_path, tools=GOOD))
    same = Toolbox.load(tmp_path)
    assert same["look"] is first["look"]
    write(tmp_path, tools=GOOD.replace("look", "find"))
    assert Toolbox.load(tmp_path).names == ("find",)


def test_package_of_tools_needs_no_list_of_its_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        tools__orders=GOOD,
        tools__payments="from .orders import look\n" + GOOD.replace("look", "pay"),
    )
    (tmp_path / "tools" / "__init__.py").write_text("")
    assert set(Toolbox.load(tmp_path).names) == {"look", "pay"}


def test_both_forms_at_once_are_refused(tmp_path: Path) -> None:
    write(tmp_path, tools=GOOD)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("")
    assert problems_of(tmp_path) == ["tools.py:1: both tools.py and tools/ exist; keep one"]


def test_tools_and_steps_share_their_modules(tmp_path: Path) -> None:
    write(
        tmp_path,
        shop="seen = []\n",
        tools="from .shop import seen\n" + GOOD,
        steps="from .shop import seen\ndef score(state, runtime):\n    seen.append(1)\n",
    )
    Toolbox.load(tmp_path)
    load_callable(tmp_path, "steps:score")(None, None)
    tools = next(
        m
        for n, m in sys.modules.items()
        if n.endswith(".tools") and (m.__file__ or "").startswith(str(tmp_path))
    )
    assert tools.seen == [1]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def look(:\n", "tools.py:1: syntax error"),
        ("x = 1\nimport nowhere_at_all\n", "tools.py:2: the import failed: ModuleNotFoundError"),
        ("\nraise SystemExit(3)", "tools.py:2: the import failed: SystemExit: 3"),
        ("x = 1", "tools.py:1: no tool is declared"),
        (
            "from concertmaster.tools import declare\n@declare\ndef act(x): ...",
            "tools.py:2: tool act: annotate the parameter 'x'",
        ),
        (
            GOOD + "\nother = declare(lambda: 1, name='look', effect='read')",
            "tools.py:16: tool look: a second tool has this name (first at",
        ),
        (
            GOOD + "\n@declare(effect='read', fallback='nowhere')\ndef find(x: int): ...",
            "tools.py:16: tool find: its fallback 'nowhere' is not declared",
        ),
        (
            GOOD + "\n@declare(effect='read', fallback='find')\ndef find(x: int): ...",
            "tools.py:16: tool find: its fallbacks run in a circle",
        ),
        (
            GOOD
            + "\n@declare(effect='read', fallback='act')\ndef find(order: int): ..."
            + "\n@declare\ndef act(order: int): ...",
            "tool find: it only reads, but its fallback 'act' has an effect",
        ),
        (
            GOOD + "\n@declare(effect='read', fallback='look')\ndef find(x: int, order: int): ...",
            "tool find: its fallback 'look' does not take x",
        ),
        (
            GOOD + "\n@declare(effect='read', fallback='look')\ndef find(): ...",
            "tool find: its fallback 'look' also needs order",
        ),
        (GOOD + "\nasync def setup(data_dir): ...", "setup is no plain function"),
        (GOOD + "\ndef setup(): ...", "setup takes exactly one argument"),
    ],
)
def test_problem_is_told_with_file_and_line(tmp_path: Path, source: str, told: str) -> None:
    write(tmp_path, tools=source)
    found = problems_of(tmp_path)
    assert any(told in p for p in found), found
    with pytest.raises(WorkspaceError) as caught:
        Toolbox.load(tmp_path)
    assert caught.value.problems


def test_error_in_an_imported_module_is_located_there(tmp_path: Path) -> None:
    write(tmp_path, shop="x = 1\n\nraise ValueError('broken')", tools="from . import shop\n" + GOOD)
    assert problems_of(tmp_path)[0].startswith("shop.py:3: the import failed: ValueError: broken")


def test_after_a_failed_import_a_corrected_file_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, tools="raise ValueError")
    assert problems_of(tmp_path)
    assert Toolbox.load(write(tmp_path, tools=GOOD)).names == ("look",)


def test_what_tools_print_does_not_reach_stdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Toolbox.load(write(tmp_path, tools="print('hello')\n" + GOOD))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


def test_setup_runs_once_for_each_data_folder(tmp_path: Path) -> None:
    toolbox = Toolbox.load(write(tmp_path / "w", tools=GOOD))
    toolbox.prepare(tmp_path / "home" / "a")
    toolbox.prepare(tmp_path / "home" / "a")
    toolbox.prepare(tmp_path / "home" / "b")
    assert (tmp_path / "home" / "a" / "setup").read_text() == "once"
    assert (tmp_path / "home" / "b" / "setup").read_text() == "once"


def test_failed_setup_is_told_and_tried_again(tmp_path: Path) -> None:
    source = GOOD + (
        "\ndef setup(data_dir):\n"
        "    if not (data_dir / 'ready').exists():\n"
        "        raise RuntimeError('no data')\n"
    )
    toolbox = Toolbox.load(write(tmp_path / "w", tools=source))
    home = tmp_path / "home"
    with pytest.raises(WorkspaceError, match=r"setup\(data_dir\) failed: RuntimeError: no data"):
        toolbox.prepare(home)
    (home / "ready").touch()
    toolbox.prepare(home)


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("steps.score", "names no function"),
        ("../steps:score", "names no function"),
        (":score", "names no function"),
        ("elsewhere:score", "there is no module 'elsewhere'"),
        ("os:getcwd", "there is no module 'os'"),
        ("steps:missing", "'missing' is not defined"),
        ("steps:LIMIT", "'LIMIT' is no function"),
        ("broken:score", "ZeroDivisionError"),
    ],
)
def test_custom_step_that_cannot_be_loaded_is_told(
    tmp_path: Path, reference: str, told: str
) -> None:
    write(tmp_path, steps="LIMIT = 3\ndef score(state, runtime): ...", broken="1/0")
    with pytest.raises(WorkspaceError, match=told):
        load_callable(tmp_path, reference)


def test_toolbox_of_a_program_is_checked_like_a_file() -> None:
    @declare(effect="read")
    def look(order: int) -> None: ...

    again = declare(lambda: None, name="look", effect="read")
    assert Toolbox.of(look).shapes()["look"].effect == "read"
    assert "Look" not in Toolbox.of(look)
    with pytest.raises(WorkspaceError, match="a second tool has this name"):
        Toolbox.of(look, again)
