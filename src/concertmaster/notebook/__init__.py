"""Runs that show themselves while they go on, and approvals that are decided in a notebook."""

from concertmaster.notebook.approving import Deciding, approve
from concertmaster.notebook.showing import show

__all__ = ["Deciding", "approve", "show"]
