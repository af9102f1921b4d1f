"""Who calls: the dependency that every route of the server has."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Annotated

from fastapi import Depends, Request

from concertmaster.contracts import Principal
from concertmaster.errors import ServerBusy
from concertmaster.models.bucket import Bucket
from concertmaster.serving.host import Host
from concertmaster.serving.identity.refusal import refuse

__all__ = ["Caller", "Rates", "host_of", "signed_in"]

_REMEMBERED = 10_000


class Rates:
    """How many requests each principal has left in this minute."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._left: OrderedDict[tuple[str, str | None], Bucket] = OrderedDict()

    def take(self, principal: Principal) -> None:
        """Count a request.

        Raises:
            ServerBusy: there were too many.
        """
        who, now = (principal.id, principal.tenant), time.monotonic()
        bucket = self._left.pop(who, None) or Bucket.full(self._most, now=now)
        wait = bucket.wait(1, now=now)
        self._left[who] = bucket if wait else bucket.taken(1, now=now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        if wait:
            raise ServerBusy("too many requests", hint="slow down", rest=wait)


async def signed_in(request: Request) -> Principal:
    """Return the authenticated principal of a request.

    Raises:
        Unauthenticated: nobody vouches for it.
        ServerBusy: it sent too many requests.
    """
    state = request.app.state
    principal: Principal | None = await state.auth(request)
    if principal is None or not principal.authenticated:
        raise refuse(
            "nothing_shown",
            "this needs somebody who is signed in",
            hint="send an API key as `Authorization: Bearer …`",
        )
    state.rates.take(principal)
    return principal


Caller = Annotated[Principal, Depends(signed_in)]


def host_of(request: Request) -> Host:
    """Return the server's workflows."""
    host: Host = request.app.state.host
    return host
