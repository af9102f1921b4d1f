"""The same in a kernel of its own: what the page in front of it would get."""

import json
import sys
from textwrap import dedent

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

CELLS = {
    "open": """
        import asyncio
        import concertmaster as cm
        opened = cm.open("refunds", home="home")
        desk = await opened.__aenter__()
        desk
    """,
    "show": """run = await cm.show(desk, "refund order 7", principal="ana", thread="t")""",
    "approve": """
        deciding = cm.approve(desk, run, principal="li")
        deciding
    """,
    "click": """
        deciding.widget().children[-2].children[0].click()
        while deciding.run is None:
            await asyncio.sleep(0.01)
        print(deciding.run.status)
    """,
    "sync": """
        with cm.open_sync("refunds", home="other") as plain:
            print(plain.run("refund order 7, 20 EUR", principal="ana").status)
    """,
    "threads": "await desk.threads()",
    "close": "await opened.__aexit__(None, None, None)",
}


def test_live_display_buttons_and_reprs_in_a_kernel(workspace, tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    started = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": started, "display_name": "", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = [new_code_cell(dedent(text).strip(), id=name) for name, text in CELLS.items()]
    notebook = new_notebook(cells=cells)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=180, resources=where, coalesce_streams=True).execute()
    outputs = {cell.id: cell.outputs for cell in notebook.cells}
    assert "refunds" in outputs["open"][0].data["text/html"]
    # One place: its last state is the run that waits.
    (shown,) = outputs["show"]
    assert ">awaiting review</b>" in shown.data["text/html"]
    assert shown.data["text/plain"].startswith("<Run run-")
    (asked,) = outputs["approve"]
    assert "application/vnd.jupyter.widget-view+json" in asked.data
    assert outputs["click"][0].text == "answered\n"
    assert outputs["sync"][0].text == "answered\n"
    assert "<table" in outputs["threads"][0].data["text/html"]
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    cards = [m["state"].get("value", "") for m in state.values() if m["model_name"] == "HTMLModel"]
    assert any(">answered</b>" in card for card in cards)
