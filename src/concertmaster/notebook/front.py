"""Where something is shown: a place in a notebook that is written anew, or lines of a terminal."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Place", "in_notebook"]


def in_notebook() -> bool:
    """Tell whether this runs in a kernel, with a page in front of it. IPython is not imported."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Place:
    """One place below a cell. What is put there takes the place of what was there before."""

    def __init__(self) -> None:
        self._handle: Any = None

    def put(self, html: str, plain: str) -> None:
        """Show HTML, and plain text where there is no HTML."""
        from IPython.display import display

        data = {"text/html": html, "text/plain": plain}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(data, raw=True)
