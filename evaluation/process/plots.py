"""Plots as SVG, made of text alone: they need no network, and follow the page's colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import floor, log10

__all__ = ["COLOURS", "bars", "histogram", "in_words", "number", "stacked"]

COLOURS: Mapping[str, str] = {
    "answered": "var(--c-answered)",
    "escalated": "var(--c-escalated)",
    "refused": "var(--c-refused)",
    "failed": "var(--c-failed)",
    "cancelled": "var(--c-cancelled)",
    "open": "var(--c-open)",
}
_OTHERS = (
    "var(--c-open)",
    "var(--c-escalated)",
    "var(--c-answered)",
    "var(--c-refused)",
    "var(--c-failed)",
    "var(--c-other)",
    "var(--c-cancelled)",
)
_WIDTH, _LEFT, _TOP = 720, 44, 10
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_BINS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 86400.0, 7 * 86400.0)


def in_words(seconds: float) -> str:
    """Return seconds as people read them.

    >>> in_words(0.0123), in_words(75), in_words(7200), in_words(0)
    ('12 ms', '1.2 min', '2 h', '0')
    """
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    if seconds >= 0.001:
        return f"{seconds * 1000:.0f} ms"
    return "<1 ms" if seconds > 0 else "0"


def number(value: float) -> str:
    """Return a number with two or three figures, without needless digits.

    >>> number(1234567), number(12.34), number(0.01234), number(0)
    ('1,234,567', '12', '0.012', '0')
    """
    if value == 0 or abs(value) >= 10:
        return f"{value:,.0f}"
    digits = max(1, 1 - floor(log10(abs(value)))) if abs(value) < 1 else 1
    return f"{value:.{min(digits, 6)}f}".rstrip("0").rstrip(".")


def colour_of(name: str, place: int) -> str:
    """Return the colour of an outcome; foreign ones take turns."""
    return COLOURS.get(name) or _OTHERS[place % len(_OTHERS)]


def stacked(days: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str]) -> str:
    """Return cases over time: a bar a day, one colour an outcome, with a legend."""
    height, most = 200, max((sum(counts.values()) for _, counts in days), default=0) or 1
    step = (_WIDTH - _LEFT - 8) / max(1, len(days))
    width = min(46.0, max(1.0, step * 0.72))
    parts = [_axis(most, height)]
    every = max(1, -(-len(days) * 74 // int(_WIDTH - _LEFT)))
    for n, (day, counts) in enumerate(days):
        x, y = _LEFT + n * step + (step - width) / 2, float(_TOP + height)
        for place, name in enumerate(names):
            if not (count := counts.get(name, 0)):
                continue
            size = count / most * height
            y -= size
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{size:.1f}"'
                f' fill="{colour_of(name, place)}"><title>{escape(day)}: {count}'
                f" {escape(name)}</title></rect>"
            )
        if n % every == 0:
            parts.append(
                f'<text x="{x + width / 2:.1f}" y="{_TOP + height + 18}" class="tick"'
                f' text-anchor="middle">{escape(day[:10])}</text>'
            )
    return _svg("".join(parts), height + 34, "cases over time, by outcome") + legend(names)


def legend(names: Sequence[str]) -> str:
    """Return what each colour stands for."""
    items = "".join(
        f'<li><i style="background:{colour_of(name, n)}"></i>{escape(name)}</li>'
        for n, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def histogram(values: Iterable[float], what: str) -> str:
    """Return how seconds are distributed, over bins that grow from 10 ms to a week."""
    counts = [0] * (len(_BINS) + 1)
    for value in values:
        counts[sum(value >= edge for edge in _BINS)] += 1
    height, most = 150, max(counts) or 1
    step = (_WIDTH - _LEFT - 8) / len(counts)
    parts = [_axis(most, height)]
    for n, count in enumerate(counts):
        size, x = count / most * height, _LEFT + n * step
        low = "0" if n == 0 else in_words(_BINS[n - 1])
        name = f"{low} to {in_words(_BINS[n])}" if n < len(_BINS) else f"over {low}"
        parts.append(
            f'<rect x="{x + 2:.1f}" y="{_TOP + height - size:.1f}" width="{step - 4:.1f}"'
            f' height="{size:.1f}" fill="var(--c-open)"><title>{escape(name)}: {count}'
            "</title></rect>"
        )
        if n:
            parts.append(
                f'<text x="{x:.1f}" y="{_TOP + height + 18}" class="tick"'
                f' text-anchor="middle">{low}</text>'
            )
    return _svg("".join(parts), height + 34, what)


def bars(rows: Sequence[tuple[str, float, float, str]], what: str) -> str:
    """Return horizontal bars: a name, a value, a second value as a mark behind it, and words."""
    most = max((max(one, other) for _, one, other, _ in rows), default=0) or 1
    left, room, line = 170, _WIDTH - 170 - 190, 28
    parts = []
    for n, (name, value, mark, words) in enumerate(rows):
        y = n * line + 4
        parts.append(
            f'<text x="{left - 8}" y="{y + 15}" class="name" text-anchor="end">'
            f"{escape(_short(name, 24))}<title>{escape(name)}</title></text>"
            f'<rect x="{left}" y="{y + 3}" width="{max(1.0, value / most * room):.1f}"'
            f' height="16" rx="2" fill="var(--c-open)"><title>{escape(words)}</title></rect>'
        )
        if mark > value:
            x = left + mark / most * room
            parts.append(
                f'<line x1="{left + value / most * room:.1f}" x2="{x:.1f}" y1="{y + 11}"'
                f' y2="{y + 11}" class="whisker"/><line x1="{x:.1f}" x2="{x:.1f}" y1="{y + 6}"'
                f' y2="{y + 16}" class="whisker"/>'
            )
        x = left + max(value, mark) / most * room + 8
        parts.append(f'<text x="{x:.1f}" y="{y + 15}" class="tick">{escape(words)}</text>')
    return _svg("".join(parts), len(rows) * line + 8, what)


def _axis(most: int, height: int) -> str:
    """Return lines for nothing, half and all of the largest count."""
    marks = sorted({0, most // 2, most})
    lines = []
    for mark in marks:
        y = _TOP + height - mark / most * height
        lines.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{mark:,}</text>'
        )
    return "".join(lines)


def _svg(content: str, height: float, what: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(what)}">'
        f"{content}</svg>"
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
