"""What is redacted: patterns compile and are fast, names are known, regions exist."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.errors import ConfigError
from concertmaster.graphs.checks.subject import Place, Subject
from concertmaster.graphs.problems import Problem
from concertmaster.policies.redaction import KINDS
from concertmaster.policies.redaction.patterns import compile_pattern
from concertmaster.policies.redaction.phones import known_region

__all__ = ["check_redaction"]

_AT: Place = ("workflow", "redaction")


def check_redaction(subject: Subject) -> Iterator[Problem]:
    """Look at the section `redaction`."""
    spec = subject.workflow.redaction
    for name, pattern in spec.patterns.items():
        place = (*_AT, "patterns", name)
        if name in KINDS:
            told = f"redaction: the pattern {name!r} has the name of a built-in kind"
            yield subject.error(place, "redaction-pattern", told, "give it another name")
            continue
        try:
            compile_pattern(name, pattern)
        except ConfigError as error:
            told = f"redaction: {error.message}"
            yield subject.error(place, "redaction-pattern", told, error.hint)
    for index, name in enumerate(spec.keep):
        known = (*KINDS, *spec.patterns)
        if name not in known:
            yield subject.unknown((*_AT, "keep", index), "kind", name, known, "redaction")
    for index, region in enumerate(spec.regions):
        if not known_region(region):
            told = f"redaction: no telephone numbers are known of a country {region!r}"
            hint = "write its two-letter ISO code, such as GB"
            yield subject.error((*_AT, "regions", index), "redaction-region", told, hint)
