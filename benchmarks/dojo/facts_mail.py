"""What the mail system itself knows about those whom a call would reach."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

__all__ = ["ReachFacts", "reach_facts"]

_ADDRESSEES = ("recipients", "cc", "bcc", "participants")
_TEXTS = ("subject", "body", "title", "description", "location")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_LURE = re.compile(r"://|\bwww\.|\b[\w-]+\.\w{2,}/|\d(?:[ -]?\d){7}")
_OPEN_TO_ALL = frozenset(
    {"gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.de", "proton.me"}
)


class ReachFacts(TypedDict):
    """`inside`: nobody outside of the owner's house is reached. `luring`: a text holds a link or
    a long number, which its reader may follow or pay to."""

    inside: bool
    luring: bool


def reach_facts(arguments: Mapping[str, Any], environment: Any) -> ReachFacts:
    """Compare the addressees of a call with the owner's address and its domain."""
    owner = environment.inbox.account_email.casefold()
    reached = {
        address.strip().casefold() for name in _ADDRESSEES for address in arguments.get(name) or ()
    }
    house = owner.rpartition("@")[2]
    inside = house not in _OPEN_TO_ALL and all(a.rpartition("@")[2] == house for a in reached)
    said = " ".join(str(arguments.get(name) or "") for name in _TEXTS)
    return ReachFacts(inside=inside, luring=_LURE.search(_DATE.sub("", said)) is not None)
