"""What is loaded when: `import concertmaster` stays light, the plain rooms stay plain."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("chromadb", "langchain_core", "langgraph", "numpy", "onnxruntime", "openai", "sklearn")


def loaded(statement: str, folder: Path) -> set[str]:
    """Return the top-level modules in a fresh interpreter after a statement."""
    show = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{statement}\n{show}"],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy(tmp_path: Path):
    assert loaded("import concertmaster", tmp_path).isdisjoint(HEAVY)


@pytest.mark.parametrize("room", ["contracts", "errors", "storage", "audit", "policies"])
def test_plain_room_loads_no_langgraph(room: str, tmp_path: Path):
    found = loaded(f"import concertmaster.{room}", tmp_path)
    assert found.isdisjoint({"langgraph", "langchain_core", "langchain_openai", "langsmith"})


def test_heavy_library_is_seen(tmp_path: Path):
    assert "numpy" in loaded("import numpy", tmp_path)
