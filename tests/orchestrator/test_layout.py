from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.orchestrator.layout import Link, lay_out

NAMES = [f"node{i}" for i in range(9)]


@st.composite
def graphs(draw):
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    sizes = {n: (draw(st.floats(20, 160)), draw(st.floats(18, 40))) for n in names}
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names))
    links = [Link(a, b, "label") for a, b in draw(st.sets(pairs, max_size=25))]
    return sizes, links


@given(graphs())
def test_nodes_lie_in_the_frame_and_apart(graph):
    sizes, links = graph
    layout = lay_out(sizes, links)
    assert {box.name for box in layout.boxes} == set(sizes)
    for box in layout.boxes:
        assert box.width / 2 <= box.x <= layout.width - box.width / 2
        assert box.height / 2 <= box.y <= layout.height - box.height / 2
    for a, b in combinations(layout.boxes, 2):
        apart_x = abs(a.x - b.x) >= (a.width + b.width) / 2
        apart_y = abs(a.y - b.y) >= (a.height + b.height) / 2
        assert apart_x or apart_y, (a, b)


@given(graphs())
def test_every_link_is_drawn_once(graph):
    sizes, links = graph
    layout = lay_out(sizes, links)
    drawn = [(a.link.source, a.link.target) for a in layout.arrows]
    drawn += [(a.link.target, a.link.source) for a in layout.arrows if a.both]
    wanted = [(k.source, k.target) for k in links if k.source != k.target]
    assert sorted(drawn) == sorted(wanted)


@given(graphs())
def test_arrows_lie_in_the_frame(graph):
    layout = lay_out(*graph)
    for arrow in layout.arrows:
        for x, y in arrow.points:
            assert -1 <= x <= layout.width + 1
            assert -1 <= y <= layout.height + 1


def test_same_graph_is_laid_out_alike():
    sizes = dict.fromkeys(NAMES, (80.0, 34.0))
    links = [Link(a, b) for a, b in pairwise(NAMES)]
    first, second = lay_out(sizes, links), lay_out(sizes, links)
    assert [(b.x, b.y) for b in first.boxes] == [(b.x, b.y) for b in second.boxes]
    assert [b.x for b in first.boxes] == sorted(b.x for b in first.boxes)
