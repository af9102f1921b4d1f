"""A small desk, and what stands in for the page in front of a kernel."""

import runpy
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

import concertmaster as cm


@pytest.fixture
def workspace(root: Path, tmp_path: Path) -> Path:
    """Return the small workspace of the orchestrator's tests: over 50.00 waits for finance."""
    files = runpy.run_path(str(root / "tests" / "orchestrator" / "conftest.py"))["FILES"]
    for name, text in files.items():
        place = tmp_path / "refunds" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
    return tmp_path / "refunds"


@pytest.fixture
async def desk(workspace: Path, tmp_path: Path) -> AsyncIterator[cm.Desk]:
    """Open the small workspace."""
    async with cm.open(workspace, home=tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, object]]]:
    """Return what is published to the page of a kernel, an entry for each message."""
    shell = InteractiveShell(display_pub_class=CapturingDisplayPublisher)
    shell.kernel = SimpleNamespace()
    monkeypatch.setattr(InteractiveShell, "_instance", shell)
    yield shell.display_pub.outputs
    shell.history_manager.end_session()
