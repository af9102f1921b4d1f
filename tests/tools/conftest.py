from pathlib import Path

import pytest

from concertmaster.contracts import Principal
from concertmaster.tools import ToolContext


@pytest.fixture
def ctx(tmp_path: Path) -> ToolContext:
    return ToolContext(
        principal=Principal(id="ana", roles=("customer",)),
        run="run-1",
        thread="t-1",
        idempotency_key="key-1",
        data_dir=tmp_path,
    )
