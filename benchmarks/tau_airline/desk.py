"""The service desk at the moment of a call: the books, the talk, and what was looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from concertmaster.errors import ToolError
from tau_airline.books import Books, Database, Row, record_in
from tau_airline.recording import Recording, Step
from tau_airline.talk import Talk

__all__ = ["Desk"]

_RESERVATION = re.compile(r"\b[A-Z0-9]{6}\b")
_USER = re.compile(r"\b(?!credit_card|gift_card)[a-z]+_[a-z]+_\d+\b")


@dataclass
class Desk:
    """What fact resolvers read. It moves along with a run: `turn` before a call, `follow` after."""

    books: Books
    talk: Talk = field(default_factory=lambda: Talk(()))
    step: Step | None = None
    looked_up: list[Row] = field(default_factory=list)
    users: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, database: Database) -> Desk:
        """Return the desk before a run."""
        return cls(Books(database))

    def turn(self, recording: Recording, step: Step) -> None:
        """Take the place of a call: what was said before it counts."""
        self.step = step
        self.talk = Talk.before(recording.messages, step.message)

    def follow(self, step: Step) -> None:
        """Take over what a recorded call did and told."""
        self.books.follow(step)
        if not step.executed:
            return
        if step.tool == "get_user_details":
            self.users.add(str(step.arguments.get("user_id")))
        elif step.tool == "get_reservation_details" and "passengers" in record_in(step.output):
            self.looked_up.append(record_in(step.output))
        elif step.is_write and "reservation_id" in step.arguments:
            self.changed.add(str(step.arguments["reservation_id"]))
        self.told.update(_RESERVATION.findall(step.output))
        self.users.update(_USER.findall(step.output))

    def users_obtained(self) -> list[str]:
        """Return the user ids that were looked up, that tools returned or the user's words hold."""
        said = _USER.findall(self.talk.users_words.lower())
        return sorted(self.users | set(said))

    def reservations_obtained(self) -> list[str]:
        """Return the reservation ids that tools returned or the user's own words hold."""
        return sorted(self.told | set(_RESERVATION.findall(self.talk.users_words.upper())))

    def profile(self, user: str) -> Row:
        """Return a user's profile.

        Raises:
            ToolError: there is no such user, so nothing can be decided.
        """
        found = self.books.user(user)
        if found is None:
            raise ToolError("there is no such user")
        return found

    def reservation(self, reservation: str) -> Row:
        """Return a reservation as it is now.

        Raises:
            ToolError: there is no such reservation, so nothing can be decided.
        """
        found = self.books.reservation(reservation)
        if found is None:
            raise ToolError("there is no such reservation")
        return found
