"""Somebody who listens to a run within its own process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from concertmaster.contracts import StreamEvent
from concertmaster.contracts.events import RunEnded
from concertmaster.orchestrator.run import Run
from concertmaster.orchestrator.streaming import as_event, text_parts

__all__ = ["Listener"]

_log = logging.getLogger("concertmaster")


class Listener:
    """Hands a run's stream events to a callback. That it fails is logged, once, and ends no run."""

    def __init__(self, tell: Callable[[StreamEvent], object]) -> None:
        self._tell = tell
        self._ids: dict[str, str] = {}
        self._failed = False

    async def progress(self, told: Mapping[str, Any]) -> None:
        """Hear what a node told."""
        if told.get("kind") == "run_started":
            self._ids.update(run=told["run"], thread=told["thread"])
        event = as_event(told, self._ids)
        if event is not None:
            self._hear(event)

    def rested(self, run: Run) -> None:
        """Hear what the run waits for or answers, and that it is over."""
        for event in text_parts(run):
            self._hear(event)
        self._hear(RunEnded(run=run.id, thread=run.thread, outcome=run.outcome))

    def _hear(self, event: StreamEvent) -> None:
        try:
            self._tell(event)
        except Exception as error:
            if not self._failed:
                _log.warning("who listens to a run failed: %s", type(error).__name__)
            self._failed = True
