"""Where the nodes and arrows of a directed graph go: layers from left to right. Pure.

Arrows that lead back to an earlier layer are taken out first: one that answers an arrow the other
way is drawn as a second head on it, the others run in lanes above or below everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

__all__ = ["Arrow", "Box", "Layout", "Link", "lay_out"]

_ROW_GAP = 18.0
_COLUMN_GAP = 52.0
_FAN_GAP = 104.0
_DOT = 20.0
_PORT = 15.0
_LANE = 22.0
_MARGIN = 28.0


@dataclass(frozen=True)
class Link:
    """A directed edge of the graph."""

    source: str
    target: str
    label: str = ""
    conditional: bool = False


@dataclass(kw_only=True)
class Box:
    """A node: its size, and once it is laid out its centre.

    Where an arrow passes a layer on its way to a later one stands a box without a size.
    """

    name: str
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class Arrow:
    """A drawn edge: the points that it passes; `lane` tells that it leads back around the rest.

    `both` tells that it has a head at each end.
    """

    link: Link
    points: tuple[tuple[float, float], ...]
    both: bool = False
    lane: Literal["", "above", "below"] = ""

    def route(self) -> str:
        """Return the arrow as the `d` of an SVG path."""
        return _cornered(self.points) if self.lane else _curved(self.points)


@dataclass(frozen=True)
class Layout:
    """Boxes and arrows with the size of the whole, its origin in the upper left corner."""

    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    width: float
    height: float


@dataclass
class _Chain:
    """A forward edge and the boxes that it passes, one in each layer."""

    link: Link
    boxes: list[Box]
    both: bool


@dataclass
class _Plan:
    layers: list[list[Box]]
    chains: list[_Chain] = field(default_factory=list)
    back: list[Link] = field(default_factory=list)


def lay_out(
    sizes: Mapping[str, tuple[float, float]], links: Sequence[Link], letter: float = 6.0
) -> Layout:
    """Return the layout of a graph.

    Args:
        sizes: width and height of each node, in pixels; the first one is the start.
        links: the edges between them.
        letter: how wide a letter of a label is.
    """
    plan = _layered(sizes, links)
    _grow(plan)
    _place_rows(plan)
    _place_columns(plan, letter)
    arrows = [_arrow(chain) for chain in plan.chains]
    real = [box for layer in plan.layers for box in layer if box.width]
    arrows += _lanes(plan.back, {box.name: box for box in real}, plan.layers)
    return _framed(real, arrows)


def _layered(sizes: Mapping[str, tuple[float, float]], links: Sequence[Link]) -> _Plan:
    known = [k for k in links if k.source in sizes and k.target in sizes and k.source != k.target]
    back = _back_links(list(sizes), known)
    forward = [link for link in known if link not in back]
    ranks = _ranks(list(sizes), forward)
    boxes = {n: Box(name=n, width=w, height=h) for n, (w, h) in sizes.items()}
    layers: list[list[Box]] = [[] for _ in range(max(ranks.values()) + 1)]
    for name, box in boxes.items():
        layers[ranks[name]].append(box)
    plan = _Plan(layers)
    answered = {(link.target, link.source) for link in back}
    for link in forward:
        passed = [Box(name="") for _ in range(ranks[link.source] + 1, ranks[link.target])]
        for rank, box in enumerate(passed, start=ranks[link.source] + 1):
            layers[rank].append(box)
        both = (link.source, link.target) in answered
        plan.chains.append(_Chain(link, [boxes[link.source], *passed, boxes[link.target]], both))
    drawn = {(c.link.target, c.link.source) for c in plan.chains if c.both}
    plan.back = [link for link in back if (link.source, link.target) not in drawn]
    _order(plan)
    return plan


def _back_links(names: Sequence[str], links: Sequence[Link]) -> list[Link]:
    """Return the links that close a cycle, seen from the first node."""
    following: dict[str, list[Link]] = {name: [] for name in names}
    for link in links:
        following[link.source].append(link)
    back, done, path = [], set(), set()

    def visit(name: str) -> None:
        path.add(name)
        for link in following[name]:
            if link.target in path:
                back.append(link)
            elif link.target not in done:
                visit(link.target)
        path.discard(name)
        done.add(name)

    for name in names:
        if name not in done:
            visit(name)
    return back


def _ranks(names: Sequence[str], forward: Sequence[Link]) -> dict[str, int]:
    """Return each node's layer: one more than the furthest of those that lead to it."""
    ranks = dict.fromkeys(names, 0)
    for _ in names:
        for link in forward:
            ranks[link.target] = max(ranks[link.target], ranks[link.source] + 1)
    return ranks


def _order(plan: _Plan) -> None:
    """Sort every layer by where its predecessors stand, which keeps crossings few."""
    before: dict[int, list[Box]] = {}
    for chain in plan.chains:
        for left, right in pairwise(chain.boxes):
            before.setdefault(id(right), []).append(left)
    for earlier, layer in pairwise(plan.layers):
        at = {id(box): index for index, box in enumerate(earlier)}
        means = {
            id(box): _mean([at[id(b)] for b in before.get(id(box), ()) if id(b) in at])
            for box in layer
        }
        layer.sort(key=lambda box: means[id(box)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _grow(plan: _Plan) -> None:
    """Make nodes tall enough for the arrows that leave or reach one side of them."""
    for layer in plan.layers:
        for box in layer:
            leaving = sum(1 for c in plan.chains if c.boxes[0] is box)
            reaching = sum(1 for c in plan.chains if c.boxes[-1] is box)
            if box.height > _DOT and max(leaving, reaching) > 2:
                box.height = max(box.height, _PORT * max(leaving, reaching) + 8)


def _place_rows(plan: _Plan) -> None:
    """Stack the tallest layer, then let the others follow their neighbours outwards from it."""
    heights = [sum(b.height + _ROW_GAP for b in layer) for layer in plan.layers]
    widest = heights.index(max(heights))
    _stack(plan.layers[widest], [0.0] * len(plan.layers[widest]))
    beside: dict[int, list[Box]] = {}
    for chain in plan.chains:
        for left, right in pairwise(chain.boxes):
            beside.setdefault(id(left), []).append(right)
            beside.setdefault(id(right), []).append(left)
    outwards = [(i, i - 1) for i in range(widest + 1, len(plan.layers))]
    outwards += [(i, i + 1) for i in range(widest - 1, -1, -1)]
    for index, towards in outwards:
        near = {id(box) for box in plan.layers[towards]}
        wanted = [
            _mean([b.y for b in beside.get(id(box), ()) if id(b) in near])
            for box in plan.layers[index]
        ]
        _stack(plan.layers[index], wanted)


def _stack(layer: Sequence[Box], wanted: Sequence[float]) -> None:
    """Put the boxes of a layer as near to where they want to be as order and gaps allow."""
    down, up = list(wanted), list(wanted)
    for i in range(1, len(layer)):
        down[i] = max(down[i], down[i - 1] + _apart(layer[i - 1], layer[i]))
    for i in range(len(layer) - 2, -1, -1):
        up[i] = min(up[i], up[i + 1] - _apart(layer[i], layer[i + 1]))
    for box, low, high in zip(layer, down, up, strict=True):
        box.y = (low + high) / 2


def _apart(upper: Box, lower: Box) -> float:
    return (upper.height + lower.height) / 2 + _ROW_GAP


def _place_columns(plan: _Plan, letter: float) -> None:
    x = 0.0
    for layer in plan.layers:
        width = max(box.width for box in layer)
        for box in layer:
            box.x = x + width / 2
        x += width + _gap(plan, layer, letter)


def _gap(plan: _Plan, layer: Sequence[Box], letter: float) -> float:
    """Return the room to the next layer: for labels, and for a fan of arrows to open."""
    here = {id(box) for box in layer}
    leaving = [c for c in plan.chains if id(c.boxes[0]) in here]
    widest = max((len(c.link.label) for c in leaving), default=0)
    fan = max((sum(c.boxes[0] is box for c in leaving) for box in layer), default=0)
    return max(_COLUMN_GAP, letter * widest + 40, _FAN_GAP if fan > 3 else 0)


def _arrow(chain: _Chain) -> Arrow:
    first, last = chain.boxes[0], chain.boxes[-1]
    points = [
        (first.x + first.width / 2, first.y),
        *((box.x, box.y) for box in chain.boxes[1:-1]),
        (last.x - last.width / 2, last.y),
    ]
    return Arrow(chain.link, tuple(points), both=chain.both)


def _lanes(
    back: Sequence[Link], boxes: Mapping[str, Box], layers: Sequence[Sequence[Box]]
) -> list[Arrow]:
    """Lead arrows back around everything, on the side where less is in the way."""
    top = min(box.y - box.height / 2 for box in boxes.values())
    bottom = max(box.y + box.height / 2 for box in boxes.values())
    arrows, used = [], {"above": 0, "below": 0}
    for link in sorted(back, key=lambda k: boxes[k.source].x):
        source, target = boxes[link.source], boxes[link.target]
        side: Literal["above", "below"] = (
            "above" if _above(source, layers) < _below(source, layers) else "below"
        )
        used[side] += 1
        sign = -1 if side == "above" else 1
        lane = (top if side == "above" else bottom) + sign * _LANE * used[side]
        shift = 12.0 * (used[side] - 1)
        points = (
            (source.x, source.y + sign * source.height / 2),
            (source.x, lane),
            (target.x + shift, lane),
            (target.x + shift, target.y + sign * target.height / 2),
        )
        arrows.append(Arrow(link, points, lane=side))
    return arrows


def _above(box: Box, layers: Sequence[Sequence[Box]]) -> int:
    return sum(1 for b in _beside(box, layers) if b.width and b.y < box.y)


def _below(box: Box, layers: Sequence[Sequence[Box]]) -> int:
    return sum(1 for b in _beside(box, layers) if b.width and b.y > box.y)


def _beside(box: Box, layers: Sequence[Sequence[Box]]) -> Iterable[Box]:
    return next(layer for layer in layers if any(b is box for b in layer))


def _framed(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Layout:
    """Spread the arrows over the sides of their nodes and move everything into the frame."""
    arrows = _ported(boxes, arrows)
    xs = [b.x - b.width / 2 for b in boxes] + [b.x + b.width / 2 for b in boxes]
    ys = [b.y - b.height / 2 for b in boxes] + [b.y + b.height / 2 for b in boxes]
    for arrow in arrows:
        xs += [x for x, _ in arrow.points]
        ys += [y for _, y in arrow.points]
    left, top = min(xs) - _MARGIN, min(ys) - _MARGIN
    for box in boxes:
        box.x, box.y = box.x - left, box.y - top
    moved = [
        Arrow(a.link, tuple((x - left, y - top) for x, y in a.points), a.both, a.lane)
        for a in arrows
    ]
    return Layout(boxes, moved, max(xs) - left + _MARGIN, max(ys) - top + _MARGIN)


def _ported(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> list[Arrow]:
    """Let arrows leave and reach a tall node one below the other instead of in one point."""
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    for box in boxes:
        leaving = [a for a in arrows if not a.lane and a.link.source == box.name]
        reaching = [a for a in arrows if not a.lane and a.link.target == box.name]
        for group, far, ports in ((leaving, 1, starts), (reaching, -2, ends)):
            if len(group) < 2 or box.height <= _DOT:
                continue
            step = min(_PORT, (box.height - 12) / len(group))
            ordered = sorted((arrow.points[far][1], i) for i, arrow in enumerate(group))
            for place, (_, i) in enumerate(ordered):
                ports[id(group[i])] = box.y + step * (place - (len(group) - 1) / 2)
    done = []
    for arrow in arrows:
        points = list(arrow.points)
        points[0] = (points[0][0], starts.get(id(arrow), points[0][1]))
        points[-1] = (points[-1][0], ends.get(id(arrow), points[-1][1]))
        done.append(Arrow(arrow.link, tuple(points), arrow.both, arrow.lane))
    return done


def _curved(points: Sequence[tuple[float, float]]) -> str:
    x, y = points[0]
    route = f"M{x:.1f} {y:.1f}"
    for next_x, next_y in points[1:]:
        middle = (x + next_x) / 2
        route += f" C{middle:.1f} {y:.1f} {middle:.1f} {next_y:.1f} {next_x:.1f} {next_y:.1f}"
        x, y = next_x, next_y
    return route


def _cornered(points: Sequence[tuple[float, float]], radius: float = 10.0) -> str:
    """Return a path of straight lines with rounded corners: out, along the lane, and back."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    out = radius if y1 > y0 else -radius
    along = radius if x2 > x1 else -radius
    return (
        f"M{x0:.1f} {y0:.1f} L{x1:.1f} {y1 - out:.1f} Q{x1:.1f} {y1:.1f} {x1 + along:.1f} {y1:.1f}"
        f" L{x2 - along:.1f} {y2:.1f} Q{x2:.1f} {y2:.1f} {x2:.1f} {y2 - out:.1f}"
        f" L{x3:.1f} {y3:.1f}"
    )
