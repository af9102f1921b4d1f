"""Small charts as SVG: bars whose lengths are figures, styled by classes alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Bar", "bars", "columns"]

_WIDTH, _HEIGHT = 100.0, 8.0
_DAYS_HEIGHT = 48.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One figure: its name, its size, what is written beside it, and its tone.

    `mark` is a second size on the same scale, such as a median within a 95th percentile.
    """

    name: str
    size: float
    told: str
    tone: str = "plain"
    mark: float | None = None


def bars(listed: Sequence[Bar]) -> list[tuple[Bar, Markup]]:
    """Return each bar with its drawing, all on one scale.

    >>> [(bar.told, "width" in str(svg)) for bar, svg in bars([Bar(name="a", size=2, told="2")])]
    [('2', True)]
    """
    most = max((bar.size for bar in listed), default=0) or 1
    return [(bar, _bar(bar, most)) for bar in listed]


def columns(days: Sequence[tuple[str, int, int]]) -> Markup:
    """Return a chart of days: what was asked for, and how much of it was decided.

    Args:
        days: day, number asked for, number decided; oldest first.
    """
    most = max((max(asked, decided) for _, asked, decided in days), default=0) or 1
    step = _WIDTH / max(len(days), 1)
    wide = min(step * 0.36, 3.0)
    shapes = []
    for i, (day, asked, decided) in enumerate(days):
        for place, (kind, number) in enumerate((("asked", asked), ("decided", decided))):
            high = number / most * _DAYS_HEIGHT
            shapes.append(
                Markup(
                    '<rect class="{k}" x="{x}" y="{y}" width="{w}" height="{h}" rx="0.6">'
                    "<title>{d}: {n} {k}</title></rect>"
                ).format(
                    k=kind,
                    x=f"{i * step + step / 2 + wide * (1.1 * place - 1.05):.2f}",
                    y=f"{_DAYS_HEIGHT - high:.2f}",
                    w=f"{wide:.2f}",
                    h=f"{high:.2f}",
                    d=day,
                    n=number,
                )
            )
    told = "; ".join(f"{day}: {asked} asked, {decided} decided" for day, asked, decided in days)
    return Markup(
        '<svg class="columns" viewBox="0 0 {w} {h}" preserveAspectRatio="none" role="img"'
        ' aria-label="{told}">{shapes}</svg>'
    ).format(w=_WIDTH, h=_DAYS_HEIGHT, told=told, shapes=Markup("").join(shapes))


def _bar(bar: Bar, most: float) -> Markup:
    long = max(bar.size / most * _WIDTH, 0.8 if bar.size > 0 else 0)
    mark = Markup("")
    if bar.mark is not None:
        inner = min(bar.mark / most * _WIDTH, long)
        mark = Markup('<rect class="mark" width="{w}" height="{h}" rx="2"/>').format(
            w=f"{inner:.2f}", h=_HEIGHT
        )
    return Markup(
        '<svg class="bar {t}" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="{w}" height="{h}" rx="2"/>'
        '<rect class="size" width="{l}" height="{h}" rx="2"/>{mark}</svg>'
    ).format(t=bar.tone, w=_WIDTH, h=_HEIGHT, l=f"{long:.2f}", mark=mark)
