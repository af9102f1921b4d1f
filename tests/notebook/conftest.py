"""A small desk, and what stands in for the page in front of a kernel."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from tests.refunds import FILES
from tests.workspaces import write_workspace

import concertmaster as cm


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a small workspace: refunds over 50.00 wait for finance."""
    return write_workspace(tmp_path / "refunds", FILES)


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
