"""What is stuck, in doubt, overdue or inconsistent in a home, and how to mend it. Reads only."""

from concertmaster.orchestrator.doctor.examining import examine
from concertmaster.orchestrator.doctor.finding import Examined, Finding, Severity
from concertmaster.orchestrator.doctor.snapshot import Bounds

__all__ = ["Bounds", "Examined", "Finding", "Severity", "examine"]
