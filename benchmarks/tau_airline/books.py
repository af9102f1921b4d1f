"""The airline's database, and what a run has changed in it so far."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tau_airline.recording import Step

__all__ = ["Books", "Database", "Row", "record_in"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Database:
    """Users, reservations and flights as they are before a run."""

    users: Mapping[str, Row]
    reservations: Mapping[str, Row]
    flights: Mapping[str, Row]

    @classmethod
    def read(cls, folder: Path) -> Database:
        """Read the three files of a folder, packed with gzip or not."""
        return cls(*(_table(folder, name) for name in ("users", "reservations", "flights")))


class Books:
    """The database, overlaid with the recorded results of the calls that a run has made."""

    def __init__(self, database: Database) -> None:
        self._base = database
        self._users: dict[str, Row] = {}
        self._reservations: dict[str, Row] = {}

    def user(self, user: str) -> Row | None:
        """Return a user's profile as it is now."""
        return self._users.get(user) or self._base.users.get(user)

    def reservation(self, reservation: str) -> Row | None:
        """Return a reservation as it is now."""
        return self._reservations.get(reservation) or self._base.reservations.get(reservation)

    def flight(self, number: str) -> Row | None:
        """Return a flight with its dates."""
        return self._base.flights.get(number)

    def on_date(self, number: str, date: str) -> Row:
        """Return a flight's state on a date: its status, seats and prices; empty if unknown."""
        flight = self.flight(number)
        found: Row = (flight or {}).get("dates", {}).get(date, {})
        return found

    def follow(self, step: Step) -> None:
        """Take over what a recorded write has changed, if it took effect.

        The recorded tool shows a reservation's old cabin after a change of cabin, while it books
        and charges the flights in the new one; the new one is what counts here.
        """
        shown = record_in(step.output)
        if not (step.is_write and step.executed and "reservation_id" in shown):
            return
        if step.tool == "update_reservation_flights":
            shown["cabin"] = step.arguments["cabin"]
        elif before := self.reservation(shown["reservation_id"]):
            shown["cabin"] = before["cabin"]
        self._pay(shown, self.reservation(shown["reservation_id"]))
        self._reservations[shown["reservation_id"]] = shown

    def _pay(self, now: Row, before: Row | None) -> None:
        """Book a reservation's new payments against the payment methods of its user."""
        profile = self.user(now["user_id"])
        if profile is None:
            return
        seen = len(before["payment_history"]) if before else 0
        methods = {name: dict(method) for name, method in profile["payment_methods"].items()}
        for payment in now["payment_history"][seen:]:
            method = methods.get(payment["payment_id"], {})
            if method.get("source") == "certificate":
                del methods[payment["payment_id"]]
            elif method.get("source") == "gift_card":
                method["amount"] -= payment["amount"]
        self._users[now["user_id"]] = {**profile, "payment_methods": methods}


def _table(folder: Path, name: str) -> Mapping[str, Row]:
    packed = folder / f"{name}.json.gz"
    if packed.exists():
        with gzip.open(packed, "rt", encoding="utf-8") as file:
            return dict(json.load(file))
    return dict(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def record_in(output: str) -> dict[str, Any]:
    """Return the record that a tool returned; empty if it returned something else."""
    try:
        shown = json.loads(output)
    except ValueError:
        return {}
    return shown if isinstance(shown, dict) else {}
