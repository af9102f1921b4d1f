import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

import concertmaster as cm
from concertmaster.contracts import (
    Action,
    Allow,
    Approval,
    Approve,
    AuditEvent,
    Citation,
    Deny,
    Evidence,
    Outcome,
    Redact,
    Reject,
    Review,
)
from concertmaster.contracts.approval import Vote
from concertmaster.contracts.decision import ReviewNeed
from concertmaster.contracts.html import Listed
from concertmaster.graphs.problems import Problem
from concertmaster.models.registry import Choice
from concertmaster.models.router import Ranking
from concertmaster.models.spec import ModelSpec
from concertmaster.orchestrator.doctor import Examined, Finding
from concertmaster.orchestrator.retention.report import Kept, Pruned, PruneReport
from concertmaster.orchestrator.run import Run
from concertmaster.retrieval.documents import Skipped
from concertmaster.retrieval.ingest import IngestReport

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & </details></div>\u202e"
START = datetime(2026, 3, 16, 9, tzinfo=UTC)
ALLOWED = {"div", "p", "b", "i", "code", "span", "br", "table", "tr", "td", "details", "summary"}


def approval(**changed) -> Approval:
    value = {"note": HOSTILE, "amount_cents": 100}
    action = Action(position=0, step="executor", tool="pay", arguments=value, key="p", why=HOSTILE)
    given = {
        "id": "apr-1", "run": "run-1", "thread": HOSTILE, "position": 0, "action": action,
        "requester": HOSTILE, "digest": "sha256:0", "needs": (ReviewNeed(role="finance"),),
        "reasons": (HOSTILE,), "created": START.isoformat(),
    }  # fmt: skip
    return Approval(**{**given, **changed})


def event(after: timedelta, **data) -> AuditEvent:
    time = (START + after).isoformat()
    return AuditEvent(
        id="e", time=time, type="route.hop", workspace="w", actor=HOSTILE, why=HOSTILE, data=data
    )


def run(**changed) -> Run:
    cited = Citation(number=1, document=HOSTILE, version="1", title=HOSTILE, start=0, end=1)
    outcome = Outcome(
        status="escalated", text=HOSTILE, citations=(cited,), owner=HOSTILE, cause=HOSTILE
    )
    given = {
        "id": "run-1", "thread": HOSTILE, "principal": HOSTILE, "text": HOSTILE,
        "status": "escalated", "outcome": outcome, "pending": (approval(),),
        "events": (event(timedelta(0), to=HOSTILE),),
    }  # fmt: skip
    return Run(**{**given, **changed})


class Strict(HTMLParser):
    """Closes what it opens, knows only the tags that a card is made of, and fetches nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag in ALLOWED, tag
        assert [name for name, _ in attrs] in ([], ["style"])
        assert "url(" not in dict(attrs).get("style", "")
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def everything() -> list[object]:
    """Return one of each kind that people touch, every text of it hostile."""
    passage = Evidence(
        number=1, document=HOSTILE, version="1", title=HOSTILE, section=HOSTILE, text=HOSTILE,
        start=0, end=1, score=0.5, readers=("*",),
    )  # fmt: skip
    finding = Finding(
        code="run.x", severity="problem", kind="run", id=HOSTILE, what=HOSTILE, mend=HOSTILE
    )
    need = (ReviewNeed(role=HOSTILE),)
    spec = ModelSpec(name=HOSTILE, provider="url", base_url=HOSTILE, options={HOSTILE: HOSTILE})
    thread = {"id": HOSTILE, "runs": 1, "status": HOSTILE, "tenant": None}
    pruned = Pruned(what=HOSTILE, rules=(HOSTILE,), kept=(Kept(number=1, why=HOSTILE),))
    skipped = (Skipped(source=HOSTILE, why=HOSTILE), Skipped(source=HOSTILE, why=HOSTILE))
    problem = Problem(code="x", file=HOSTILE, line=1, message=HOSTILE, hint=HOSTILE)
    return [
        run(), approval(), run().outcome, passage, event(timedelta(0), to=HOSTILE),
        approval().action, cm.Principal(id=HOSTILE, roles=(HOSTILE,)), spec,
        Allow(call="c", policies=(HOSTILE,), reasons=(HOSTILE,), duties=(Redact(field=HOSTILE),)),
        Review(call="c", policies=(HOSTILE,), reasons=(HOSTILE,), needs=need), Deny(call=HOSTILE),
        Choice(None, HOSTILE), Ranking(passed={HOSTILE: HOSTILE}, why=HOSTILE),
        IngestReport(skipped=skipped), Examined(home=Path(HOSTILE), findings=(finding, finding)),
        PruneReport(dry_run=True, at=HOSTILE, pruned=(pruned, pruned)),
        Listed([run()]), Listed([approval()] * 99), Listed([event(timedelta(0))] * 999),
        Listed([thread] * 99), Listed([passage]), Listed([finding] * 99), Listed([problem]),
        Listed([HOSTILE, 1, None, {"a": HOSTILE}]), Listed(),
    ]  # fmt: skip


@pytest.mark.parametrize("shown", everything(), ids=lambda shown: type(shown).__name__)
def test_everything_is_shown_bounded_and_without_marks_that_nobody_sees(shown):
    page = shown._repr_html_()
    assert len(page) < 600_000
    assert "\u202e" not in page
    assert "\u202e" not in repr(shown)
    if not isinstance(shown, Listed):
        assert len(repr(shown)) < 4000


def test_long_text_and_many_items_are_cut_with_a_word_about_it():
    long = Outcome(status="failed", cause="x" * 100_000)._repr_html_()
    assert len(long) < 1500
    assert "x…" in long
    asked = cm.Principal(id="ana", roles=tuple(f"r{n}" for n in range(100)))._repr_html_()
    assert "r19, …" in asked
    many = Listed([{"id": str(n)} for n in range(1000)])._repr_html_()
    assert "and 950 more" in many


def test_list_stays_a_list_in_every_other_way():
    listed = Listed([1, 2])
    assert listed == [1, 2]
    assert repr(listed) == "[1, 2]"
    assert json.dumps(listed) == "[1, 2]"


async def test_desk_shows_what_it_is_for_and_what_it_can_do(desk):
    page = desk._repr_html_()
    assert "refunds" in page
    assert "get_order, refund" in page
    assert repr(desk) == "<Desk 'refunds'>"
    assert await desk.threads() == []
    await desk.run("refund order 7, 20 EUR", principal="ana", thread="t-1")
    for listed in (await desk.threads(), await desk.history("t-1"), await desk.events(run="x")):
        assert isinstance(listed, Listed)


@pytest.mark.parametrize("shown", everything(), ids=lambda shown: type(shown).__name__)
def test_what_others_wrote_is_shown_as_text_only(shown):
    parser = Strict()
    parser.feed(shown._repr_html_())
    parser.close()
    assert parser.open == []


def test_marks_that_reorder_text_are_made_visible_to_reviewers():
    arguments = {"iban": "NL\u202e00\u202c", "to\u200bo": "a\nb", "name": "Chloé 林"}
    action = approval().action.model_copy(update={"arguments": arguments})
    card = approval(action=action)._repr_html_()
    assert not set(card) & {"\u202e", "\u202c", "\u200b"}
    assert "NL\\u202e00\\u202c" in card
    assert "to\\u200bo" in card
    assert "Chloé 林" in card


def test_card_of_an_approval_tells_who_is_waited_for_and_who_answered():
    waiting = approval(needs=(ReviewNeed(role="risk", count=2),))._repr_html_()
    assert "waits for 2 × risk" in waiting
    votes = (
        Vote(by="li", role="finance", answer=Approve(), at=START.isoformat()),
        Vote(by="dora", role="manager", answer=Reject(), at=START.isoformat()),
    )
    decided = approval(status="rejected", votes=votes)._repr_html_()
    assert "waits" not in decided
    assert "li (finance): approve" in decided
    assert "dora (manager): reject" in decided


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (timedelta(milliseconds=18), "18&nbsp;ms"),
        (timedelta(seconds=2.5), "2.5&nbsp;s"),
        (timedelta(minutes=90), "90.0&nbsp;min"),
        (timedelta(hours=30), "30.0&nbsp;h"),
        (timedelta(days=9), "9.0&nbsp;d"),
    ],
)
def test_timeline_counts_from_the_first_event(after, told):
    events = (event(timedelta(0)), event(after, to="critic"))
    page = run(events=events, pending=())._repr_html_()
    assert "Timeline: 2 events" in page
    assert ">0&nbsp;ms<" in page
    assert f">{told}<" in page
    assert "→ critic" in page


def test_source_is_named_once_however_often_it_is_cited():
    cited = [
        Citation(number=n, document=f"doc-{n}", version="1", title="T", start=s, end=s + 1)
        for n, s in ((2, 0), (1, 0), (1, 5))
    ]
    outcome = Outcome(status="answered", text="x", citations=tuple(cited))
    page = run(status="answered", outcome=outcome, pending=())._repr_html_()
    assert re.findall(r"doc-\d", page) == ["doc-1", "doc-2"]


def test_card_of_a_bare_run_holds_no_empty_parts():
    bare = run(status="queued", outcome=Outcome(status="queued"), pending=(), events=())
    page = bare._repr_html_()
    assert "queued" in page
    assert "<details" not in page
    assert page.count("<p") == 1
