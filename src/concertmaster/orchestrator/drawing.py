"""A compiled graph as a picture: plain SVG, made offline, no service and no further library."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any, cast

from concertmaster.orchestrator.layout import Arrow, Box, Layout, Link, lay_out

if TYPE_CHECKING:
    from concertmaster.graphs.compile import Graph
    from concertmaster.graphs.workspace import Workspace

__all__ = ["graph_svg", "outline", "shown_offline"]

_START, _END = "__start__", "__end__"
_FONT = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif"
_LETTER = 7.6

# Fill, line and text of a node, by what it is for.
_CONTROL = ("#ddf4ff", "#0969da", "#0a3069")
_AGENT = ("#ffffff", "#8c959f", "#1f2328")
_GUARD = ("#fff8c5", "#bf8700", "#4d2d00")
_PERSON = ("#ffebe9", "#cf222e", "#82071e")
_COLOURS: Mapping[str, tuple[str, str, str]] = {
    "intake": _CONTROL,
    "supervisor": _CONTROL,
    "choose": _CONTROL,
    "authorize": _GUARD,
    "act": _GUARD,
    "human_review": _PERSON,
    "finish": ("#dafbe1", "#1a7f37", "#044f1e"),
    "escalate": ("#fbefff", "#8250df", "#3e1f79"),
    "refuse": ("#fff1e5", "#bc4c00", "#702c00"),
}
_LABELS: Mapping[tuple[str, str], str] = {
    ("authorize", "act"): "allowed",
    ("authorize", "human_review"): "needs a person",
    ("authorize", "supervisor"): "denied",
    ("human_review", "act"): "decided",
    ("act", "supervisor"): "results",
}


def graph_svg(compiled: Any, *, fluid: bool = False) -> str:
    """Return a compiled LangGraph graph as an SVG document.

    Args:
        compiled: the graph.
        fluid: as wide as the place where it is shown, instead of its own size.

    >>> from langgraph.graph import START, END, StateGraph
    >>> graph = StateGraph(dict).add_node("act", lambda state: state)
    >>> graph = graph.add_edge(START, "act").add_edge("act", END)
    >>> graph_svg(graph.compile()).startswith("<svg ")
    True
    """
    drawn = compiled.get_graph()
    links = [
        Link(
            edge.source,
            edge.target,
            _LABELS.get((edge.source, edge.target)) or _own_label(edge.data, edge.target),
            edge.conditional,
        )
        for edge in drawn.edges
    ]
    names = sorted(drawn.nodes, key=lambda name: name != _START)
    layout = lay_out({name: _size(name) for name in names}, links)
    return _svg(layout, str(compiled.get_name()), fluid)


def outline(workspace: Workspace) -> Graph:
    """Compile a workspace's graph for looking at it: it has no stores and cannot be run.

    Raises:
        ConditionError: a route's condition does not compile.
    """
    from concertmaster.agents.task import Services
    from concertmaster.graphs.compile import compile_graph
    from concertmaster.graphs.session import Sessions

    nothing = cast(Any, None)
    services = Services(
        name=workspace.name,
        spec=workspace.spec,
        toolbox=workspace.toolbox,
        gate=nothing,
        approvals=nothing,
        plans=nothing,
        carrier=nothing,
        trail=nothing,
        models=nothing,
        knowledge=None,
        classifier=None,
        data_dir=nothing,
    )
    return compile_graph(services, Sessions(), None)


def _own_label(data: object, target: str) -> str:
    return str(data) if data is not None and str(data) != target else ""


def _size(name: str) -> tuple[float, float]:
    if name in (_START, _END):
        return 18.0, 18.0
    return max(64.0, len(name) * _LETTER + 30), 34.0


def _svg(layout: Layout, title: str, fluid: bool) -> str:
    width, height = round(layout.width), round(layout.height)
    size = 'width="100%"' if fluid else f'width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}'
        ' style="max-width:100%;height:auto" role="img"'
        f' font-family="{_FONT}" font-size="13">',
        f"<title>{escape(title)}</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7"'
        ' markerHeight="7" orient="auto-start-reverse"><path d="M0 0.5 8 4 0 7.5 1.8 4z"'
        ' fill="#57606a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="12" fill="#ffffff"/>',
    ]
    parts += [_path(arrow) for arrow in layout.arrows]
    parts += [_label(arrow) for arrow in layout.arrows if arrow.link.label]
    parts += [_node(box) for box in layout.boxes]
    return "\n".join([*parts, "</svg>"])


def _node(box: Box) -> str:
    if box.name in (_START, _END):
        ring = (
            f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="8.5" fill="none" stroke="#1f2328"'
            ' stroke-width="1.5"/>'
        )
        dot = f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}" r="5.5" fill="#1f2328"/>'
        return (
            f"<g><title>{'start' if box.name == _START else 'end'}</title>"
            + (dot if box.name == _START else ring + dot)
            + "</g>"
        )
    fill, line, text = _COLOURS.get(box.name, _AGENT)
    x, y = box.x - box.width / 2, box.y - box.height / 2
    return (
        f'<g><rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        f' rx="9" fill="{fill}" stroke="{line}" stroke-width="1.5"/>'
        f'<text x="{box.x:.1f}" y="{box.y + 4.5:.1f}" text-anchor="middle" fill="{text}">'
        f"{escape(box.name)}</text></g>"
    )


def _path(arrow: Arrow) -> str:
    dash = ' stroke-dasharray="5 4"' if arrow.link.conditional else ""
    start = ' marker-start="url(#head)"' if arrow.both else ""
    return (
        f'<path d="{arrow.route()}" fill="none" stroke="#57606a" stroke-width="1.3"{dash}{start}'
        ' marker-end="url(#head)"/>'
    )


def _label(arrow: Arrow) -> str:
    if arrow.lane:
        (x, y), (other, _) = arrow.points[1], arrow.points[2]
        x = (x + other) / 2
    else:
        (x0, y0), (x1, y1) = arrow.points[0], arrow.points[1]
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="11" fill="#57606a"'
        ' stroke="#ffffff" stroke-width="5" paint-order="stroke" stroke-linejoin="round">'
        f"{escape(arrow.link.label)}</text>"
    )


def shown_offline(compiled: Graph) -> Graph:
    """Give a graph this picture in notebooks, where LangGraph's own asks a web service."""

    def bundle(**_: Any) -> dict[str, str]:
        plain = f"<{type(compiled).__name__} {compiled.get_name()!r}>"
        return {"image/svg+xml": graph_svg(compiled, fluid=True), "text/plain": plain}

    vars(compiled)["_repr_mimebundle_"] = bundle
    return compiled
