"""What is looked for in the sources: one class for each way in which a value can stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from concertmaster.policies.provenance.accounts import account_of, carried_accounts
from concertmaster.policies.provenance.addresses import (
    email_of,
    found_emails,
    found_links,
    link_of,
    without_addresses,
)
from concertmaster.policies.provenance.amounts import CURRENCIES, SMALL, number_of
from concertmaster.policies.provenance.index import Index
from concertmaster.policies.provenance.moments import Day, Time, moment_of, without_moments
from concertmaster.policies.provenance.standing import WORD

_COMMON = frozenset(
    "an the to of and or in on at is it be me my you for with from by as this that".split()
)
_GLANCE = 100
_LISTED = re.compile(r" ?[,;] ?")
_NAMED = re.compile(r"([^<>@]*)<([^<> ]+)>")

__all__ = [
    "Account",
    "Apart",
    "Clock",
    "Date",
    "Email",
    "Link",
    "Number",
    "Text",
    "Wanted",
    "Ways",
    "carried",
    "entity",
    "mailboxes",
    "text_of",
]


@dataclass(frozen=True, slots=True)
class Text:
    """Folded words, bounded; `word` is one of them."""

    text: str
    word: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source says just this."""
        return index.has_text(self.text, self.word)


@dataclass(frozen=True, slots=True)
class Apart:
    """A word so common that it must stand apart: in quotes, behind a colon, or alone."""

    word: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source sets the word apart."""
        return index.has_apart(self.word)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in plain decimal form."""

    number: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source holds the number, in digits or as a small number's word."""
        if self.number in index.numbers:
            return True
        word = SMALL.get(self.number)
        return word is not None and index.has_text(word, word)


@dataclass(frozen=True, slots=True)
class Email:
    """A folded e-mail address."""

    address: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source holds the whole address."""
        return self.address in index.emails


@dataclass(frozen=True, slots=True)
class Link:
    """A link in the form in which links compare."""

    link: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source holds the whole link."""
        return self.link in index.links


@dataclass(frozen=True, slots=True)
class Account:
    """The number of an account, a card or a phone without its separators."""

    number: str

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source holds the whole number, however it is spaced."""
        return self.number in index.accounts or index.has_text(self.number, self.number)


@dataclass(frozen=True, slots=True)
class Date:
    """A date; one without a year is met by any year."""

    day: Day

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source names the date, with its year or with none."""
        year, month, day = self.day
        if self.day in index.days or (0, month, day) in index.days:
            return True
        return not year and any(known[1:] == (month, day) for known in index.days)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day."""

    time: Time

    def stands_in(self, index: Index) -> bool:
        """Tell whether a source names the time."""
        return self.time in index.times


Wanted = Text | Apart | Number | Email | Link | Account | Date | Clock
Ways = tuple[tuple[Wanted, ...], ...]
"""The ways in which a value can stand: in each of them, all of its parts must."""


def text_of(folded: str) -> Text | Apart:
    """Return the search for a folded text as it is."""
    if folded in _COMMON or (len(folded) == 1 and folded.isalpha() and folded.isascii()):
        return Apart(folded)
    words = WORD.findall(folded[:_GLANCE])
    if len(folded) > _GLANCE:
        words = words[:-1]  # it may be cut
    return Text(folded, max(words, key=len, default=""))


def entity(seen: str, folded: str, *, minor: bool = False) -> tuple[Ways, bool] | None:
    """Return how a text that is one number, date, link or the like can stand; None for words.

    The second part tells whether it is a link or an account number.
    """
    link = link_of(seen)
    if link:
        return ((Link(link),),), True
    number = number_of(folded, minor=minor)
    moment = None if number else moment_of(folded)
    if moment:
        day, time = moment
        parts: tuple[Wanted, ...] = (
            *((Date(day),) if day else ()),
            *((Clock(time),) if time else ()),
        )
        return ((text_of(folded),), parts), False
    account = account_of(folded)
    if account:
        ways: Ways = ((Account(account),), (text_of(folded),))
        return (*ways, (Number(number),)) if number else ways, True
    if number or folded in CURRENCIES:
        found = (Number(number or folded),)
        return ((found,) if minor else ((text_of(folded),), found)), False
    return None


def mailboxes(folded: str) -> list[Ways]:
    """Return how each address can stand of a folded text that holds nothing but addresses.

    They may have names, `Ana <ana@x.com>`, and stand in a list. Nothing is returned for other
    texts.
    """
    if "@" not in folded:
        return []
    parts = [_mailbox(part) for part in _LISTED.split(folded) if part]
    return [part for part in parts if part] if all(parts) else []


def _mailbox(part: str) -> Ways | None:
    named = _NAMED.fullmatch(part)
    address = email_of(named[2] if named else part)
    if address is None:
        return None
    name = named[1].strip("\"' ") if named else ""
    return ((Email(address), text_of(name)),) if name else ((Email(address),),)


def carried(seen: str, folded: str) -> list[tuple[str, Ways]]:
    """Return the addresses, links and account numbers inside of a text, with their kinds."""
    found: list[tuple[str, Ways]] = [
        ("link", ((Link(link),),)) for link in found_links(seen.replace("。", "."))
    ]
    found += [("address", ((Email(address),),)) for address in found_emails(folded)]
    # Dates and links hold digits as well; they are only taken out where something was found.
    if next(carried_accounts(folded), None):
        plain = without_moments(without_addresses(folded))
        found += [
            ("account", tuple((Account(form),) for form in forms))
            for forms in carried_accounts(plain)
        ]
    return list(dict.fromkeys(found))
