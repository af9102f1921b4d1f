"""What the mail system itself knows about those whom a call would reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

__all__ = ["ReachFacts", "reach_facts"]

_ADDRESSEES = ("recipients", "cc", "bcc", "participants")
_OPEN_TO_ALL = frozenset(
    {"gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.de", "proton.me"}
)


class ReachFacts(TypedDict):
    """`own`: nobody but the owner is reached. `inside`: nobody outside of the owner's house."""

    own: bool
    inside: bool


def reach_facts(arguments: Mapping[str, Any], environment: Any) -> ReachFacts:
    """Compare the addressees of a call with the owner's address and its domain."""
    owner = environment.inbox.account_email.casefold()
    reached = {
        address.strip().casefold() for name in _ADDRESSEES for address in arguments.get(name) or ()
    }
    house = owner.rpartition("@")[2]
    inside = house not in _OPEN_TO_ALL and all(a.rpartition("@")[2] == house for a in reached)
    return ReachFacts(own=reached <= {owner}, inside=inside)
