"""Prompts for a model that may not see the data: numbered marks, filled in again afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from concertmaster.policies.redaction.findings import Finding, counted
from concertmaster.policies.redaction.redactor import Redactor

__all__ = ["Masking"]

_NUMBERED = re.compile(r"\[[A-Za-z][\w\-]{0,63}-\d{1,6}\]", re.ASCII)


class Masking:
    """One exchange with a model. The same value always has the same mark.

    Credentials are never filled in again.

    >>> masking = Masking(Redactor())
    >>> masking.hide("mail ana@example.com, not li@example.com")
    'mail [email-1], not [email-2]'
    >>> masking.show({"to": "[email-2]"})
    {'to': 'li@example.com'}
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._marks: dict[tuple[str, str], str] = {}
        self._values: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    @property
    def hidden(self) -> tuple[Finding, ...]:
        """How many different values of each kind were hidden."""
        return counted(Counter(kind for kind, _ in self._marks))

    def hide(self, value: Any) -> Any:
        """Return plain JSON with marks in it."""
        return self._redactor.replaced(value, self._mark)

    def show(self, value: Any) -> Any:
        """Return plain JSON in which the marks are values again."""
        if isinstance(value, str):
            return _NUMBERED.sub(lambda m: self._values.get(m[0], m[0]), value)
        if isinstance(value, Mapping):
            return {self.show(k): self.show(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.show(item) for item in value]
        return value

    def _mark(self, kind: str, found: str) -> str:
        if kind == "secret":
            self._marks.setdefault((kind, found), "[secret]")
            return "[secret]"
        known = self._marks.get((kind, found))
        if known is None:
            self._numbers[kind] += 1
            known = self._marks[kind, found] = f"[{kind}-{self._numbers[kind]}]"
            self._values[known] = found
        return known
