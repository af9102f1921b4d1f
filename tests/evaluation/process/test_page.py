"""The page: everything escaped, nothing loaded, well-formed SVG."""

import re
from xml.etree import ElementTree

import pytest

from concertmaster.contracts.spec import WorkflowSpec
from concertmaster.evaluation.process import analyse, conformance, log_of, page, read_csv
from concertmaster.evaluation.process.map import drawn

HOSTILE = "<script>alert(1)</script>\"'&"
WORKFLOW = WorkflowSpec.model_validate(
    {
        "workflow": "desk",
        "steps": [{"id": "executor", "agent": "executor"}],
        "routes": [{"when": f"'{HOSTILE[:8]}' != ''", "to": "finish"}],
    }
)


@pytest.fixture
def html(trail):
    trail.add(0, "intent.classified", intent=HOSTILE)
    trail.hop(1, HOSTILE, None, run="run-1", why=HOSTILE)
    trail.hop(9, "finish", 0)
    trail.add(9, "run.ended", status=HOSTILE)
    log = log_of(HOSTILE, trail.events)
    return page(log, analyse(log), conformance(WORKFLOW, trail.events), HOSTILE)


def test_nothing_of_a_log_becomes_markup(html):
    assert "<script" not in html
    assert "alert(1)" in html


def test_the_page_loads_nothing(html):
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", html)
    assert not re.search(r"<(link|img|iframe|script|object|embed)", html)


def test_every_plot_is_well_formed(html):
    plots = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(plots) >= 3
    for plot in plots:
        ElementTree.fromstring(plot)


def test_a_deviation_is_listed_with_its_reason(html):
    assert "a guard sent it on" in html
    assert "never" not in html.split("Beside the declared workflow")[1].split("Deviations")[0]


def test_an_empty_log_has_a_page(trail):
    log = log_of("desk", [])
    assert "holds no case" in page(log, analyse(log), None, "now")


def test_circles_and_many_activities_can_be_drawn(tmp_path):
    file = tmp_path / "log.csv"
    rows = [f"c{n},s{(n * m) % 40},2026-09-{1 + m:02d}" for n in range(40) for m in range(20)]
    file.write_text("\n".join(["case,activity,time", *rows]))
    figures = analyse(read_csv(file))
    svg = ElementTree.fromstring(drawn(figures))
    assert len(svg.findall("g")) == 24
