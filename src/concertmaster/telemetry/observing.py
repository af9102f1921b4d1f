"""Attaches OpenTelemetry to desks."""

from __future__ import annotations

import os
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from concertmaster.telemetry.attaching import Guarded
from concertmaster.telemetry.conventions import SCHEMA_URL, SCOPE
from concertmaster.telemetry.facts import Names
from concertmaster.telemetry.ids import Derived
from concertmaster.telemetry.pending import pending

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from concertmaster.orchestrator.desk import Desk
    from concertmaster.telemetry.delivery import Delivery
    from concertmaster.telemetry.spans import Spans

__all__ = ["Observer", "observe"]

_CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Observer:
    """Shows the runs of desks as spans and metrics; `close` ends that and sends what is left.

    Providers are those given, else those that the program has set as OpenTelemetry's global ones,
    else own ones that send by OTLP over HTTP where OTEL_* variables say.

    Args:
        tracer_provider: makes the spans. It stays its owner's; `close` does not shut it down.
        meter_provider: the same for metrics.
        content: as for `observe`.

    Raises:
        ImportError: the SDK is not installed, and no providers are given or set.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        content: bool | None = None,
    ) -> None:
        self._guarded = Guarded()
        self._spans: list[Spans] = []
        self._delivery: Delivery | None = None
        tracers, meters = tracer_provider or _global_tracers(), meter_provider or _global_meters()
        if tracers is None or meters is None:
            self._delivery = _delivery(spans=tracers is None, metrics=meters is None)
            tracers = tracers or self._delivery.tracer_provider
            meters = meters or self._delivery.meter_provider
        assert tracers is not None
        assert meters is not None
        release = version("concertmaster")
        self._tracer = tracers.get_tracer(SCOPE, release, SCHEMA_URL)
        self._meter = meters.get_meter(SCOPE, release, SCHEMA_URL)
        said = os.environ.get(_CAPTURE, "").strip().lower() == "true"
        self._content = said if content is None else content

    def add(self, desk: Desk) -> None:
        """Observe a desk from now on; what runs on it already is shown from its next segment on."""
        from concertmaster.telemetry.measures import Measures
        from concertmaster.telemetry.meters import Meters
        from concertmaster.telemetry.segment import Tracing
        from concertmaster.telemetry.spans import Spans

        names = Names.of(desk)
        clean = desk.services.redaction.told.clean if self._content else None
        spans = Spans(Tracing(self._tracer, _derived(self._tracer), names, clean))
        self._spans.append(spans)
        sink = Meters(self._meter)
        sink.gauge_pending(desk.name, partial(pending, desk.database, desk.name))
        desk.services.trail.on(self._guarded(spans.event))
        desk.services.trail.on(self._guarded(Measures(names, sink).event))
        desk.on_segment(self._guarded(spans.segment))

    @property
    def lost(self) -> int:
        """How many spans could not be delivered so far; of providers of our own only."""
        return self._delivery.spans.count if self._delivery else 0

    @property
    def broken(self) -> int:
        """How many events could not be translated; a fault of ours, if it is not 0."""
        return self._guarded.broken

    def flush(self) -> None:
        """Send what waits now; of providers of our own only. This waits for the receiver."""
        if self._delivery is not None:
            self._delivery.flush()

    def close(self) -> None:
        """Observe no more; what is not delivered within some seconds is given up and counted."""
        if not self._guarded.open:
            return
        self._guarded.open = False
        for spans in self._spans:
            spans.close()
        if self._delivery is not None:
            self._delivery.close()


def observe(
    desk: Desk,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool | None = None,
) -> Observer:
    """Have the runs of a desk shown as OpenTelemetry spans and metrics from now on.

    Args:
        desk: an opened workspace.
        tracer_provider: makes the spans; the program's global one by default, else one of our own
            that sends by OTLP over HTTP where OTEL_* variables say.
        meter_provider: the same for metrics.
        content: also tell messages, answers, arguments, results and reasons, without what the
            workspace's redaction takes out. By default what the variable
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, else no.

    Raises:
        ImportError: the SDK is not installed, and no providers are given or set.
    """
    observer = Observer(
        tracer_provider=tracer_provider, meter_provider=meter_provider, content=content
    )
    observer.add(desk)
    return observer


def _derived(tracer: Tracer) -> Derived | None:
    """Have this tracer, and no other of its provider, take the ids that follow from the trail."""
    there: Any = getattr(tracer, "id_generator", None)
    if there is None or isinstance(there, Derived):
        return there
    ids = Derived(there)
    tracer.id_generator = ids  # type: ignore[attr-defined]
    return ids


def _global_tracers() -> TracerProvider | None:
    from opentelemetry import trace

    found = trace.get_tracer_provider()
    return None if isinstance(found, trace.ProxyTracerProvider) else found


def _global_meters() -> MeterProvider | None:
    from opentelemetry import metrics

    found = metrics.get_meter_provider()
    # The API has no public name for "none was set yet".
    return None if type(found).__name__ == "_ProxyMeterProvider" else found


def _delivery(*, spans: bool, metrics: bool) -> Delivery:
    try:
        from concertmaster.telemetry.delivery import Delivery
    except ModuleNotFoundError as error:
        raise ImportError(
            "sending traces needs OpenTelemetry's SDK and exporter; install them with\n"
            "  pip install 'concertmaster[otel]'"
        ) from error
    return Delivery(spans=spans, metrics=metrics)
