"""Personal data and credentials are taken out of what is stored, logged and sent."""

from concertmaster.policies.redaction.findings import KINDS, Finding, Redacted, RedactedValue
from concertmaster.policies.redaction.logs import RedactingFilter, redact_logs
from concertmaster.policies.redaction.masking import Masking
from concertmaster.policies.redaction.redactor import Redactor
from concertmaster.policies.redaction.rules import Clean, Redaction, in_words

__all__ = [
    "KINDS",
    "Clean",
    "Finding",
    "Masking",
    "Redacted",
    "RedactedValue",
    "RedactingFilter",
    "Redaction",
    "Redactor",
    "in_words",
    "redact_logs",
]
