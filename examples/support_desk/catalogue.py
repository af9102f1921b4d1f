"""What Kessel & Linde sells, whom it sells to, and how it ships: the shop's fixed facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

__all__ = [
    "ARTICLES",
    "CARRIER_DOWN",
    "CLOCK",
    "CUSTOMERS",
    "Article",
    "Customer",
    "carrier_of",
    "shipping_cents",
    "transit_days",
    "working_days_after",
]

CLOCK = date(2026, 3, 16)
"""The shop's today, a Monday. Everything in the sample is told from this day."""

CARRIER_DOWN = "Celeris"
"""The carrier whose tracking service does not answer."""


@dataclass(frozen=True)
class Article:
    """Something that can be ordered; prices in cents."""

    sku: str
    name: str
    price_cents: int
    stock: int
    large: bool = False


@dataclass(frozen=True)
class Customer:
    """A customer with the address on file. `club` is none, silver or gold."""

    id: str
    name: str
    email: str
    street: str
    city: str
    country: str
    club: str
    since: str

    @property
    def address(self) -> str:
        """The address on one line."""
        return f"{self.street}, {self.city}, {self.country}"


ARTICLES = (
    Article("LMP-MOSA", "Mosa table lamp", 8900, 24),
    Article("LMP-HALM", "Halm floor lamp", 14900, 11),
    Article("LMP-NOOR", "Noor pendant lamp", 12900, 8),
    Article("LMP-TILT", "Tilt reading lamp", 5900, 31),
    Article("LMP-WICK", "Wick bedside lamp", 3900, 40),
    Article("BLB-E27", "Amber LED bulbs E27, set of 2", 1490, 120),
    Article("SHD-LIN", "Linen lampshade 40 cm", 3450, 19),
    Article("FUR-KRUK", "Kruk oak stool", 11900, 14),
    Article("FUR-LADE", "Lade side table", 15900, 6),
    Article("FUR-REK", "Rek wall shelf", 7950, 17),
    Article("FUR-ZIT", "Zit dining chair", 18900, 9),
    Article("FUR-TAFEL", "Tafel dining table", 84900, 4, large=True),
    Article("FUR-KAST", "Kast sideboard", 119000, 3, large=True),
    Article("KIT-BRAAD", "Braad cast-iron pot, 5 litres", 13900, 22),
    Article("KIT-GRIL", "Gril cast-iron skillet 26 cm", 6450, 0),
    Article("KIT-KETEL", "Ketel stove kettle", 5400, 27),
    Article("KIT-MES", "Mes chef's knife 20 cm", 7200, 16),
    Article("KIT-PLANK", "Plank oak chopping board", 3550, 45),
    Article("KIT-KOM", "Kom stoneware bowls, set of 4", 4800, 33),
    Article("KIT-MOK", "Mok stoneware mugs, set of 4", 4200, 38),
    Article("TXT-LOPER", "Loper wool rug 140 x 200 cm", 22900, 5),
    Article("TXT-DOEK", "Doek linen tea towels, set of 3", 2400, 60),
)


def _customer(  # noqa: PLR0917
    id_: str, name: str, home: str, country: str, since: int, club: str
) -> Customer:
    street, city = home.split(", ", 1)
    email = f"{id_}@mail.example"
    return Customer(id_, name, email, street, city, country, club, f"{since}-05-02")


CUSTOMERS = (
    _customer("ana", "Ana Duarte", "Oudegracht 214, 3511 NR Utrecht", "NL", 2021, "silver"),
    _customer("ben", "Ben Hartmann", "Venloer Straße 96, 50823 Köln", "DE", 2022, "none"),
    _customer("chloe", "Chloé Martin", "Rue Mercière 41, 69002 Lyon", "FR", 2023, "none"),
    _customer("femke", "Femke de Boer", "Brink 7, 7411 BR Deventer", "NL", 2019, "gold"),
    _customer("david", "David Novák", "Veveří 102, 602 00 Brno", "CZ", 2023, "none"),
    _customer("elif", "Elif Kaya", "Sonnenallee 55, 12045 Berlin", "DE", 2020, "silver"),
    _customer("giulia", "Giulia Ricci", "Via Zamboni 18, 40126 Bologna", "IT", 2022, "none"),
    _customer("hugo", "Hugo Lindqvist", "Linnégatan 30, 413 04 Göteborg", "SE", 2024, "none"),
    _customer("ines", "Inês Carvalho", "Rua do Almada 112, 4050-031 Porto", "PT", 2021, "none"),
    _customer("jonas", "Jonas Weber", "Annenstraße 12, 8020 Graz", "AT", 2020, "silver"),
    _customer("kasia", "Kasia Zielińska", "ul. Długa 44, 80-831 Gdańsk", "PL", 2024, "none"),
    _customer("lars", "Lars Møller", "Vestergade 19, 8000 Aarhus", "DK", 2022, "none"),
    _customer("marie", "Marie Dubois", "Rue Neuve 12, 1000 Bruxelles", "BE", 2018, "gold"),
    _customer("niamh", "Niamh Byrne", "Quay Street 8, H91 D2R3 Galway", "IE", 2023, "none"),
    _customer("oscar", "Oscar Peeters", "Lange Nieuwstraat 61, 2000 Antwerpen", "BE", 2021, "none"),
    _customer("paula", "Paula Romero", "Calle de Moratín 23, 28014 Madrid", "ES", 2022, "none"),
    _customer("quentin", "Quentin Laurent", "Rue Kléber 9, 67000 Strasbourg", "FR", 2020, "none"),
    _customer(
        "roos", "Roos Jansen", "Wycker Brugstraat 33, 6221 EB Maastricht", "NL", 2019, "gold"
    ),
    _customer("sofia", "Sofia Virtanen", "Hämeenkatu 15, 33100 Tampere", "FI", 2024, "none"),
    _customer("tomas", "Tomáš Horák", "Dlouhá 6, 110 00 Praha", "CZ", 2021, "none"),
    _customer("ursula", "Ursula Steiner", "Linzer Gasse 40, 5020 Salzburg", "AT", 2018, "silver"),
    _customer("victor", "Victor Simon", "Grand-Rue 77, 1661 Luxembourg", "LU", 2022, "none"),
    _customer("wout", "Wout Maes", "Kouter 5, 9000 Gent", "BE", 2023, "none"),
    _customer(
        "yara", "Yara El Amrani", "Witte de Withstraat 20, 3012 BP Rotterdam", "NL", 2024, "none"
    ),
    _customer("zoe", "Zoé Papadaki", "Odos Ermou 88, 105 54 Athina", "GR", 2023, "none"),
)

_NEAR = ("NL", "BE", "LU")
_MIDDLE = ("DE", "FR", "AT", "DK")
_TRANSIT = {"NL": 1, "BE": 1, "LU": 2, "DE": 2, "FR": 3, "AT": 3, "DK": 3}


def shipping_cents(country: str, goods_cents: int, *, large: bool) -> int:
    """Return what delivery costs; knowledge/shipping/shipping-costs.md tells customers the same."""
    if large:
        return 3900
    if country in _NEAR:
        return 0 if goods_cents >= 7500 else 490
    if country in _MIDDLE:
        return 0 if goods_cents >= 10000 else 690
    return 0 if goods_cents >= 15000 else 990


def transit_days(country: str, *, large: bool) -> int:
    """Return the usual working days between dispatch and delivery."""
    return 8 if large else _TRANSIT.get(country, 5)


def carrier_of(country: str, *, large: bool) -> str:
    """Return who carries a parcel to this country."""
    if large:
        return "Tandem Haul"
    if country in _NEAR:
        return "Polderpost"
    return "Rheinbote" if country in ("DE", "AT", "DK") else CARRIER_DOWN


def working_days_after(day: date, count: int) -> date:
    """Return the day that lies `count` working days (Monday to Friday) after a day."""
    while count > 0:
        day += timedelta(days=1)
        if day.weekday() < 5:
            count -= 1
    return day
