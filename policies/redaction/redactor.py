"""Taking personal data and credentials out of text and out of plain JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from concertmaster.errors import ConfigError
from concertmaster.policies.redaction.cards import find_cards, is_card
from concertmaster.policies.redaction.emails import find_emails
from concertmaster.policies.redaction.findings import (
    KINDS,
    Redacted,
    RedactedValue,
    Span,
    counted,
    merge,
)
from concertmaster.policies.redaction.folding import fold
from concertmaster.policies.redaction.ibans import find_ibans
from concertmaster.policies.redaction.patterns import compile_pattern
from concertmaster.policies.redaction.phones import find_phones
from concertmaster.policies.redaction.secrets import find_secrets, names_code, names_secret

__all__ = ["MARK", "Redactor"]

MARK = re.compile(r"\[[A-Za-z][\w\-]{0,63}\]", re.ASCII)
"""What stands in the place of something that was taken out."""

_MANY_DIGITS = re.compile(r"\d(?:[^\d\n]{0,3}\d){6}")
_ROUNDS = 24
_DEPTH = 200
_NUMBERS = frozenset({bool, int, float})
_NESTED = (dict, list, tuple, Mapping)
_SHORT = 256
_REMEMBERED = 8192
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNREADABLE = "[unreadable]"
_PAST_64_BITS = 10**18

Replace = Callable[[str, str], str]
"""From a kind and what was found to what takes its place."""


class Redactor:
    """Finds the given kinds and patterns and puts a mark such as `[card]` in their place.

    Doing it again changes nothing. Where findings overlap, all of both goes, under the more
    dangerous kind's mark. The time it takes grows with the length of the text, whatever it says.

    Args:
        kinds: of `secret`, `card`, `iban`, `phone`, `email`.
        patterns: further regular expressions by the name that their mark gets.
        regions: ISO codes of countries whose national telephone numbers are found without a word
            such as "phone" in front of them.

    Raises:
        ConfigError: a kind is unknown, or a pattern cannot be used.

    >>> Redactor(("card", "email")).redact("4111 1111 1111 1111 is mine, ana@example.com").text
    '[card] is mine, [email]'
    """

    def __init__(
        self,
        kinds: Iterable[str] = KINDS,
        patterns: Mapping[str, str] | None = None,
        regions: Iterable[str] = (),
    ) -> None:
        wanted = frozenset(kinds)
        if unknown := sorted(wanted - {*KINDS}):
            raise ConfigError(
                f"{unknown[0]!r} is no kind of data to redact", hint=f"use {', '.join(KINDS)}"
            )
        self.kinds = tuple(kind for kind in KINDS if kind in wanted)
        self.patterns = {n: compile_pattern(n, p) for n, p in sorted((patterns or {}).items())}
        if taken := sorted({*KINDS} & {*self.patterns}):
            raise ConfigError(f"the pattern {taken[0]!r} has the name of a built-in kind")
        self.regions = tuple(regions)
        # A workspace's own patterns come after what is dangerous everywhere.
        self._order = ("secret", "card", "iban", *self.patterns, "phone", "email")
        self._spans = _Detectors(self)
        self._seen_clean: set[int] = set()
        self._plain_names: set[int] = set()

    def redact(self, text: str) -> Redacted:
        """Return the text with marks, and what was found."""
        counts: Counter[str] = Counter()
        cleaned = self._text(text, counts, _mark)
        return Redacted(cleaned, counted(counts)) if counts else Redacted(text)

    def redact_json(self, value: Any) -> RedactedValue:
        """Return plain JSON with marks, and what was found.

        Keys are looked at, too; a text or number under a name such as `password` is a secret
        whatever it says. What nests deeper than 200 levels becomes `[unreadable]`.
        """
        counts: Counter[str] = Counter()
        cleaned = self._value(value, counts, _mark, _DEPTH)
        return RedactedValue(cleaned, counted(counts)) if counts else RedactedValue(cleaned)

    def clean(self, value: Any) -> Any:
        """Return text or plain JSON with marks, and nothing besides."""
        return self.redact_json(value).value

    def replaced(self, value: Any, replace: Replace) -> Any:
        """Return plain JSON with something other than the usual marks."""
        return self._value(value, Counter(), replace, _DEPTH)

    def _text(self, text: str, counts: Counter[str], replace: Replace) -> str:
        mark = hash(text) if len(text) <= _SHORT else None
        if mark in self._seen_clean or _DIGEST.fullmatch(text) is not None:
            return text
        # What was replaced can bring other things together: look again until nothing is found.
        for round_ in range(_ROUNDS):
            spans = self._spans(text)
            if not spans:
                if round_ == 0 and mark is not None:
                    self._remember(self._seen_clean, mark)
                break
            parts, at = [], 0
            for start, end, kind in spans:
                counts[kind] += 1
                parts += [text[at:start], replace(kind, text[start:end])]
                at = end
            text = "".join([*parts, text[at:]])
        return text

    def _remember(self, marks: set[int], mark: int) -> None:
        """Remember that a text holds nothing, or that a name stands before no secret.

        The text itself is not kept.

        Reasons, names of rules and tools come again and again. The hash of a text is salted for
        each process, so nobody can write a text that passes for another.
        """
        if len(marks) >= _REMEMBERED:
            marks.clear()
        marks.add(mark)

    def _value(self, value: Any, counts: Counter[str], replace: Replace, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, counts, replace)
        if isinstance(value, int) and abs(value) > 10**12 and not isinstance(value, bool):
            return self._number(value, counts, replace)
        # The abstract type is asked last: that takes longer than everything before it.
        if value is None or type(value) in _NUMBERS or not isinstance(value, _NESTED):
            return value
        if depth == 0:
            return _UNREADABLE
        if isinstance(value, Mapping):
            return self._object(value, counts, replace, depth)
        return [self._value(item, counts, replace, depth - 1) for item in value]

    def _object(
        self, value: Mapping[Any, Any], counts: Counter[str], replace: Replace, depth: int
    ) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            mark = hash(key) if type(key) is str else None
            if mark in self._plain_names and key not in cleaned:
                cleaned[key] = self._value(item, counts, replace, depth - 1)
                continue
            name = base = self._text(str(key), counts, replace)
            number = 1
            while name in cleaned:
                number += 1
                name = f"{base} {number}"
            if "secret" in self.kinds and _holds_secret(str(key), item):
                counts["secret"] += 1
                cleaned[name] = replace("secret", str(item))
            else:
                cleaned[name] = self._value(item, counts, replace, depth - 1)
            if mark is not None and name is key and not (names_secret(key) or names_code(key)):
                self._remember(self._plain_names, mark)
        return cleaned

    def _number(self, value: int, counts: Counter[str], replace: Replace) -> Any:
        if "card" in self.kinds and value < 10 * _PAST_64_BITS and is_card(str(value)):
            counts["card"] += 1
            return replace("card", str(value))
        return value


class _Detectors:
    """The detectors of a redactor, each asked only if the text can hold its kind."""

    def __init__(self, redactor: Redactor) -> None:
        self._kinds = frozenset(redactor.kinds)
        self._patterns = redactor.patterns
        self._regions = redactor.regions
        self._order = redactor._order

    def __call__(self, text: str) -> list[Span]:
        folded = fold(text)
        spans = [*self._found(folded.text)]
        if not spans:
            return []
        return merge(((*folded.span(a, b), kind) for a, b, kind in spans), self._order)

    def _found(self, text: str) -> Iterator[Span]:
        kinds = self._kinds
        if "secret" in kinds:
            yield from ((a, b, "secret") for a, b in find_secrets(text))
        if "email" in kinds and "@" in text:
            yield from ((a, b, "email") for a, b in find_emails(text))
        if "iban" in kinds:
            yield from ((a, b, "iban") for a, b in find_ibans(text))
        if _MANY_DIGITS.search(text) is not None:
            if "card" in kinds:
                yield from ((a, b, "card") for a, b in find_cards(text))
            if "phone" in kinds:
                yield from ((a, b, "phone") for a, b in find_phones(text, self._regions))
        if self._patterns:
            yield from self._custom(text)

    def _custom(self, text: str) -> Iterator[Span]:
        marks = [m.span() for m in MARK.finditer(text)]
        for name, pattern in self._patterns.items():
            for match in pattern.finditer(text):
                a, b = match.span()
                if a < b and not any(x < b and a < y for x, y in marks):
                    yield a, b, name


def _mark(kind: str, _: str) -> str:
    return f"[{kind}]"


def _holds_secret(field: str, value: Any) -> bool:
    if isinstance(value, str):
        return value != "" and MARK.fullmatch(value) is None and names_secret(field)
    # `cvv: 123` is a code; `secret: 2` and `tokens: 4096` count something.
    return isinstance(value, int) and not isinstance(value, bool) and names_code(field)
