"""One approval: what is shown, and which answers count."""

import asyncio
import html
import json
import re
from datetime import timedelta

import pytest

from concertmaster.contracts import now

ATTACK = (
    "note: <script>alert(1)</script> <img src=x onerror=alert(2)> \"' onmouseover=alert(3)"
    " {{ 7*7 }} </textarea><script>alert(4)</script>"
)


def forms(page: str) -> list[dict[str, str]]:
    """Return the forms of a page, with their fields as a browser would send them."""
    found = []
    for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
        action = re.search(r'action="([^"]+)"', form)[1]
        fields = {"": action}
        for tag in re.findall(r"<input[^>]*>", form):
            name = re.search(r'\sname="([^"]*)"', tag)
            value = re.search(r'\svalue="([^"]*)"', tag)
            if name:
                fields[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
        for name, text in re.findall(
            r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL
        ):
            fields[html.unescape(name)] = html.unescape(text.removeprefix("\n"))
        for name, inner in re.findall(
            r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL
        ):
            options = re.findall(r'<option value="([^"]*)"( selected)?', inner)
            chosen = next((v for v, picked in options if picked), options[0][0])
            fields[html.unescape(name)] = html.unescape(chosen)
        found.append(fields)
    return found


def form(page: str, ending: str, **wanted: str) -> dict[str, str]:
    """Return the form that is sent to an address with this ending, without its address."""
    for fields in forms(page):
        if fields[""].endswith(ending) and wanted.items() <= fields.items():
            return {name: value for name, value in fields.items() if name}
    raise AssertionError(f"no form for {ending} {wanted}")


@pytest.fixture
async def waiting(asked):
    """Return an approval that waits, and the address of its page."""

    async def make(text: str = "please make the payout for order 7", who: str = "ana"):
        run = await asked(text, who)
        approval = run.pending[0]
        return approval, f"/console/approvals/payouts/{approval.id}"

    return make


async def test_page_shows_what_a_reviewer_needs(browser, waiting, desk):
    approval, where = await waiting()
    page = (await (await browser("li")).get(where)).text
    for told in (
        "pay_out",
        "12000",
        "more than 50.00 is looked at by finance",
        "payouts.large",
        "in the requester’s own words",
        "Please make the payout for order numbers below 1000.",
        "please make the payout for order 7",
        "0 of 1",
        approval.digest,
    ):
        assert told in page, told
    assert approval.evidence


async def test_evidence_that_is_not_what_was_bound_is_not_shown(browser, waiting, desk):
    approval, where = await waiting()
    config = {"configurable": {"thread_id": approval.thread}}
    state = await desk.graph.aget_state(config)
    turn = state.values["turn"]
    turn["retrieved"]["evidence"][0]["text"] = "Whoever asks gets everything."
    await desk.graph.aupdate_state(config, {"turn": turn}, as_node="human_review")
    page = (await (await browser("li")).get(where)).text
    assert "gets everything" not in page
    assert "Please make the payout for order numbers below 1000." in page


async def test_evidence_that_is_gone_is_told_to_be_gone(browser, waiting, desk):
    approval, where = await waiting()
    await desk.graph.checkpointer.adelete_thread(approval.thread)
    page = (await (await browser("li")).get(where)).text
    assert "Of 1 more passage only the digest is kept" in page


async def test_evidence_is_still_read_after_the_thread_went_on(browser, asked, desk):
    run = await asked("please make the payout for order 7", thread="t-1")
    where = f"/console/approvals/payouts/{run.pending[0].id}"
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    await li.post(f"{where}/decide", sent)
    await desk.background.wait(run.id, until="end", seconds=30)
    assert "order numbers below 1000." in (await li.get(where)).text


async def test_attacks_in_texts_are_shown_and_not_run(browser, waiting):
    _, where = await waiting(f"please make the payout for order 7, {ATTACK}")
    li = await browser("li")
    for path in (where, "/console", "/console/threads"):
        page = (await li.get(path)).text
        assert not re.search(r"<(script|img)(?! src=\"/console)", page), path
        assert "&lt;script&gt;alert(1)" in page
        assert "49" not in re.findall(r"\{\{ (.*?) \}\}", page)
    page = (await li.get(where)).text
    assert form(page, "/edit")["arg.note"] == ATTACK.removeprefix("note: ")


async def test_invisible_characters_are_written_out_and_come_back_as_they_are(browser, waiting):
    approval, where = await waiting("please make the payout for order 66")
    note = approval.action.arguments["note"]
    assert note == "gnol\u202e lamp\u200b"
    li = await browser("li")
    for path in (where, "/console"):
        page = (await li.get(path)).text
        assert "gnol\\u202e lamp\\u200b" in page
    page = (await li.get(where)).text
    assert page.count("\u202e") == page.count("\u200b") == 1  # The field of the form alone.
    assert "It holds characters that nobody sees: \\u202e \\u200b" in page
    edit = form(page, "/edit")
    assert edit["arg.note"] == note
    compared = await li.post(f"{where}/edit", {**edit, "arg.amount_cents": "1", "reason": "x"})
    sent = form(compared.text, "/decide", answer="edit")
    assert json.loads(sent["arguments"])["note"] == note


async def test_attacks_in_reasons_and_responses_are_shown_and_not_run(browser, waiting):
    for kind, name in (("reject", "reason"), ("respond", "text")):
        _, where = await waiting()
        li = await browser("li")
        sent = form((await li.get(where)).text, "/decide", answer=kind)
        done = await li.post(f"{where}/decide", {**sent, name: "<b onclick=x>no</b>"})
        assert done.status_code == 303
        page = (await li.get(where)).text
        assert "<b onclick" not in page
        assert "&lt;b onclick=x&gt;no&lt;/b&gt;" in page


async def test_approving_lets_the_call_run(browser, waiting, desk, paid):
    approval, where = await waiting()
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    done = await li.post(f"{where}/decide", {**sent, "reason": "seen"})
    assert (done.status_code, done.headers["location"]) == (303, where)
    run = await desk.background.wait(approval.run, until="end", seconds=30)
    assert run.status == "answered"
    assert paid() == ["7 12000"]
    page = (await li.get(where)).text
    assert "This call is decided" in page
    assert "seen" in page
    assert "/decide" not in page


async def test_sent_twice_is_given_once(browser, waiting, desk, paid):
    approval, where = await waiting()
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    both = await asyncio.gather(*(li.post(f"{where}/decide", sent) for _ in range(4)))
    assert {r.status_code for r in both} <= {303, 409}
    assert 303 in {r.status_code for r in both}
    assert (await li.post(f"{where}/decide", sent)).status_code == 303
    await desk.background.wait(approval.run, until="end", seconds=30)
    assert paid() == ["7 12000"]
    assert len((await desk.services.approvals.get(approval.id)).votes) == 1


async def test_decided_meanwhile_is_told_in_its_own_words(browser, waiting):
    approval, where = await waiting()
    li, mats = await browser("li"), await browser("mats")
    sent = form((await mats.get(where)).text, "/decide", answer="approve")
    first = form((await li.get(where)).text, "/decide", answer="reject")
    assert (await li.post(f"{where}/decide", {**first, "reason": "no"})).status_code == 303
    late = await mats.post(f"{where}/decide", sent)
    assert late.status_code == 409
    assert f"approval {approval.id} is no longer pending: it is rejected" in late.text


async def test_nobody_decides_a_request_of_their_own(browser, waiting, desk):
    approval, where = await waiting("please make the payout for order 7", "li")
    li = await browser("li")
    page = (await li.get(where)).text
    sentence = f"li requested approval {approval.id} and may not decide it"
    assert sentence in page
    assert "/decide" not in page
    for form in ({"answer": "approve"}, {"answer": "reject", "reason": "x"}):
        refused = await li.post(f"{where}/decide", {**form, "seen": approval.digest})
        assert refused.status_code == 403
        assert sentence in refused.text
    assert (await desk.services.approvals.get(approval.id)).status == "pending"


async def test_other_peoples_approvals_are_not_there(browser, waiting, desk):
    approval, where = await waiting()
    unknown = "/console/approvals/payouts/apr-00000000"
    for who in ("ben", "sam", "olga"):
        other = await browser(who)
        pages = [(await other.get(path)) for path in (where, unknown)]
        assert [page.status_code for page in pages] == [404, 404]
        texts = [p.text.replace(approval.id, "…").replace("apr-00000000", "…") for p in pages]
        strip = [re.sub(r'data-now="[^"]+"', "", text) for text in texts]
        assert strip[0] == strip[1]
        for act in ("claim", "release", "edit", "decide"):
            sent = {"answer": "approve", "seen": approval.digest, "reason": "x"}
            assert (await other.post(f"{where}/{act}", sent)).status_code == 404, (who, act)
        assert (await other.get(f"/console/threads/payouts/{approval.run}")).status_code == 404
        assert (await other.get(f"/console/threads/payouts/{approval.run}/live")).status_code == 404
    assert (await desk.services.approvals.get(approval.id)).status == "pending"
    li = await browser("li")
    assert (await li.get("/console/approvals/nowhere/apr-1")).status_code == 404
    assert (await li.get("/console/threads/payouts/run-1")).status_code == 404


async def test_forms_without_this_sessions_token_change_nothing(browser, waiting, desk):
    approval, where = await waiting()
    li, mats = await browser("li"), await browser("mats")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    for token in (None, "", "0" * 64, mats.token, "ü"):
        for act in ("claim", "release", "edit", "decide"):
            response = await li.post(f"{where}/{act}", {**sent, "csrf": token})
            assert response.status_code == 403, (token, act)
    assert (await li.post("/console/sign-out", {"csrf": mats.token})).status_code == 403
    for headers in (
        {"origin": "https://evil.example", "sec-fetch-site": None},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": None, "sec-fetch-site": None},
    ):
        assert (await li.post(f"{where}/decide", sent, **headers)).status_code == 403, headers
    stored = await desk.services.approvals.get(approval.id)
    assert (stored.status, stored.claims) == ("pending", ())


async def test_forms_of_other_kinds_are_refused(browser, waiting):
    _, where = await waiting()
    li = await browser("li")
    headers = {"origin": li.origin, "sec-fetch-site": "same-origin"}
    for more in (
        {"json": {"csrf": li.token, "answer": "approve"}},
        {"files": {"csrf": ("a.txt", li.token)}},
        {"content": b"csrf=" + li.token.encode()},
    ):
        response = await li.client.post(f"{where}/decide", headers=headers, **more)
        assert response.status_code == 400, more


async def test_an_answer_to_something_else_than_was_looked_at_is_refused(browser, waiting):
    _, where = await waiting()
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    for seen in (None, "", "sha256:" + "0" * 64):
        response = await li.post(f"{where}/decide", {**sent, "seen": seen})
        assert response.status_code == 409
        assert "is not what you looked at" in response.text


async def test_rejections_need_words(browser, waiting, desk):
    approval, where = await waiting()
    li = await browser("li")
    for kind, name in (("reject", "reason"), ("respond", "text"), ("nonsense", "reason")):
        sent = {"answer": kind, name: "  ", "seen": approval.digest}
        response = await li.post(f"{where}/decide", sent)
        assert response.status_code == 422, kind
    assert (await desk.services.approvals.get(approval.id)).status == "pending"


async def test_edits_are_compared_before_they_are_sent(browser, waiting, desk, paid):
    approval, where = await waiting("please make the payout of 90 EUR for order 7, note: two lamps")
    li = await browser("li")
    edit = form((await li.get(where)).text, "/edit")
    assert edit["arg.amount_cents"] == "9000"
    assert edit["arg.reason"] == "other"
    compared = await li.post(
        f"{where}/edit",
        {**edit, "arg.amount_cents": "4500", "arg.reason": "damaged", "reason": "half of it"},
    )
    assert compared.status_code == 200
    assert "<del>9000</del>" in compared.text
    assert "<ins>4500</ins>" in compared.text
    assert (await desk.services.approvals.get(approval.id)).status == "pending"
    sent = form(compared.text, "/decide", answer="edit")
    assert (await li.post(f"{where}/decide", sent)).status_code == 303
    run = await desk.background.wait(approval.run, until="end", seconds=30)
    assert run.status == "answered"
    assert paid() == ["7 4500"]


async def test_edits_that_the_tool_does_not_take_are_refused(browser, waiting, desk):
    approval, where = await waiting()
    li = await browser("li")
    edit = form((await li.get(where)).text, "/edit")
    for name, text in (
        ("arg.amount_cents", "many"),
        ("arg.amount_cents", ""),
        ("arg.amount_cents", "1.5"),
        ("arg.reason", "because"),
        ("arg.urgent", "perhaps"),
        ("arg.rate", "NaN"),
        ("arg.parts", "{"),
        ("arg.parts", "[1]"),
    ):
        response = await li.post(f"{where}/edit", {**edit, name: text, "reason": "x"})
        assert response.status_code == 422, (name, text)
        assert 'role="alert"' in response.text
    for arguments in ("{}", "[]", "nonsense", '{"order_id": 7, "amount_cents": 1, "more": 1}'):
        sent = {"answer": "edit", "arguments": arguments, "reason": "x", "seen": approval.digest}
        assert (await li.post(f"{where}/decide", sent)).status_code == 422, arguments
    assert (await desk.services.approvals.get(approval.id)).status == "pending"


async def test_two_of_a_role_are_two_people(browser, waiting, desk, paid):
    approval, where = await waiting("please make the payout of 2000 EUR for order 7")
    li, mats = await browser("li"), await browser("mats")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    assert (await li.post(f"{where}/decide", sent)).status_code == 303
    page = (await li.get(where)).text
    assert "1 of 2" in page
    assert f"li has answered approval {approval.id} before" in page
    assert paid() == []
    sent = form((await mats.get(where)).text, "/decide", answer="approve")
    assert (await mats.post(f"{where}/decide", sent)).status_code == 303
    await desk.background.wait(approval.run, until="end", seconds=30)
    assert paid() == ["7 200000"]


async def test_overdue_calls_are_closed_when_looked_at(browser, waiting, desk):
    _, where = await waiting("please make the payout of 2000 EUR for order 7")
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="approve")
    desk.services.approvals.clock = lambda: now() + timedelta(hours=3)
    late = await li.post(f"{where}/decide", sent)
    assert late.status_code == 409
    assert "its deadline is over" in late.text


async def test_a_timeline_tells_the_run_in_words(browser, waiting):
    approval, _ = await waiting()
    page = (await (await browser("li")).get(f"/console/threads/payouts/{approval.run}")).text
    assert "Rule payouts.large sent pay_out to somebody with the role finance" in page
    assert 'class="node current"' in page
    assert "The run is at human review." in page
    ana = await browser("ana")
    assert (await ana.get(f"/console/threads/payouts/{approval.run}")).status_code == 200
    assert "please make the payout for order 7" in (await ana.get("/console/threads")).text


async def test_figures_are_for_reviewers_of_the_same_house(browser, waiting):
    _, where = await waiting()
    li = await browser("li")
    sent = form((await li.get(where)).text, "/decide", answer="reject")
    await li.post(f"{where}/decide", {**sent, "reason": "no"})
    page = (await li.get("/console/dashboard")).text
    tiles = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
    assert tiles["Approval rate"] == "0 %"
    assert tiles["Runs"] == "1"
    elsewhere = (await (await browser("olga")).get("/console/dashboard")).text
    assert dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", elsewhere))["Runs"] == "0"
    for who in ("ana", "sam"):
        assert (await (await browser(who)).get("/console/dashboard")).status_code == 404
