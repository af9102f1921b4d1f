"""Thread ids as clients write them, each principal in a space of its own. Pure.

Two people may both call a conversation `t-1`, and neither learns that the other does: what a client
names is stored with a suffix that follows from whose it is. Ids that the server drew itself are
random and stay as they are.
"""

from __future__ import annotations

import re

from concertmaster.contracts import Principal, digest
from concertmaster.errors import RequestError

__all__ = ["DRAWN", "named", "shown"]

DRAWN = re.compile(r"thread-[0-9a-f]{16,24}")
_LONGEST = 96
_SUFFIX = 16


def named(principal: Principal, external: str) -> str:
    """Return the id under which a principal's thread is stored.

    >>> ana, ben = Principal(id="ana"), Principal(id="ben")
    >>> named(ana, "t-1") == named(ben, "t-1")
    False
    >>> shown(ana, named(ana, "t-1"))
    't-1'

    Raises:
        RequestError: this is no thread id.
    """
    if not isinstance(external, str) or not 0 < len(external) <= _LONGEST:
        raise RequestError("a thread id has 1 to 96 characters", hint="leave it out for a new one")
    if not external.isprintable() or "~" in external:
        raise RequestError(
            "a thread id has printable characters and no ~", hint="leave it out for a new one"
        )
    return external if DRAWN.fullmatch(external) else f"{external}~{_mark(principal)}"


def shown(principal: Principal, stored: str) -> str:
    """Return a stored id as its owner knows it; as it is, if it is not of this principal's own."""
    return stored.removesuffix(f"~{_mark(principal)}")


def _mark(principal: Principal) -> str:
    own = digest({"principal": principal.id, "tenant": principal.tenant})
    return own.rpartition(":")[2][:_SUFFIX]
