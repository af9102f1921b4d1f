"""What monitoring sees of a desk: OpenTelemetry spans and metrics, Prometheus text, log lines.

A translation of the audit trail: nothing is measured twice, and nothing costs anything until
`observe` is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concertmaster.telemetry.conventions import SEMCONV
    from concertmaster.telemetry.ids import Place, conversation_id, places, span_id, trace_id
    from concertmaster.telemetry.observing import Observer, observe

__all__ = [
    "SEMCONV",
    "Observer",
    "Place",
    "conversation_id",
    "observe",
    "places",
    "span_id",
    "trace_id",
]

_HOME = {
    "SEMCONV": "conventions",
    "Observer": "observing",
    "Place": "ids",
    "conversation_id": "ids",
    "observe": "observing",
    "places": "ids",
    "span_id": "ids",
    "trace_id": "ids",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
