"""What listens to a desk never keeps its runs from going on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["Guarded"]

_log = logging.getLogger("concertmaster.telemetry")


class Guarded:
    """Makes callbacks that never raise, and that do nothing any more once this is closed."""

    def __init__(self) -> None:
        self.broken = 0
        """How often a callback failed."""
        self.open = True

    def __call__(self, take: Callable[..., None]) -> Callable[..., None]:
        """Return the callback."""

        def taking(*given: Any) -> None:
            if not self.open:
                return
            try:
                take(*given)
            except Exception as error:
                # Whatever is wrong with what is shown of a run, the run itself goes on.
                self.broken += 1
                if self.broken == 1:
                    _log.warning("an event could not be shown: %s", type(error).__name__)

        return taking
