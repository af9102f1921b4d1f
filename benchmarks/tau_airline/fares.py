"""Routes, prices and allowances of the airline, computed from its books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from tau_airline.books import Books, Row

__all__ = [
    "BAG_CENTS",
    "INSURANCE_CENTS",
    "NOW",
    "allowance",
    "hours_since",
    "is_connected",
    "key",
    "segments_fare",
    "status_of",
    "stops",
]

NOW = datetime(2024, 5, 15, 15, 0, 0)
"""What the policy says the time is, Eastern, as are the times of bookings."""

BAG_CENTS = 5000
INSURANCE_CENTS = 3000

_ALLOWANCE = {
    "regular": {"basic_economy": 0, "economy": 1, "business": 2},
    "silver": {"basic_economy": 1, "economy": 2, "business": 3},
    "gold": {"basic_economy": 2, "economy": 3, "business": 3},
}

Segment = Mapping[str, Any]


def allowance(membership: str, cabin: str, passengers: int) -> int:
    """Return how many checked bags are free for a member's booking."""
    return _ALLOWANCE.get(membership, {}).get(cabin, 0) * passengers


def hours_since(moment: str) -> int:
    """Return the whole hours from a moment until now; a begun hour does not count."""
    return int((NOW - datetime.fromisoformat(moment)).total_seconds() // 3600)


def key(segment: Segment) -> tuple[str, str]:
    """Return what tells a flight on a date from all others."""
    return segment["flight_number"], segment["date"]


def status_of(books: Books, segment: Segment) -> str:
    """Return a flight's status on its date; `unknown` if it does not fly then."""
    return str(books.on_date(*key(segment)).get("status", "unknown"))


def stops(books: Books, segments: Sequence[Segment]) -> list[tuple[str, str]]:
    """Return origin and destination of each flight, as the timetable has them."""
    flights = [books.flight(s["flight_number"]) or {} for s in segments]
    return [(f.get("origin", ""), f.get("destination", "")) for f in flights]


def is_connected(legs: Sequence[tuple[str, str]]) -> bool:
    """Tell whether each flight leaves from where the one before arrived."""
    return all(a[1] == b[0] for a, b in pairwise(legs))


def segments_fare(
    books: Books, segments: Sequence[Segment], cabin: str, held: Row | None = None
) -> int:
    """Return the price of flights for one passenger, in cents.

    Segments that a reservation holds in the same cabin keep the price that was paid.
    """
    kept = {key(s): s["price"] for s in held["flights"]} if held and held["cabin"] == cabin else {}
    total = 0
    for segment in segments:
        price = kept.get(key(segment))
        if price is None:
            price = books.on_date(*key(segment)).get("prices", {}).get(cabin, 0)
        total += round(price * 100)
    return total
