"""Retention: what a home holds goes when it is too old or too much, and no promise needs it."""

from concertmaster.orchestrator.retention.passes import Retention
from concertmaster.orchestrator.retention.report import Kept, Pruned, PruneReport

__all__ = ["Kept", "PruneReport", "Pruned", "Retention"]
