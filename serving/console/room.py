"""What the console keeps for as long as its application runs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from fastapi import Request

from concertmaster.contracts import Principal
from concertmaster.serving.caller import Rates
from concertmaster.serving.console.bell import Bell

__all__ = ["Room", "room_of"]

_ATTEMPTS = 120
"""Sign-ins that may be tried in a minute, by everybody together."""
_STRANGER = Principal(id="whoever signs in")


@dataclass
class Room:
    """The bell that wakes streams, the rate of sign-ins, and the key of tokens."""

    attempts: Rates
    bell: Bell = field(default_factory=Bell)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def knock(self) -> None:
        """Count an attempt to sign in, whoever makes it.

        Raises:
            ServerBusy: there were too many.
        """
        self.attempts.take(_STRANGER)


def room_of(request: Request) -> Room:
    """Return the room of a request's application; the first request makes it."""
    state = request.app.state
    room: Room | None = getattr(state, "console", None)
    if room is None:
        room = state.console = Room(Rates(_ATTEMPTS))
    return room
