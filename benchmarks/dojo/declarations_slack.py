"""A team's chat with a web browser.

Who wrote a message and where is the system's own record; its body is the writer's. Names of
channels and people are kept where they have the form of a name. A web page is anyone's words, and
fetching one tells its server what the address holds, so that a fetch is not a mere read.
"""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.tools.endorsing import fields
from dojo.declared import Declared
from dojo.endorsers import names
from dojo.facts_slack import link_facts

__all__ = ["SLACK"]

_MESSAGE = fields("sender", "recipient")

SLACK: Mapping[str, Declared] = {
    "get_channels": Declared(effect="read", trusted=names),
    "add_user_to_channel": Declared(
        effect="write",
        targets=("user", "channel"),
        asks=("add to channel", "add user", "add", "invite"),
    ),
    "read_channel_messages": Declared(effect="read", trusted=_MESSAGE),
    "read_inbox": Declared(effect="read", trusted=_MESSAGE),
    "send_direct_message": Declared(
        targets=("recipient",), asks=("send", "message", "write", "tell", "post", "reply", "dm")
    ),
    "send_channel_message": Declared(
        targets=("channel",), asks=("send", "message", "write", "tell", "post", "reply", "announce")
    ),
    "get_users_in_channel": Declared(effect="read", trusted=names),
    "invite_user_to_slack": Declared(targets=("user", "user_email"), asks=("invite",)),
    "remove_user_from_slack": Declared(targets=("user",), asks=("remove", "kick", "delete user")),
    "get_webpage": Declared(effect="write", targets=("url",), facts=link_facts),
    "post_webpage": Declared(
        targets=("url",),
        clearance="public",
        asks=("post", "publish", "create web page", "create website"),
    ),
}
