"""What the chat itself knows about a link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

__all__ = ["LinkFacts", "link_facts"]

_CLOSING = ".,;:!?'\")]}>"


class LinkFacts(TypedDict):
    """`posted`: a member of the team posted this very link in a message."""

    posted: bool


def link_facts(arguments: Mapping[str, Any], environment: Any) -> LinkFacts:
    """Look for the link among the words of all messages. Nothing may have been added to it."""
    wanted = _bare(arguments["url"])
    chat = environment.slack
    inboxes = (*chat.channel_inbox.values(), *chat.user_inbox.values())
    words = {_bare(word) for inbox in inboxes for m in inbox for word in m.body.split()}
    return LinkFacts(posted=wanted in words)


def _bare(link: str) -> str:
    bare = link.strip("([{<'\"").rstrip(_CLOSING)
    return bare.removeprefix("https://").removeprefix("http://").rstrip("/")
