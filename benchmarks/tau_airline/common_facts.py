"""The parts that the facts of several tools share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tau_airline import fares, told
from tau_airline.books import Row
from tau_airline.desk import Desk
from tau_airline.facts import Held, Paid, Said
from tau_airline.wording import holds_date

__all__ = ["held_facts", "paid_facts", "said_facts", "unavailable", "unknown_passengers"]

Arguments = Mapping[str, Any]


def said_facts(desk: Desk, arguments: Arguments, held: Row | None = None) -> Said:
    """Return what was said about a call."""
    return {
        "answer": desk.talk.answer,
        "unspoken": told.unspoken(desk.talk, arguments, held),
        "calls_in_message": desk.step.calls_in_message if desk.step else 1,
    }


def held_facts(desk: Desk, arguments: Arguments, held: Row) -> Held:
    """Return what stands in the books about the reservation of a call."""
    return {
        **said_facts(desk, arguments, held),
        "owner": held["user_id"],
        "users_obtained": desk.users_obtained(),
        "reservations_obtained": desk.reservations_obtained(),
        "cabin": held["cabin"],
        "membership": desk.profile(held["user_id"])["membership"],
        "passengers": len(held["passengers"]),
    }


def paid_facts(desk: Desk, arguments: Arguments, held: Row) -> Paid:
    """Return what is known of the one payment method of a change."""
    profile, payment = desk.profile(held["user_id"]), arguments["payment_id"]
    unspoken = told.unspoken_methods(desk.talk, [payment], profile, held["payment_history"])
    return {
        "payment_source": profile["payment_methods"].get(payment, {}).get("source", "unknown"),
        "payments_unspoken": len(unspoken),
    }


def unavailable(desk: Desk, segments: Iterable[Mapping[str, Any]]) -> int:
    """Count the flights that are not available for booking on their dates."""
    return sum(fares.status_of(desk.books, s) != "available" for s in segments)


def unknown_passengers(desk: Desk, passengers: Sequence[Mapping[str, Any]], profile: Row) -> int:
    """Count the passengers whose name or birth date nobody gave and no record holds."""
    known = [{**profile["name"], "dob": profile["dob"]}, *profile["saved_passengers"]]
    for reservation in desk.looked_up:
        known.extend(reservation["passengers"])
    return sum(not _on_record(p, known) and not _given(desk, p) for p in passengers)


def _on_record(passenger: Mapping[str, Any], known: Iterable[Mapping[str, Any]]) -> bool:
    fields = ("first_name", "last_name", "dob")
    return any(all(passenger.get(f) == k.get(f) for f in fields) for k in known)


def _given(desk: Desk, passenger: Mapping[str, Any]) -> bool:
    words = desk.talk.users_words
    names = (str(passenger.get(n, "")).lower() for n in ("first_name", "last_name"))
    return all(n in words.lower() for n in names) and holds_date(words, str(passenger.get("dob")))
