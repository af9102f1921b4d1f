"""Colours that meet can be told apart, in light and in dark (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from importlib.resources import files

import pytest

TEXT, OUTLINE = 4.5, 3.0

GROUNDS = ("ground", "surface", "sunken")
PAIRS = [
    *[(text, ground, TEXT) for text in ("ink", "muted", "accent", "bad") for ground in GROUNDS],
    *[(tone, f"{tone}-soft", TEXT) for tone in ("good", "wait", "bad", "info", "accent")],
    # Small print within tinted notices takes their colour; a marked word lies on its own tint.
    ("ink", "accent-soft", TEXT),
    ("good", "surface", TEXT),
    ("wait", "surface", TEXT),
    ("on-accent", "accent-fill", TEXT),
    ("on-accent", "danger-fill", TEXT),
    *[("control", ground, OUTLINE) for ground in GROUNDS],
    *[("focus", ground, OUTLINE) for ground in GROUNDS],
    ("accent-fill", "surface", OUTLINE),
]


def tokens() -> dict[str, dict[str, str]]:
    """Return the colours of each scheme, by name."""
    css = files("concertmaster.serving.console").joinpath("static/console.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks)
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    """Return the contrast of two colours.

    >>> round(ratio("#000000", "#ffffff"))
    21
    """
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_that_meet_have_enough_contrast(scheme):
    colours = tokens()[scheme]
    poor = {
        f"{one} on {other}": round(found, 2)
        for one, other, least in PAIRS
        if (found := ratio(colours[one], colours[other])) < least
    }
    assert poor == {}


def test_the_ratio_is_the_one_of_the_standard():
    assert round(ratio("#000000", "#ffffff"), 2) == 21
    assert round(ratio("#767676", "#ffffff"), 2) == 4.54


def test_no_colour_stands_outside_of_the_tokens():
    css = files("concertmaster.serving.console").joinpath("static/console.css").read_text()
    rest = re.sub(r":root \{.*?\}", "", css, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", rest) == []
