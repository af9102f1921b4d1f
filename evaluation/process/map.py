"""The process map: activities in layers, arrows as wide as often they were taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from concertmaster.evaluation.process.analysis import END, START, Analysis, Edge, Step
from concertmaster.evaluation.process.plots import in_words

__all__ = ["drawn", "left_out"]

_WIDE, _HIGH, _GAP_X, _GAP_Y, _MARGIN = 156, 46, 44, 62, 24
_MOST_STEPS, _MOST_EDGES, _LANE = 24, 60, 34


@dataclass(frozen=True)
class _Box:
    """Where an activity is drawn: its centre and its layer."""

    x: float
    y: float
    layer: int


def drawn(figures: Analysis) -> str:
    """Return the map as SVG; the rarest activities and arrows are left out of a large one."""
    names = [START, *(s.activity for s in _frequent(figures)), END]
    edges = [e for e in figures.edges if e.before in names and e.after in names][:_MOST_EDGES]
    layers = _layers(names, edges)
    boxes, width, height = _placed(layers, edges)
    ways = _ways(edges, boxes, width)
    most = max((e.count for e in edges), default=1)
    lines = "".join(_arrow(e, way, most) for e, way in zip(edges, ways, strict=True))
    drawn_boxes = "".join(_box(name, box, figures) for name, box in boxes.items())
    labels = "".join(_label(e, way) for e, way in zip(edges, ways, strict=True))
    # Arrows around others keep to the margins.
    left = max(30.0, 30 - min(way.x for way in ways))
    right = max(50.0, 30 + max(way.x for way in ways) - width)
    room = left + width + right
    return (
        f'<svg viewBox="{-left:.0f} 0 {room:.0f} {height:.0f}" role="img" class="map"'
        f' style="max-width:{room:.0f}px" aria-label="which activity follows which, how often">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9"'
        ' markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
        f"{lines}{drawn_boxes}{labels}</svg>"
    )


def left_out(figures: Analysis) -> tuple[int, int]:
    """Return how many activities and arrows the map does not show."""
    names = {START, END, *(s.activity for s in _frequent(figures))}
    fitting = [e for e in figures.edges if e.before in names and e.after in names]
    shown = min(len(fitting), _MOST_EDGES)
    return len(figures.steps) - len(names) + 2, len(figures.edges) - shown


def _frequent(figures: Analysis) -> Sequence[Step]:
    return sorted(figures.steps, key=lambda s: (-s.visits, s.activity))[:_MOST_STEPS]


def _layers(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """Return the layer of each activity: one below the lowest of those that lead to it.

    Arrows that lead away from the start are taken first, the most frequent on top; one that would
    close a circle leads back, and layers do not depend on it.
    """
    far = _distances(edges)
    after: dict[str, set[str]] = defaultdict(set)

    def reaches(one: str, other: str) -> bool:
        waiting, seen = [one], set()
        while waiting:
            name = waiting.pop()
            if name == other:
                return True
            if name not in seen:
                seen.add(name)
                waiting += after[name]
        return False

    for edge in sorted(edges, key=lambda e: far.get(e.after, 0) <= far.get(e.before, 0)):
        if edge.before != edge.after and not reaches(edge.after, edge.before):
            after[edge.before].add(edge.after)
    layers = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for before in names:
            for name in after[before]:
                if layers[name] <= layers[before]:
                    layers[name], moved = layers[before] + 1, True
        if not moved:
            break
    layers[END] = max(layers.values(), default=0) + (
        0 if all(layers[n] < layers[END] for n in names if n != END) else 1
    )
    return layers


def _distances(edges: Sequence[Edge]) -> dict[str, int]:
    """Return how many arrows lie at least between the start and each activity."""
    far, row = {START: 0}, [START]
    while row:
        after = {e.after for e in edges if e.before in row and e.after not in far}
        far |= dict.fromkeys(after, far[row[0]] + 1)
        row = sorted(after)
    return far


def _placed(
    layers: Mapping[str, int], edges: Sequence[Edge]
) -> tuple[dict[str, _Box], float, float]:
    """Return the boxes with the width and height of all; each near what leads to it."""
    rows: dict[int, list[str]] = defaultdict(list)
    for name, layer in layers.items():
        rows[layer].append(name)
    widest = max(len(row) for row in rows.values())
    width = widest * (_WIDE + _GAP_X) - _GAP_X + 2 * _MARGIN
    boxes: dict[str, _Box] = {}
    for layer in sorted(rows):
        row = sorted(rows[layer], key=lambda name: _wanted(name, edges, boxes, width))
        taken = len(row) * (_WIDE + _GAP_X) - _GAP_X
        for n, name in enumerate(row):
            x = (width - taken) / 2 + n * (_WIDE + _GAP_X) + _WIDE / 2
            boxes[name] = _Box(x, _MARGIN + layer * (_HIGH + _GAP_Y) + _HIGH / 2, layer)
    return boxes, width, 2 * _MARGIN + (max(rows) + 1) * (_HIGH + _GAP_Y) - _GAP_Y


def _wanted(
    name: str, edges: Sequence[Edge], boxes: Mapping[str, _Box], width: float
) -> tuple[float, str]:
    near = [(boxes[e.before].x, e.count) for e in edges if e.after == name and e.before in boxes]
    total = sum(count for _, count in near)
    return (sum(x * count for x, count in near) / total if total else width / 2), name


def _box(name: str, box: _Box, figures: Analysis) -> str:
    step = next((s for s in figures.steps if s.activity == name), None)
    x, y = box.x, box.y
    if step is None:
        told = "start" if name == START else "end"
        return (
            f'<rect x="{x - 40:.1f}" y="{y - 14:.1f}" width="80" height="28" rx="14"'
            f' class="edge-box"/><text x="{x:.1f}" y="{y + 4:.1f}" class="name"'
            f' text-anchor="middle">{told}</text>'
        )
    short = name if len(name) <= 21 else f"{name[:20]}…"
    return (
        f"<g><title>{escape(name)}: {step.visits} visits in {step.cases} cases, half of them"
        f" within {in_words(step.seconds.p50)}, 95 % within {in_words(step.seconds.p95)}</title>"
        f'<rect x="{x - _WIDE / 2:.1f}" y="{y - _HIGH / 2:.1f}" width="{_WIDE}" height="{_HIGH}"'
        f' rx="6" class="box" style="--heat:{min(1.0, step.share):.2f}"/>'
        f'<text x="{x:.1f}" y="{y - 3:.1f}" class="name" text-anchor="middle">{escape(short)}'
        f'</text><text x="{x:.1f}" y="{y + 14:.1f}" class="tick" text-anchor="middle">'
        f"{step.visits:,}× · {in_words(step.seconds.p50)}</text></g>"
    )


@dataclass(frozen=True)
class _Way:
    """The path of an arrow, and where its label stands."""

    path: str
    x: float
    y: float


def _ways(edges: Sequence[Edge], boxes: Mapping[str, _Box], width: float) -> list[_Way]:
    """Return where each arrow goes; those around others have a lane each, the short ones inside."""
    around = {
        n: -1 if _on_the_left(e, boxes, width) else 1
        for n, e in enumerate(edges)
        if _span(e, boxes) not in (0, 1)
    }
    lanes: dict[int, float] = {}
    for sign in (-1, 1):
        here = [n for n in around if around[n] == sign]
        here.sort(key=lambda n: (abs(_span(edges[n], boxes)), n))
        edge = 0.0 if sign < 0 else width
        lanes |= {n: edge + sign * (12 + _LANE * place) for place, n in enumerate(here)}
    return [
        _aside(e, boxes, lanes[n], around[n]) if n in lanes else _straight(e, boxes)
        for n, e in enumerate(edges)
    ]


def _span(edge: Edge, boxes: Mapping[str, _Box]) -> int:
    """Return how many layers an arrow leads down; 0 within one, and to itself."""
    return boxes[edge.after].layer - boxes[edge.before].layer


def _on_the_left(edge: Edge, boxes: Mapping[str, _Box], width: float) -> bool:
    """Tell on which side an arrow goes around: the nearer one, else left down and right up."""
    one, other = boxes[edge.before], boxes[edge.after]
    for x in ((one.x + other.x) / 2, one.x):
        if abs(x - width / 2) >= 1:
            return x < width / 2
    return _span(edge, boxes) > 0


def _straight(edge: Edge, boxes: Mapping[str, _Box]) -> _Way:
    one, other = boxes[edge.before], boxes[edge.after]
    if edge.before == edge.after:
        x, y = one.x + _WIDE / 2, one.y
        path = f"M{x:.1f} {y - 10:.1f}C{x + 34:.1f} {y - 22:.1f} {x + 34:.1f} {y + 22:.1f}"
        return _Way(f"{path} {x:.1f} {y + 10:.1f}", x + 30, y)
    if one.layer == other.layer:
        sign = 1 if other.x > one.x else -1
        x1, x2 = one.x + sign * _wide(edge.before), other.x - sign * _wide(edge.after)
        # Below the middle one way, above it the other, so that both can be seen.
        y = one.y + sign * 12
        return _Way(f"M{x1:.1f} {y:.1f}L{x2:.1f} {y:.1f}", (x1 + x2) / 2, y)
    down, up = one.y + _half(edge.before), other.y - _half(edge.after)
    middle = (down + up) / 2
    path = f"M{one.x:.1f} {down:.1f}C{one.x:.1f} {middle:.1f} {other.x:.1f} {middle:.1f}"
    return _Way(f"{path} {other.x:.1f} {up:.1f}", (one.x + other.x) / 2, middle)


def _aside(edge: Edge, boxes: Mapping[str, _Box], lane: float, sign: int) -> _Way:
    one, other = boxes[edge.before], boxes[edge.after]
    x1, x2 = one.x + sign * _wide(edge.before), other.x + sign * _wide(edge.after)
    y1, y2 = one.y + 8, other.y - 8
    middle = (y1 + y2) / 2
    path = (
        f"M{x1:.1f} {y1:.1f}C{lane:.1f} {y1:.1f} {lane:.1f} {y1:.1f} {lane:.1f} {middle:.1f}"
        f"S{lane:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    )
    return _Way(path, lane, middle)


def _wide(name: str) -> float:
    return 40 if name in (START, END) else _WIDE / 2


def _half(name: str) -> float:
    return 14 if name in (START, END) else _HIGH / 2


def _arrow(edge: Edge, way: _Way, most: int) -> str:
    wide = 1 + 4 * edge.count / most
    return (
        f'<path d="{way.path}" class="arrow" style="stroke-width:{wide:.1f}"'
        f' marker-end="url(#tip)"><title>{escape(edge.before)} → {escape(edge.after)}:'
        f" {edge.count}×</title></path>"
    )


def _label(edge: Edge, way: _Way) -> str:
    gap = f" · {in_words(edge.p50)}" if edge.p50 >= 0.001 else ""
    return (
        f'<text x="{way.x:.1f}" y="{way.y + 4:.1f}" class="tick halo" text-anchor="middle">'
        f"{edge.count:,}{gap}</text>"
    )
