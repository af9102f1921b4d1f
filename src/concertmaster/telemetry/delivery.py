"""Providers of our own that send by OTLP over HTTP, as OTEL_* variables say.

Everything is sent from threads of the SDK. A receiver that is slow, refuses or is not there costs
what it should have received, never a run: queues are bounded, so is the time for closing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from concertmaster.telemetry.losses import Losses

__all__ = ["Delivery", "Sent"]

T = TypeVar("T")

_PATIENCE = 5.0
"""Seconds that closing waits for what is left to be delivered."""


class Sent(SpanProcessor):
    """Counts spans that ended and spans that were delivered; the rest was lost on the way."""

    def __init__(self) -> None:
        self.ended = self.delivered = self.refused = 0
        self._lock = threading.Lock()

    def on_end(self, span: ReadableSpan) -> None:
        """Count a span that ended."""
        if span.context.trace_flags.sampled:
            with self._lock:
                self.ended += 1

    def count(self, number: int, *, good: bool) -> None:
        """Count what an exporter did."""
        with self._lock:
            if good:
                self.delivered += number
            else:
                self.refused += number

    @property
    def left(self) -> int:
        """How many were neither delivered nor refused."""
        return self.ended - self.delivered - self.refused


class _Spans(OTLPSpanExporter):
    def __init__(self, sent: Sent, losses: Losses) -> None:
        super().__init__()
        self._sent, self._losses = sent, losses

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = _tried(lambda: super(_Spans, self).export(spans), SpanExportResult.FAILURE)
        good = result is SpanExportResult.SUCCESS
        self._sent.count(len(spans), good=good)
        if not good:
            self._losses.add(len(spans), "the receiver did not take them")
        return result


class _Metrics(OTLPMetricExporter):
    def __init__(self, losses: Losses) -> None:
        super().__init__()
        self._losses = losses

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **given: Any
    ) -> MetricExportResult:
        def send() -> MetricExportResult:
            return super(_Metrics, self).export(metrics_data, timeout_millis, **given)

        result = _tried(send, MetricExportResult.FAILURE)
        if result is not MetricExportResult.SUCCESS:
            self._losses.add(1, "the receiver did not take them")
        return result


class Delivery:
    """Providers for spans and metrics, as far as they are needed, and what was lost of them."""

    def __init__(self, *, spans: bool = True, metrics: bool = True) -> None:
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.spans, self.metrics = Losses("spans"), Losses("reports of metrics")
        resource = Resource.create({"service.name": "concertmaster"} | _named())
        self._sent = Sent()
        if spans:
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            tracers.add_span_processor(self._sent)
            tracers.add_span_processor(BatchSpanProcessor(_Spans(self._sent, self.spans)))
            self.tracer_provider = tracers
        if metrics:
            reader = PeriodicExportingMetricReader(_Metrics(self.metrics))
            self.meter_provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)

    def flush(self) -> None:
        """Send what waits now, and wait for the receiver."""
        for provider in (self.tracer_provider, self.meter_provider):
            if provider is not None:
                provider.force_flush()

    def close(self, patience: float = _PATIENCE) -> None:
        """Send what is left, for so many seconds at most; what is then left counts as lost."""
        closing = [
            threading.Thread(target=_quietly, args=(provider.shutdown,), daemon=True)
            for provider in (self.tracer_provider, self.meter_provider)
            if provider is not None
        ]
        deadline = time.monotonic() + patience
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._sent.left > 0:
            self.spans.add(self._sent.left, "the receiver was too slow")
        if self.meter_provider is not None and closing[-1].is_alive():
            self.metrics.add(1, "the receiver was too slow")
        self.spans.sum_up()
        self.metrics.sum_up()


def _named() -> dict[str, str]:
    """Return what the environment says of the service; it outweighs our name."""
    name = os.environ.get("OTEL_SERVICE_NAME", "")
    return {"service.name": name} if name else {}


def _tried(send: Callable[[], T], otherwise: T) -> T:
    try:
        return send()
    except Exception:  # Whatever an exporter runs into, its thread has to go on.
        return otherwise


def _quietly(work: Callable[[], object]) -> None:
    _tried(work, None)
