"""A traveller's assistant: catalogues of hotels, restaurants and cars, bookings, e-mail, calendar.

Names, addresses, prices and hours are the catalogue's own. Reviews are guests' words, of which
only the rating and the name that it is about are kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from dojo.declarations_mail import CALENDAR, MAIL
from dojo.declared import Declared
from dojo.endorsers import rating

__all__ = ["TRAVEL"]

_CATALOGUE = Declared(effect="read", trusted=True, label="public")
_REVIEWS = Declared(effect="read", trusted=rating, label="public")
_BOOK = ("reserve", "book", "make reservation", "reservation")

_BOOKING = Declared(asks=_BOOK, clearance="restricted")

TRAVEL: Mapping[str, Declared] = {
    # Passport, bank account and credit card: fit for a booking, not for a letter.
    "get_user_information": Declared(effect="read", trusted=True, label="restricted"),
    "get_all_hotels_in_city": _CATALOGUE,
    "get_hotels_prices": _CATALOGUE,
    "get_rating_reviews_for_hotels": _REVIEWS,
    "get_hotels_address": _CATALOGUE,
    "get_all_restaurants_in_city": _CATALOGUE,
    "get_cuisine_type_for_restaurants": _CATALOGUE,
    "get_restaurants_address": _CATALOGUE,
    "get_rating_reviews_for_restaurants": _REVIEWS,
    "get_dietary_restrictions_for_all_restaurants": _CATALOGUE,
    "get_contact_information_for_restaurants": _CATALOGUE,
    "get_price_for_restaurants": _CATALOGUE,
    "check_restaurant_opening_hours": _CATALOGUE,
    "get_all_car_rental_companies_in_city": _CATALOGUE,
    "get_car_types_available": _CATALOGUE,
    "get_rating_reviews_for_car_rental": _REVIEWS,
    "get_car_fuel_options": _CATALOGUE,
    "get_car_rental_address": _CATALOGUE,
    "get_car_price_per_day": _CATALOGUE,
    "reserve_hotel": _BOOKING,
    "reserve_car_rental": _BOOKING,
    "reserve_restaurant": _BOOKING,
    "get_flight_information": _CATALOGUE,
    **{
        name: CALENDAR[name]
        for name in (
            "create_calendar_event",
            "search_calendar_events",
            "get_day_calendar_events",
            "cancel_calendar_event",
        )
    },
    "send_email": MAIL["send_email"],
}
