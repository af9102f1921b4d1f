"""The report page: whole, offline, and nothing in it is taken for markup."""

import re
from xml.etree import ElementTree

from concertmaster.evaluation.dataset import read_dataset
from concertmaster.evaluation.offline import evaluate_offline
from concertmaster.evaluation.page import page
from concertmaster.evaluation.verdict import conclude

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)> \u202egnp'


async def shown(workspace, file):
    found = await evaluate_offline(workspace, read_dataset(file))
    return page(found, conclude(found, None))


async def test_page_shows_scores_failures_and_conversations(workspace, write, small, waits):
    wrong = {**small, "id": "wrong", "expected": {"status": "refused"}}
    html = await shown(workspace, write(small, waits, wrong))
    assert "2 of 3" in html
    assert "ended as answered instead of refused" in html
    assert "refund 80 euros for order 1" in html
    drawn = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawn) == 3
    for svg in drawn:
        ElementTree.fromstring(svg)


async def test_page_loads_nothing_and_suits_light_and_dark(workspace, write, small):
    html = await shown(workspace, write(small))
    assert "default-src 'none'" in html
    assert "prefers-color-scheme:dark" in html
    assert not re.search(r"<(script|link|img|iframe)|https?://|url\(|@import", html)


async def test_what_people_wrote_is_shown_and_not_obeyed(workspace, write, small):
    html = await shown(workspace, write({**small, "messages": [f"refund order 1 {EVIL}"]}))
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "<img" not in html
    assert "\u202e" not in html
