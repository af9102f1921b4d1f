"""Who may read what: reader entries, rules over titles, and the filter for the vector store."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from concertmaster.contracts import EVERYONE, Confidentiality, Label, Principal, Readers, Trust
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.errors import ConfigError

__all__ = [
    "FIRST_DAY",
    "LAST_DAY",
    "AccessRules",
    "day",
    "label_of",
    "parse_readers",
    "where",
]

FIRST_DAY, LAST_DAY = 0, 99991231
_PUBLIC = "public"
_KINDS = ("role", "group", "principal")
_ENTRY = re.compile(rf"(?:{'|'.join(_KINDS)}):[^\s:][^\s]*")


def parse_readers(entries: Sequence[str]) -> Readers:
    """Return checked reader entries without repetitions; `public` stands for `everyone`.

    Raises:
        ValueError: an entry is of no known form, or there is none.
    """
    if not entries:
        raise ValueError("readers is empty, so nobody could read it; write everyone, or a role")
    found = []
    for entry in entries:
        if entry in (EVERYONE, _PUBLIC):
            found.append(EVERYONE)
        elif _ENTRY.fullmatch(entry):
            found.append(entry)
        else:
            raise ValueError(
                f"{entry!r} is no reader; write everyone, role:NAME, group:NAME or principal:ID"
            )
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class AccessRules:
    """Readers and owners for documents that do not name theirs; the first match wins."""

    rules: tuple[tuple[re.Pattern[str], Readers, str | None], ...]
    readers: Readers
    owner: str | None

    @classmethod
    def of(cls, spec: KnowledgeSpec) -> Self:
        """Read the rules of a workspace.

        Raises:
            ConfigError: a pattern or a reader entry is wrong.
        """
        rules = []
        for number, rule in enumerate(spec.rules, start=1):
            try:
                rules.append((re.compile(rule.title), parse_readers(rule.readers), rule.owner))
            except (re.error, ValueError) as error:
                raise ConfigError(f"knowledge: access rule {number}: {error}") from error
        try:
            default = parse_readers(spec.default_readers)
        except ValueError as error:
            raise ConfigError(f"knowledge: default_readers: {error}") from error
        return cls(tuple(rules), default, spec.default_owner)

    def apply(
        self, title: str, readers: Readers | None, owner: str | None
    ) -> tuple[Readers, str | None]:
        """Return the readers and owner of a document, given what it says of itself."""
        for pattern, rule_readers, rule_owner in self.rules:
            if pattern.search(title):
                return readers or rule_readers, owner or rule_owner or self.owner
        return readers or self.readers, owner or self.owner


def day(value: date) -> int:
    """Return a day as a number that orders and compares: 2026-03-01 is 20260301."""
    return value.year * 10000 + value.month * 100 + value.day


def where(principal: Principal, known: Collection[str], today: int | None) -> dict[str, Any] | None:
    """Return the vector store's filter for a principal, or None if nothing can match.

    Args:
        principal: who asks.
        known: the reader entries that occur in the index; others cannot match.
        today: the day on which passages must be valid; None when none has bounds.
    """
    grants = [{"readers": {"$contains": g}} for g in principal.grants() if g in known]
    if not grants:
        return None
    readers: dict[str, Any] = grants[0] if len(grants) == 1 else {"$or": grants}
    if today is None:
        return readers
    return {"$and": [readers, {"from": {"$lte": today}}, {"until": {"$gte": today}}]}


def label_of(document: str, readers: Readers) -> Label:
    """Return the label of a passage: what the operator ingested is trusted.

    What everyone reads is public, what a role reads is internal, the rest restricted.
    """
    if EVERYONE in readers:
        level = Confidentiality.public
    elif any(entry.startswith("role:") for entry in readers):
        level = Confidentiality.internal
    else:
        level = Confidentiality.restricted
    return Label(trust=Trust.trusted, confidentiality=level, sources=(document,))
