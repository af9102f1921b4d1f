"""Who sees what in the queue, and what a page says."""

import re


async def test_strangers_are_led_to_the_sign_in_and_back(app, keys, browser):
    stranger = await browser()
    response = await stranger.get("/console/history?text=a")
    assert response.status_code == 303
    assert response.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fhistory%3Ftext%3Da"
    page = await stranger.get(response.headers["location"])
    assert 'value="/console/history?text=a"' in page.text
    done = await stranger.post("/console/sign-in", {"key": keys["li"], "next": "/console/history"})
    assert done.headers["location"] == "/console/history"


async def test_sign_in_leads_to_no_other_place(keys, browser):
    for place in (
        "https://evil.example",
        "//evil.example",
        "/console/..//evil",
        "/console\\@e",
        "/",
    ):
        stranger = await browser()
        done = await stranger.post("/console/sign-in", {"key": keys["li"], "next": place})
        assert done.headers["location"] == "/console", place


async def test_wrong_keys_are_refused_in_words(browser, keys):
    stranger = await browser()
    for key in ("", "nonsense", keys["li"][:-1] + "x", "once_" + "a" * 43):
        response = await stranger.post("/console/sign-in", {"key": key})
        assert response.status_code == 401
        assert 'role="alert"' in response.text
        assert "set-cookie" not in response.headers
        assert key == "" or key not in response.text


async def test_sign_in_sent_by_another_page_is_refused(keys, browser):
    stranger = await browser()
    for headers in (
        {"origin": "https://evil.example", "sec-fetch-site": None},
        {"sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": None},
        {"origin": "null", "sec-fetch-site": None},
    ):
        response = await stranger.post("/console/sign-in", {"key": keys["li"]}, **headers)
        assert response.status_code == 403, headers
        assert "set-cookie" not in response.headers


async def test_sign_out_ends_the_session(browser):
    li = await browser("li")
    assert (await li.get("/console")).status_code == 200
    cookies = dict(li.client.cookies)
    response = await li.post("/console/sign-out")
    assert response.headers["location"] == "/console/sign-in"
    li.client.cookies.update(cookies)
    assert (await li.get("/console")).status_code == 303


async def test_queue_holds_what_one_may_decide(browser, asked):
    run = await asked("please make the payout for order 7")
    id_ = run.pending[0].id
    li = await browser("li")
    page = (await li.get("/console")).text
    assert id_ in page
    assert "1 call waits for your decision" in page
    assert "more than 50.00 is looked at by finance" in page
    for who in ("ana", "ben", "sam", "olga"):
        other = await browser(who)
        page = (await other.get("/console")).text
        assert id_ not in page, who
        assert "Nothing waits for you" in page


async def test_own_requests_are_shown_as_not_for_oneself(browser, asked):
    await asked("please make the payout for order 7", "li")
    page = (await (await browser("li")).get("/console")).text
    assert "your own request" in page
    assert "Nothing waits for you" in page
    assert "Take on" not in page


async def test_filters_narrow_the_queue(browser, asked):
    first = (await asked("please make the payout for order 7", "ana")).pending[0].id
    second = (
        (await asked("please make the payout of 90 EUR for order 8, note: broken lamp", "ben"))
        .pending[0]
        .id
    )
    li = await browser("li")
    for query, there in (
        ("requester=ana", {first}),
        ("requester=ben", {second}),
        ("text=LAMP", {second}),
        ("tool=pay_out", {first, second}),
        ("tool=other", set()),
        ("role=finance", {first, second}),
        ("role=manager", set()),
        ("text=nothing+like+this", set()),
        ("workflow=payouts&text=" + first, {first}),
    ):
        page = (await li.get(f"/console?{query}")).text
        found = set(re.findall(r'id="row-(apr-[0-9a-f]+)"', page))
        assert found == there, query


async def test_what_is_due_next_comes_first(browser, asked):
    later = (await asked("please make the payout for order 7")).pending[0].id
    due = (await asked("please make the payout of 2000 EUR for order 8")).pending[0].id
    page = (await (await browser("li")).get("/console")).text
    assert page.index(due) < page.index(later)
    assert re.search(r'data-due="2\d{3}-[^"]+"[^>]*>1 h 59 min left<', page)


async def test_taking_on_and_letting_go(browser, asked, desk):
    id_ = (await asked("please make the payout for order 7")).pending[0].id
    li, mats = await browser("li"), await browser("mats")
    done = await li.post(f"/console/approvals/payouts/{id_}/claim", {"back": "queue"})
    assert (done.status_code, done.headers["location"]) == (303, "/console")
    assert "Taken by you" in (await li.get("/console")).text
    # Filters are still there afterwards; nothing else comes along.
    form = {"back": "queue", "query": "text=pay&to=//evil.example"}
    done = await li.post(f"/console/approvals/payouts/{id_}/claim", form)
    assert done.headers["location"] == "/console?text=pay"
    assert "taken by li" in (await mats.get("/console")).text
    page = await mats.get(f"/console/approvals/payouts/{id_}")
    assert "is claimed by li" in page.text
    refused = await mats.post(f"/console/approvals/payouts/{id_}/release")
    assert refused.status_code == 403
    assert "mats has no claim on approval" in refused.text
    await li.post(f"/console/approvals/payouts/{id_}/release")
    assert (await desk.services.approvals.get(id_)).claims == ()


async def test_history_tells_who_decided_and_why(browser, asked):
    id_ = (await asked("please make the payout for order 7")).pending[0].id
    li = await browser("li")
    assert id_ not in (await li.get("/console/history")).text
    where = f"/console/approvals/payouts/{id_}"
    seen = await li.seen(where)
    form = {"answer": "reject", "seen": seen, "reason": "paid last week"}
    assert (await li.post(f"{where}/decide", form)).status_code == 303
    page = (await li.get("/console/history?status=rejected")).text
    assert id_ in page
    assert "li: reject, “paid last week”" in page
    assert id_ not in (await li.get("/console/history?status=approved")).text
    assert id_ not in (await (await browser("ben")).get("/console/history")).text


async def test_no_page_is_kept_or_framed(browser, asked):
    run = await asked("please make the payout for order 7")
    li = await browser("li")
    for path in (
        "/console",
        "/console/history",
        "/console/threads",
        "/console/dashboard",
        "/console/nowhere",
        f"/console/approvals/payouts/{run.pending[0].id}",
        f"/console/threads/payouts/{run.id}",
    ):
        response = await li.get(path)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        # What the policy forbids is not there to begin with.
        assert not re.search(r"<style|<script(?! src=)|\sstyle=|\son[a-z]+=", response.text), path
        assert not re.search(r'(?:href|src|action)="(?!/console|#)', response.text), path
