"""Log lines without personal data and credentials."""

from __future__ import annotations

import logging

from concertmaster.policies.redaction.redactor import Redactor

__all__ = ["RedactingFilter", "redact_logs"]

_ROOM = "concertmaster"


class RedactingFilter(logging.Filter):
    """Puts marks into the message of a record; give it to a logger, or to a handler of yours.

    Tracebacks are not looked at; Concertmaster logs none.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record in place; it is always let through."""
        try:
            told = record.getMessage()
        except Exception:
            told = "a log message that cannot be put together"
        record.msg, record.args = self._redactor.redact(told).text, None
        return True


def redact_logs(redactor: Redactor) -> None:
    """Give every logger of Concertmaster the filter, in the place of an earlier one."""
    for name in (n for n in list(logging.root.manager.loggerDict) if n.split(".")[0] == _ROOM):
        logger = logging.getLogger(name)
        for old in [f for f in logger.filters if isinstance(f, RedactingFilter)]:
            logger.removeFilter(old)
        logger.addFilter(RedactingFilter(redactor))
