"""What a server tells of its workflows to monitoring, as its settings say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from concertmaster.orchestrator.desk import Desk
from concertmaster.serving.settings import Settings
from concertmaster.telemetry.attaching import Guarded

if TYPE_CHECKING:
    from concertmaster.serving.metrics import Metrics
    from concertmaster.telemetry.observing import Observer

__all__ = ["Observing"]


class Observing:
    """Attaches metrics, traces and log lines to desks; nothing of it unless it is asked for.

    Raises:
        ImportError: `otel: true` is set and the extra is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._guarded = Guarded()
        self.metrics: Metrics | None = None
        self._observer: Observer | None = None
        if settings.metrics:
            from concertmaster.serving.metrics import Metrics

            self.metrics = Metrics()
        if settings.otel:
            from concertmaster.telemetry.observing import Observer

            self._observer = Observer(content=settings.otel_content or None)

    def arrived(self, desk: Desk) -> None:
        """Have a desk observed from now on."""
        if self.metrics is not None:
            self.metrics.watch(desk)
        if self._observer is not None:
            self._observer.add(desk)
        if self._settings.log_json:
            from concertmaster.telemetry.facts import Names
            from concertmaster.telemetry.logs import RunLines

            lines = RunLines(Names.of(desk))
            desk.services.trail.on(self._guarded(lines.event))
            desk.on_segment(self._guarded(lines.segment))

    async def close(self) -> None:
        """Send what is left, for some seconds at most."""
        if self._observer is not None:
            await asyncio.to_thread(self._observer.close)
