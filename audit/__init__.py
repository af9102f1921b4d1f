"""What happened and why: the append-only trail of typed events with their reasons."""

from concertmaster.audit.migrations import MIGRATIONS
from concertmaster.audit.trail import Trail

__all__ = ["MIGRATIONS", "Trail"]
