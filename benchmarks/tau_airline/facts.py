"""What the policies need to know beyond a call's arguments. Values, never verdicts."""

from __future__ import annotations

from typing_extensions import TypedDict

__all__ = [
    "BagFacts",
    "BookFacts",
    "CancelFacts",
    "CertificateFacts",
    "FlightFacts",
    "PassengerFacts",
]


class Said(TypedDict):
    """What was said about a call.

    `answer` is how the user's last message takes what stood before it: yes, request, no, other.
    `unspoken` are the details of the call that nobody had named by then.
    """

    answer: str
    unspoken: list[str]
    calls_in_message: int


class Held(Said):
    """The reservation that a call is about, as it is now."""

    owner: str
    users_obtained: list[str]
    reservations_obtained: list[str]
    cabin: str
    membership: str
    passengers: int


class Paid(TypedDict):
    """The one payment method that a change names."""

    payment_source: str
    payments_unspoken: int


class BookFacts(Said):
    """What decides about a booking. Amounts are in cents."""

    users_obtained: list[str]
    membership: str
    passenger_count: int
    passengers_unknown: int
    certificates: int
    credit_cards: int
    gift_cards: int
    payments_unknown: int
    payments_unspoken: int
    paid: int
    price: int
    price_told: bool
    bags_beyond_allowance: int
    flights_unavailable: int
    origin_fits: bool
    destination_fits: bool
    trip_type_fits: bool
    trip_type_spoken: bool
    insurance_spoken: bool


class FlightFacts(Held, Paid):
    """What decides about a change of flights or cabin. `difference` is in cents."""

    flights_change: bool
    cabin_changes: bool
    origin_kept: bool
    destination_kept: bool
    trip_type_kept: bool
    flights_unavailable: int
    difference: int


class BagFacts(Held, Paid):
    """What decides about a change of checked bags."""

    bags_before: int
    nonfree_before: int
    bags_beyond_allowance: int


class PassengerFacts(Held):
    """What decides about a change of passengers."""

    passengers_after: int
    passengers_unknown: int


class CancelFacts(Held):
    """What decides about a cancellation. `reasons` are the kinds that the user named."""

    hours_since_booking: int
    insured: bool
    flights_cancelled: int
    flights_flown: int
    cancellation_spoken: bool
    reasons: list[str]


class CertificateFacts(Said):
    """What decides about a certificate.

    The sets hold 100 dollars a passenger for each looked-up reservation of the user with a
    cancelled flight, 50 for each with a delayed one; `…_covered` for those of them that are
    insured or in business. `changed` is whether the run changed or cancelled a delayed one.
    """

    users_obtained: list[str]
    membership: str
    for_cancelled: list[int]
    for_cancelled_covered: list[int]
    for_delayed: list[int]
    for_delayed_covered: list[int]
    changed: bool
    compensation_asked: bool
