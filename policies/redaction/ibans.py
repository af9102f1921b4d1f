"""International bank account numbers: a country's length and check digits (ISO 13616, mod 97)."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["find_ibans", "is_iban"]

_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in (
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22"
        " DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28"
        " HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25"
        " MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29"
        " RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29"
        " VA22 VG24 XK20 YE30"
    ).split()
}
_START = re.compile(r"(?:(?<![0-9A-Za-z])|(?<=[Ii][Bb][Aa][Nn]))([A-Za-z]{2})[ .\-]?\d[ .\-]?\d")
_REST = re.compile(r"[A-Za-z]{2}(?:[ \t.\-]{0,2}[0-9A-Za-z]){13,33}")


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where IBANs stand in folded text."""
    for start in _START.finditer(text):
        length = _LENGTHS.get(start[1].upper())
        if length is None:
            continue
        rest = _REST.match(text, start.start())
        end = _end(rest, length) if rest else None
        if end is None or text[end : end + 1].isalnum():
            continue
        if is_iban(re.sub(r"[^0-9A-Za-z]", "", text[start.start() : end])):
            yield start.start(), end


def is_iban(compact: str) -> bool:
    """Tell whether text without separators is an IBAN.

    >>> is_iban("DE89370400440532013000")
    True
    """
    compact = compact.upper()
    if len(compact) != _LENGTHS.get(compact[:2]) or not compact.isalnum():
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


def _end(rest: re.Match[str], length: int) -> int | None:
    """Return where the last of so many letters and digits ends."""
    seen = 0
    for place, character in enumerate(rest[0], rest.start() + 1):
        seen += character.isalnum()
        if seen == length:
            return place
    return None
