"""Every notebook runs from top to bottom, and shows what it gives.

A notebook whose stored output is out of date is brought up to date by
`jupyter execute --inplace notebooks/NAME.ipynb`.
"""

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
ID = re.compile(r"\b[a-z]+-[0-9a-f]{8,}\b")
MACHINE = re.compile(
    r"(?<![\w.~:/<-])/(?:work|root|home|Users|mnt|opt|tmp|var|usr|private)/|[A-Z]:\\|site-packages"
)
PICTURE = "a picture"
TITLE = re.compile(r"[a-z]+(-[a-z]+)*")

# What keeps a kernel from reaching anything but this machine, read when its interpreter starts.
LOOPBACK_ONLY = """
import sys

NEAR = (None, "", b"", "localhost", "127.0.0.1", b"127.0.0.1", "0.0.0.0", "::1", "::")

def watch(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in NEAR:
        raise ConnectionRefusedError(f"notebooks stay on this machine, {host!r} was asked for")

sys.addaudithook(watch)
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `notebooks` next to one of `examples`, and a kernel of this interpreter."""
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for folder in ("examples", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    started = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": started, "display_name": "", "language": "python"}))
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "sitecustomize.py").write_text(LOOPBACK_ONLY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "start"), prepend=":")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path / "notebooks"


def read(name: str) -> NotebookNode:
    return nbformat.read(ROOT / "notebooks" / name, as_version=4)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=180, resources=where, coalesce_streams=True)
    return client.execute()


def shown(notebook: NotebookNode) -> dict[str, list[tuple[str, str, str]]]:
    """Return what each cell shows, without ids and without what a card folds away.

    That is times and scores, which are not the same everywhere. Of a picture it counts that there
    is one: what it shows is asserted in its cell, and its bytes depend on fonts.
    """
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found[cell.id] = [
                (output.output_type, kind, ID.sub("…", text.partition("<details")[0]))
                for output in cell.outputs
                for kind, text in parts(output)
            ]
    return found


def parts(output: NotebookNode) -> list[tuple[str, str]]:
    if output.output_type == "stream":
        return [(output.name, output.text)]
    data = {k: PICTURE if k == "image/png" else v for k, v in output.get("data", {}).items()}
    return sorted(data.items())


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs_and_gives_what_it_shows(name: str, desk: Path):
    stored = shown(read(name))
    assert shown(execute(read(name), desk)) == stored


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_stored_with_its_output(name: str):
    notebook = read(name)
    nbformat.validate(notebook)
    ran = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in ran] == list(range(1, len(ran) + 1))
    outputs = [output for cell in ran for output in cell.outputs]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_picture_that_is_missing_shows():
    drawn = new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
    redrawn = new_output("display_data", {"image/png": "iVBORw0KGg4=", "text/plain": "<Figure>"})
    assert parts(drawn) == parts(redrawn)
    assert parts(drawn) != parts(new_output("display_data", {"text/plain": "<Figure>"}))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_names_no_machine_and_its_cells_by_what_they_do(name: str):
    assert not MACHINE.search((ROOT / "notebooks" / name).read_text(encoding="utf-8"))
    assert all(TITLE.fullmatch(cell.id) for cell in read(name).cells)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_outcome_is_asserted(name: str):
    cells = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert [cell.id for cell in cells if "assert " not in cell.source] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_of_a_notebook_lead_somewhere(name: str):
    text = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    targets = [t.split("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [t for t in targets if t and not re.match(r"[a-z]+:", t)]
    assert [t for t in local if not (ROOT / "notebooks" / t).exists()] == []


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 + 1 == 3",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.getaddrinfo('example.org', 80)",
    ],
)
def test_false_claim_or_way_out_fails_a_notebook(source: str, desk: Path):
    with pytest.raises(CellExecutionError, match=r"AssertionError|stay on this machine"):
        execute(new_notebook(cells=[new_code_cell(source)]), desk)
