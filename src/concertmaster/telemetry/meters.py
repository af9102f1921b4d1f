"""Figures as OpenTelemetry metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.metrics import CallbackOptions, Observation

from concertmaster.telemetry.measures import MEASURES, Measure
from concertmaster.telemetry.pending import TOLD

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

__all__ = ["Meters"]


class Meters:
    """Gives figures to the instruments of a meter; use it as the sink of `Measures`."""

    def __init__(self, meter: Meter) -> None:
        self._instruments: dict[str, Callable[[float, Mapping[str, str]], Any]] = {}
        for measure in MEASURES.values():
            given = {"unit": measure.unit, "description": measure.told}
            if measure.kind == "counter":
                self._instruments[measure.name] = meter.create_counter(measure.name, **given).add
            else:
                self._instruments[measure.name] = meter.create_histogram(
                    measure.name, **given, explicit_bucket_boundaries_advisory=measure.bounds
                ).record
        self._meter = meter

    def __call__(self, measure: Measure, value: float, labels: Mapping[str, str]) -> None:
        """Take a figure."""
        self._instruments[measure.name](value, dict(labels))

    def gauge_pending(self, workflow: str, count: Callable[[], int | None]) -> None:
        """Tell of the approvals that wait whenever metrics are collected."""

        def look(_: CallbackOptions) -> Iterable[Observation]:
            found = count()
            return [] if found is None else [Observation(found, {"workflow": workflow})]

        self._meter.create_observable_gauge(
            "concertmaster.approvals.pending", [look], unit="{approval}", description=TOLD
        )
