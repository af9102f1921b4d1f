"""A workflow's graph as SVG for pages: styled by classes alone, with the current node marked."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from concertmaster.orchestrator.layout import Arrow, Box, Link, lay_out

if TYPE_CHECKING:
    from concertmaster.graphs.compile import Graph

__all__ = ["diagram"]

_START, _END = "__start__", "__end__"
_LETTER = 7.8
_NAMES = {_START: "start", _END: "end"}


def diagram(graph: Graph, current: str, visited: Set[str]) -> Markup:
    """Return the drawing of a graph.

    Args:
        graph: the compiled graph.
        current: the node at which a run is; empty if at none.
        visited: the nodes through which it has come.
    """
    drawn = graph.get_graph()
    links = [Link(e.source, e.target, conditional=e.conditional) for e in drawn.edges]
    names = sorted(drawn.nodes, key=lambda name: name != _START)
    layout = lay_out({name: _size(name) for name in names}, links)
    width, height = round(layout.width), round(layout.height)
    shapes = [_path(arrow, visited) for arrow in layout.arrows]
    shapes += [_node(box, current, visited) for box in layout.boxes]
    at = f"The run is at {current.replace('_', ' ')}." if current else "The run is at no node."
    return Markup(
        '<svg class="graph" viewBox="0 0 {w} {h}" role="img" aria-label="{at}">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto-start-reverse"><path d="M0 .5 8 4 0 7.5 1.8 4z"/></marker>'
        "</defs>{shapes}</svg>"
    ).format(w=width, h=height, at=at, shapes=Markup("").join(shapes))


def _size(name: str) -> tuple[float, float]:
    return (18.0, 18.0) if name in _NAMES else (max(64.0, len(name) * _LETTER + 30), 34.0)


def _node(box: Box, current: str, visited: Set[str]) -> Markup:
    state = "current" if box.name == current else "visited" if box.name in visited else "ahead"
    if box.name in _NAMES:
        return Markup(
            '<circle class="dot {s}" cx="{x}" cy="{y}" r="7"><title>{n}</title></circle>'
        ).format(s=state, x=f"{box.x:.1f}", y=f"{box.y:.1f}", n=_NAMES[box.name])
    left, top = box.x - box.width / 2, box.y - box.height / 2
    return Markup(
        '<g class="node {s}"><rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>'
        '<text x="{tx}" y="{ty}" text-anchor="middle">{n}</text></g>'
    ).format(
        s=state,
        x=f"{left:.1f}",
        y=f"{top:.1f}",
        w=f"{box.width:.1f}",
        h=f"{box.height:.1f}",
        tx=f"{box.x:.1f}",
        ty=f"{box.y + 4.5:.1f}",
        n=box.name.replace("_", " "),
    )


def _path(arrow: Arrow, visited: Set[str]) -> Markup:
    came = arrow.link.source in visited and arrow.link.target in visited
    kind = "edge came" if came else "edge"
    start = Markup(' marker-start="url(#arrow)"') if arrow.both else ""
    return Markup('<path class="{k}{c}" d="{d}"{s} marker-end="url(#arrow)"/>').format(
        k=kind, c=" maybe" if arrow.link.conditional else "", d=escape(arrow.route()), s=start
    )
