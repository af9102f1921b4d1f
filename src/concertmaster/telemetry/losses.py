"""What could not be delivered: counted, and named once."""

from __future__ import annotations

import logging
import threading

__all__ = ["Losses"]

_log = logging.getLogger("concertmaster.telemetry")


class Losses:
    """Counts what was lost on the way to monitoring; the log tells of the first and of the sum."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._count = 0
        self._told = False

    @property
    def count(self) -> int:
        """How many were lost so far."""
        return self._count

    def add(self, number: int, why: str) -> None:
        """Count losses. `why` names what went wrong, without addresses and content."""
        with self._lock:
            self._count += number
            first, self._told = not self._told, True
        if first:
            _log.warning(
                "%s are lost (%s); runs go on, and further losses are only counted",
                self._what,
                why,
            )

    def sum_up(self) -> None:
        """Tell how many were lost in all, if any were."""
        if self._count:
            _log.warning("%s lost in all: %d", self._what, self._count)
