"""The one effect. It is not repeatable, and nobody can look it up afterwards."""

import os
from pathlib import Path

from durable import work

from concertmaster.tools import declare


@declare(effect="irreversible", label="internal", targets=["booking"], timeout=20)
async def book(booking: str) -> dict[str, str]:
    """Book something."""
    return work.book(Path(os.environ["DURABLE_FOLDER"]), booking)
