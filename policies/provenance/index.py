"""A source made ready for look-ups; each kind of value is collected when first asked for."""

from __future__ import annotations

import re
from functools import cached_property

from concertmaster.policies.provenance.accounts import accounts
from concertmaster.policies.provenance.addresses import emails, links
from concertmaster.policies.provenance.amounts import numbers
from concertmaster.policies.provenance.folding import SEPARATOR, fold, shown, unescaped
from concertmaster.policies.provenance.moments import Day, Time, days, times
from concertmaster.policies.provenance.sentences import Sentence, sentences
from concertmaster.policies.provenance.standing import WORD, stands

__all__ = ["Index"]

_APART_END = rf"(?=$|[\"')\],.;]| {SEPARATOR})"


class Index:
    """What stands in one source.

    Args:
        text: its texts, parted by the separator.
        leaves: its JSON numbers in plain decimal form.
    """

    def __init__(self, text: str, leaves: frozenset[str] = frozenset()) -> None:
        plain = unescaped(text)
        self._shown = (shown(text),) if plain == text else (shown(text), shown(plain))
        self._folded = tuple(map(fold, self._shown))
        self._leaves = leaves

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset().union(*(WORD.findall(text) for text in self._folded))

    def has_text(self, wanted: str, word: str) -> bool:
        """Tell whether a folded text stands here; `word` is one of its words, or empty."""
        if word and word not in self._words:
            return False
        return any(stands(text, wanted) for text in self._folded)

    def has_apart(self, word: str) -> bool:
        """Tell whether a folded word stands here in quotes, behind a colon, or alone."""
        apart = re.compile(rf"(?:^|[\"'(\[:=] ?|{SEPARATOR} ){re.escape(word)}{_APART_END}")
        return word in self._words and any(map(apart.search, self._folded))

    @cached_property
    def numbers(self) -> frozenset[str]:
        """The numbers, in plain decimal form."""
        return self._leaves.union(*map(numbers, self._folded))

    @cached_property
    def emails(self) -> frozenset[str]:
        """The e-mail addresses."""
        return frozenset().union(*map(emails, self._folded))

    @cached_property
    def links(self) -> frozenset[str]:
        """The links, in the form in which they compare."""
        return frozenset().union(*map(links, self._shown))

    @cached_property
    def accounts(self) -> frozenset[str]:
        """The numbers of accounts, cards and phones without their separators."""
        return frozenset().union(*map(accounts, self._folded))

    @cached_property
    def days(self) -> frozenset[Day]:
        """The dates."""
        return frozenset().union(*map(days, self._folded))

    @cached_property
    def times(self) -> frozenset[Time]:
        """The times."""
        return frozenset().union(*map(times, self._folded))

    @cached_property
    def bags(self) -> tuple[frozenset[str], ...]:
        """The words' stems of each sentence."""
        return tuple(map(frozenset, self.sentences))

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences, each a tuple of word stems and clause marks."""
        return sentences(self._folded[-1])
