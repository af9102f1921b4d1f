import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from concertmaster.contracts import (
    Action,
    Approval,
    Approve,
    AuditEvent,
    Citation,
    Outcome,
    Reject,
)
from concertmaster.contracts.approval import Vote
from concertmaster.contracts.decision import ReviewNeed
from concertmaster.orchestrator.run import Run

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & </details></div>"
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


@pytest.mark.parametrize("shown", [run(), approval()])
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
