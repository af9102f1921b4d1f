"""The airline's tools, declared as their callers use them, with facts from the desk."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from concertmaster.tools import Tool, declare
from tau_airline.desk import Desk
from tau_airline.resolvers import Resolvers

__all__ = ["airline_tools"]

Cabin = Literal["basic_economy", "economy", "business"]


class Flight(TypedDict):
    """A flight on a date; where it goes is in the timetable."""

    flight_number: str
    date: str
    origin: NotRequired[str]
    destination: NotRequired[str]
    price: NotRequired[float]


class Passenger(TypedDict):
    """Who flies."""

    first_name: str
    last_name: str
    dob: str


class Payment(TypedDict):
    """What is taken from one payment method, in dollars."""

    payment_id: str
    amount: float


def _replayed() -> None:
    raise NotImplementedError("recorded calls are decided here, not made")


def book_reservation(
    user_id: str,
    origin: str,
    destination: str,
    flight_type: Literal["one_way", "round_trip"],
    cabin: Cabin,
    flights: list[Flight],
    passengers: list[Passenger],
    payment_methods: list[Payment],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: Literal["yes", "no"],
) -> None:
    """Book a reservation."""
    _replayed()


def cancel_reservation(reservation_id: str) -> None:
    """Cancel a whole reservation."""
    _replayed()


def update_reservation_flights(
    reservation_id: str, cabin: Cabin, flights: list[Flight], payment_id: str
) -> None:
    """Change flights or cabin of a reservation; `flights` are all of its flights afterwards."""
    _replayed()


def update_reservation_baggages(
    reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> None:
    """Set the number of checked bags of a reservation, and how many of them are paid."""
    _replayed()


def update_reservation_passengers(reservation_id: str, passengers: list[Passenger]) -> None:
    """Replace the passengers of a reservation."""
    _replayed()


def send_certificate(user_id: str, amount: int) -> None:
    """Give a user a travel certificate of so many dollars."""
    _replayed()


def get_user_details(user_id: str) -> None:
    """Look a user up."""
    _replayed()


def get_reservation_details(reservation_id: str) -> None:
    """Look a reservation up."""
    _replayed()


def search_direct_flight(origin: str, destination: str, date: str) -> None:
    """Search direct flights."""
    _replayed()


def search_onestop_flight(origin: str, destination: str, date: str) -> None:
    """Search flights with one stop."""
    _replayed()


def list_all_airports() -> None:
    """List the airports with their cities."""
    _replayed()


def calculate(expression: str) -> None:
    """Compute an expression."""
    _replayed()


def think(thought: str) -> None:
    """Write a thought down; nothing else happens."""
    _replayed()


def transfer_to_human_agents(summary: str) -> None:
    """Hand the conversation over to a human agent."""
    _replayed()


_READS = (
    calculate,
    get_reservation_details,
    get_user_details,
    list_all_airports,
    search_direct_flight,
    search_onestop_flight,
    think,
    transfer_to_human_agents,
)


def airline_tools(desk: Desk) -> dict[str, Tool]:
    """Return the airline's tools by name; their facts are read from the desk."""
    facts = Resolvers(desk)
    tools = [
        *(declare(read, effect="read") for read in _READS),
        declare(book_reservation, effect="write", facts=facts.book),
        declare(cancel_reservation, effect="irreversible", facts=facts.cancel),
        declare(update_reservation_flights, effect="write", facts=facts.flights),
        declare(update_reservation_baggages, effect="write", facts=facts.bags),
        declare(update_reservation_passengers, effect="write", facts=facts.passengers),
        declare(send_certificate, effect="irreversible", facts=facts.certificate),
    ]
    return {tool.name: tool for tool in tools}
