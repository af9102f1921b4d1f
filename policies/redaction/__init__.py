"""Personal data and credentials are taken out of what is stored, logged and sent."""

from concertmaster.policies.redaction.findings import KINDS, Finding, Redacted, RedactedValue
from concertmaster.policies.redaction.masking import Masking
from concertmaster.policies.redaction.redactor import Redactor

__all__ = ["KINDS", "Finding", "Masking", "Redacted", "RedactedValue", "Redactor"]
