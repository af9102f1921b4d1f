"""Fact resolvers: the desk's books and talk, read for one call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from concertmaster.tools import ToolContext
from tau_airline import fares, told
from tau_airline.books import Row
from tau_airline.common_facts import (
    held_facts,
    paid_facts,
    said_facts,
    unavailable,
    unknown_passengers,
)
from tau_airline.desk import Desk
from tau_airline.facts import (
    BagFacts,
    BookFacts,
    CancelFacts,
    CertificateFacts,
    FlightFacts,
    PassengerFacts,
)
from tau_airline.wording import reasons_in

__all__ = ["Resolvers"]

Arguments = Mapping[str, Any]
_TRIP_TYPE = re.compile(r"\b(?:one[- ]way|round[- ]?trip|return(?:ing)?)\b", re.IGNORECASE)
_INSURANCE = re.compile(r"\binsurance\b", re.IGNORECASE)
_CANCEL = re.compile(r"\b(?:cancel\w*|call(?:ing)? off|refund\w*)", re.IGNORECASE)
_COMPENSATION = re.compile(
    r"\b(?:compensat\w+|certificates?|vouchers?|refund\w*|reimburs\w+|make (?:it|this) up"
    r"|goodwill|gesture|credit for)\b",
    re.IGNORECASE,
)


class Resolvers:
    """The resolvers of all writes, over one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def book(self, arguments: Arguments, ctx: ToolContext) -> BookFacts:
        """Return what decides about a booking."""
        desk, profile = self.desk, self.desk.profile(arguments["user_id"])
        payments: Sequence[Mapping[str, Any]] = arguments["payment_methods"]
        methods = profile["payment_methods"]
        sources = [methods.get(p["payment_id"], {}).get("source") for p in payments]
        people = len(arguments["passengers"])
        free = fares.allowance(profile["membership"], arguments["cabin"], people)
        price = _price(desk, arguments, people)
        legs = fares.stops(desk.books, arguments["flights"])
        return {
            **said_facts(self.desk, arguments),
            "users_obtained": desk.users_obtained(),
            "membership": profile["membership"],
            "passenger_count": people,
            "passengers_unknown": unknown_passengers(self.desk, arguments["passengers"], profile),
            "certificates": sources.count("certificate"),
            "credit_cards": sources.count("credit_card"),
            "gift_cards": sources.count("gift_card"),
            "payments_unknown": sources.count(None),
            "payments_unspoken": len(
                told.unspoken_methods(desk.talk, [p["payment_id"] for p in payments], profile)
            ),
            "paid": sum(round(p["amount"] * 100) for p in payments),
            "price": price,
            "price_told": told.money_told(desk.talk, _nameable(desk, arguments, price)),
            "bags_beyond_allowance": max(0, arguments["total_baggages"] - free),
            "flights_unavailable": unavailable(desk, arguments["flights"]),
            **_trip_fits(legs, arguments),
            "trip_type_spoken": bool(_TRIP_TYPE.search(desk.talk.words)),
            "insurance_spoken": bool(_INSURANCE.search(desk.talk.words)),
        }

    def flights(self, arguments: Arguments, ctx: ToolContext) -> FlightFacts:
        """Return what decides about a change of flights or cabin."""
        desk, held = self.desk, self.desk.reservation(arguments["reservation_id"])
        segments, old = arguments["flights"], {fares.key(s) for s in held["flights"]}
        new = [s for s in segments if fares.key(s) not in old]
        fits = _trip_fits(fares.stops(desk.books, segments), held)
        people = len(held["passengers"])
        after = fares.segments_fare(desk.books, segments, arguments["cabin"], held)
        before = fares.segments_fare(desk.books, held["flights"], held["cabin"], held)
        return {
            **held_facts(self.desk, arguments, held),
            **paid_facts(desk, arguments, held),
            "flights_change": {fares.key(s) for s in segments} != old,
            "cabin_changes": arguments["cabin"] != held["cabin"],
            "origin_kept": fits["origin_fits"],
            "destination_kept": fits["destination_fits"],
            "trip_type_kept": fits["trip_type_fits"],
            "flights_unavailable": unavailable(desk, new),
            "difference": (after - before) * people,
        }

    def bags(self, arguments: Arguments, ctx: ToolContext) -> BagFacts:
        """Return what decides about a change of checked bags."""
        held = self.desk.reservation(arguments["reservation_id"])
        common = held_facts(self.desk, arguments, held)
        free = fares.allowance(common["membership"], held["cabin"], common["passengers"])
        return {
            **common,
            **paid_facts(self.desk, arguments, held),
            "bags_before": held["total_baggages"],
            "nonfree_before": held["nonfree_baggages"],
            "bags_beyond_allowance": max(0, arguments["total_baggages"] - free),
        }

    def passengers(self, arguments: Arguments, ctx: ToolContext) -> PassengerFacts:
        """Return what decides about a change of passengers."""
        held = self.desk.reservation(arguments["reservation_id"])
        profile = self.desk.profile(held["user_id"])
        return {
            **held_facts(self.desk, arguments, held),
            "passengers_after": len(arguments["passengers"]),
            "passengers_unknown": unknown_passengers(self.desk, arguments["passengers"], profile),
        }

    def cancel(self, arguments: Arguments, ctx: ToolContext) -> CancelFacts:
        """Return what decides about a cancellation."""
        held = self.desk.reservation(arguments["reservation_id"])
        statuses = [fares.status_of(self.desk.books, s) for s in held["flights"]]
        return {
            **held_facts(self.desk, arguments, held),
            "hours_since_booking": fares.hours_since(held["created_at"]),
            "insured": held["insurance"] == "yes",
            "flights_cancelled": statuses.count("cancelled"),
            "flights_flown": sum(s in ("landed", "flying") for s in statuses),
            "cancellation_spoken": bool(_CANCEL.search(self.desk.talk.words)),
            "reasons": sorted(reasons_in(self.desk.talk.user)),
        }

    def certificate(self, arguments: Arguments, ctx: ToolContext) -> CertificateFacts:
        """Return what decides about a certificate."""
        desk, user = self.desk, arguments["user_id"]
        own = [r for r in desk.looked_up if r["user_id"] == user]
        cancelled = [r for r in own if _status(desk, r, "cancelled")]
        delayed = [r for r in own if _status(desk, r, "delayed")]
        return {
            **said_facts(self.desk, arguments),
            "users_obtained": desk.users_obtained(),
            "membership": desk.profile(user)["membership"],
            "for_cancelled": _amounts(100, cancelled),
            "for_cancelled_covered": _amounts(100, filter(_covered, cancelled)),
            "for_delayed": _amounts(50, delayed),
            "for_delayed_covered": _amounts(50, filter(_covered, delayed)),
            "changed": any(r["reservation_id"] in desk.changed for r in delayed),
            "compensation_asked": bool(_COMPENSATION.search(desk.talk.users_words)),
        }


class _Fits(TypedDict):
    origin_fits: bool
    destination_fits: bool
    trip_type_fits: bool


def _trip_fits(legs: Sequence[tuple[str, str]], trip: Mapping[str, Any]) -> _Fits:
    """Tell whether flights make a trip of this origin, destination and type."""
    back = trip["flight_type"] == "round_trip"
    end = trip["origin"] if back else trip["destination"]
    return {
        "origin_fits": bool(legs) and legs[0][0] == trip["origin"],
        "destination_fits": any(leg[1] == trip["destination"] for leg in legs),
        "trip_type_fits": bool(legs) and legs[-1][1] == end and fares.is_connected(legs),
    }


def _price(desk: Desk, arguments: Arguments, people: int) -> int:
    each = fares.segments_fare(desk.books, arguments["flights"], arguments["cabin"])
    insurance = fares.INSURANCE_CENTS if arguments["insurance"] == "yes" else 0
    return (each + insurance) * people + fares.BAG_CENTS * arguments["nonfree_baggages"]


def _nameable(desk: Desk, arguments: Arguments, price: int) -> set[int]:
    """Return the amounts by which people may name a booking's price, in cents."""
    people, cabin = len(arguments["passengers"]), arguments["cabin"]
    flights = arguments["flights"]
    rows = (flights[a:b] for a in range(len(flights)) for b in range(a + 1, len(flights) + 1))
    spans = {fares.segments_fare(desk.books, row, cabin) for row in rows}
    parts = {round(p["amount"] * 100) for p in arguments["payment_methods"]}
    return {price, *parts, *spans, *(span * people for span in spans)}


def _status(desk: Desk, reservation: Row, status: str) -> bool:
    return any(fares.status_of(desk.books, s) == status for s in reservation["flights"])


def _covered(reservation: Row) -> bool:
    return reservation["insurance"] == "yes" or reservation["cabin"] == "business"


def _amounts(each: int, reservations: Iterable[Row]) -> list[int]:
    return sorted({each * len(r["passengers"]) for r in reservations})
