"""Where what is taken out: a workspace's two redactors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from concertmaster.contracts.spec import RedactionSpec
from concertmaster.policies.redaction.findings import Finding
from concertmaster.policies.redaction.masking import Masking
from concertmaster.policies.redaction.redactor import Redactor

__all__ = ["Clean", "Redaction", "in_words"]

_ALWAYS = ("secret", "card")


@dataclass(frozen=True)
class Redaction:
    """The rules of one workspace.

    `stored` is for what a run works on: the message, results of tools, words of reviewers. `told`
    is for what others read: the trail, logs, traces, exports; it keeps nothing.

    Raises:
        ConfigError: a pattern cannot be used; when a redactor is first asked for.

    >>> rules = Redaction()
    >>> rules.stored.redact("4111 1111 1111 1111, ana@example.com").text
    '[card], ana@example.com'
    >>> rules.told.redact("4111 1111 1111 1111, ana@example.com").text
    '[card], [email]'
    """

    spec: RedactionSpec = field(default_factory=RedactionSpec)

    @cached_property
    def told(self) -> Redactor:
        """The redactor for what others read."""
        kinds = {*self.spec.kinds, *_ALWAYS}
        return Redactor(kinds, self.spec.patterns, self.spec.regions)

    @cached_property
    def stored(self) -> Redactor:
        """The redactor for what a run works on."""
        kept = frozenset(self.spec.keep)
        kinds = {*self.spec.kinds, *_ALWAYS} - kept
        patterns = {n: p for n, p in self.spec.patterns.items() if n not in kept}
        return Redactor(kinds, patterns, self.spec.regions)

    def masking(self) -> Masking:
        """Return the marks for one exchange with a model that may not see the data."""
        return Masking(self.told)


def in_words(found: Iterable[Finding]) -> str:
    """Return kinds and counts for people.

    >>> in_words([Finding("card", 2), Finding("secret", 1)])
    '2 × card, 1 × secret'
    """
    return ", ".join(f"{f.count} × {f.kind}" for f in found)


Clean = Callable[[Any], Any]
"""Takes what must not be kept out of text or plain JSON."""
