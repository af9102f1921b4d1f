"""The console in a real Chromium: what people see and do, by mouse and by keys."""

import asyncio
import contextlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from openai import AsyncOpenAI
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from concertmaster.contracts import Approve, Principal
from concertmaster.serving.app import create_app

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000
"""Milliseconds; machines may be busy."""

expect.set_options(timeout=PATIENCE)


def chromium_of(found: str | None, required: bool) -> str:
    """Return the path of a Chromium; skip without one, unless there has to be one."""
    if found is None:
        reason = "no Chromium here; `python scripts/chromium.py` finds or installs one"
        if required:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def finder():
    """Return the script that finds a Chromium."""
    place = Path(__file__).resolve().parents[3] / "scripts" / "chromium.py"
    spec = importlib.util.spec_from_file_location("chromium", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Looked at here, because tests run without the environment's own settings.
FOUND = finder().find()
REQUIRED = os.environ.get("CONCERTMASTER_REQUIRE_BROWSER") == "1"


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Start a browser without a window."""
    path = chromium_of(FOUND, REQUIRED)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGS)
        try:
            yield browser
        finally:
            await browser.close()


def test_without_a_browser_tests_are_skipped_unless_there_has_to_be_one(monkeypatch, tmp_path):
    monkeypatch.setenv("CONCERTMASTER_CHROMIUM", str(tmp_path / "nothing"))
    assert finder().find() is None
    with pytest.raises(pytest.skip.Exception):
        chromium_of(None, required=False)
    with pytest.raises(pytest.fail.Exception):
        chromium_of(None, required=True)
    assert chromium_of("/usr/bin/chromium", required=True) == "/usr/bin/chromium"


@pytest.fixture
async def url(app, keys, serve) -> str:
    """Serve the app; return its address."""
    return await serve(app)


@pytest.fixture
async def window(chromium: Browser, url: str, keys, caplog) -> AsyncIterator:
    """Return what opens a window of somebody's own: `page = await window("li")`.

    What breaks the content security policy, every error in a window's console and every error of
    the server fails the test.
    """
    complaints: list[str] = []
    open_: list[BrowserContext] = []

    async def make(who: str | None = None, **how) -> Page:
        context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
        context.set_default_timeout(PATIENCE)
        open_.append(context)
        page = await context.new_page()
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{url}/console")
        if who is not None:
            await page.get_by_label("API key or one-time code").fill(keys[who])
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        return page

    make.complaints = complaints
    yield make
    for context in open_:
        with contextlib.suppress(Exception):
            await context.close()
    assert complaints == []
    # Windows that were closed left nothing behind in the server.
    assert [r.getMessage() for r in caplog.records if r.name == "concertmaster.serving"] == []


async def wide(page: Page) -> bool:
    """Tell whether a page is wider than its window."""
    return await page.evaluate("document.documentElement.scrollWidth > innerWidth")


async def test_edited_compared_approved_and_seen_to_end(window, asked, paid):
    run = await asked("please make the payout for order 7")
    page = await window("li")
    await expect(page.get_by_text("1 call waits for your decision")).to_be_visible()
    await page.get_by_role("link", name="pay_out").click()
    await expect(page.get_by_text("More than 50.00 is looked at by finance")).to_be_visible()
    await page.locator("summary", has_text="Edit").click()
    await page.get_by_label("Amount Cents").fill("4500")
    await page.locator("#why-edit").fill("half of it")
    await page.get_by_role("button", name="Show the changes").click()
    await expect(page.locator("del")).to_have_text("12000")
    await expect(page.locator("ins")).to_have_text("4500")
    assert paid() == []

    watching = await window("ana")
    await watching.goto(f"{page.url.partition('/console')[0]}/console/threads/payouts/{run.id}")
    await expect(watching.locator(".node.current")).to_have_text("human review")
    await page.get_by_role("button", name="Send the edited call").click()
    await expect(page.get_by_text("This call is decided")).to_be_visible()
    # Nobody loads this page again: it hears of it.
    await expect(watching.locator("#run-status")).to_contain_text("answered")
    await expect(watching.locator(".node.current")).to_have_text("finish")
    await expect(watching.get_by_text("Paid 45.00 EUR for order 7.")).to_be_visible()
    assert paid() == ["7 4500"]


async def test_rejected_with_a_reason(window, asked, desk, paid):
    run = await asked("please make the payout for order 7")
    page = await window("li")
    await page.get_by_role("link", name="pay_out").click()
    await page.locator("summary", has_text="Reject").click()
    await page.locator("#why-reject").fill("it was paid in May")
    await page.get_by_role("button", name="Reject").click()
    await expect(page.locator("#standing")).to_contain_text("rejected")
    await page.get_by_role("link", name="History").click()
    await expect(page.get_by_text("it was paid in May")).to_be_visible()
    ended = await desk.background.wait(run.id, until="end", seconds=30)
    assert "it was paid in May" in ended.outcome.text
    assert paid() == []


async def test_queue_hears_of_new_calls_and_of_decisions(window, asked, desk):
    page = await window("li")
    await expect(page.get_by_text("Everything is decided")).to_be_visible()
    run = await asked("please make the payout for order 7")
    await expect(page.get_by_role("link", name="pay_out")).to_be_visible()
    await expect(page.locator("#live-note")).to_have_text("1 call waits in your queue")
    await page.get_by_role("button", name="Take").click()
    await expect(page.get_by_text("Taken by you")).to_be_visible()
    await desk.background.answer(run.pending[0].id, Approve(), principal=_finance("li"))
    await expect(page.get_by_text("Everything is decided")).to_be_visible()


async def test_decided_by_somebody_else_while_one_looks(window, asked, desk):
    run = await asked("please make the payout for order 7")
    page = await window("li")
    await page.get_by_role("link", name="pay_out").click()
    await page.locator("#why-approve").fill("a thought that must not get lost")
    await desk.background.answer(run.pending[0].id, Approve(), principal=_finance("mats"))
    await expect(page.locator("#standing")).to_contain_text("This call is decided")
    await expect(page.get_by_role("button", name="Approve")).to_be_disabled()
    await expect(page.locator("#why-approve")).to_have_value("a thought that must not get lost")


async def test_forms_come_when_somebody_elses_claim_ends(window, asked, desk):
    run = await asked("please make the payout for order 7")
    id_ = run.pending[0].id
    await desk.claim(id_, principal=_finance("mats"))
    page = await window("li")
    await page.get_by_role("link", name="pay_out").click()
    await expect(page.get_by_text("is claimed by mats")).to_be_visible()
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    await desk.release(id_, principal=_finance("mats"))
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()


async def test_filters_work_while_one_types(window, asked):
    await asked("please make the payout for order 7")
    await asked("please make the payout for order 8, note: a broken lamp", "ben")
    page = await window("li")
    await expect(page.locator(".row")).to_have_count(2)
    await page.get_by_label("Search").press_sequentially("lamp")
    await expect(page.locator(".row")).to_have_count(1)
    await expect(page).to_have_url(re.compile("text=lamp"))
    await page.reload()
    await expect(page.get_by_label("Search")).to_have_value("lamp")
    await expect(page.locator(".row")).to_have_count(1)


async def test_an_error_leaves_the_page_as_it_is(window, asked):
    await asked("please make the payout for order 7")
    page = await window("li")
    await page.route("**/console?text=*", lambda route: route.fulfill(status=500, body="{}"))
    await page.get_by_label("Search").press_sequentially("lamp")
    await page.wait_for_timeout(1000)
    await expect(page.locator(".row")).to_have_count(1)
    assert any("500" in text for text in window.complaints)
    window.complaints.clear()


async def test_who_may_no_longer_look_is_led_out(window, asked, app):
    await asked("please make the payout for order 7")
    page = await window("li")
    await page.get_by_label("Search").focus()
    await app.state.identity.store.disable("li", by="root")
    await page.keyboard.press("l")  # One key: the page may be gone before a second.
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    window.complaints.clear()  # The browser tells of the status 401.


async def test_everything_can_be_done_by_keys(window, asked, paid, desk, keys):
    run = await asked("please make the payout for order 7")
    page = await window()
    await expect(page.get_by_label("API key or one-time code")).to_be_focused()
    await page.keyboard.type(keys["li"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="pay_out")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Decision")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.locator("#why-reject")).to_be_focused()
    await page.keyboard.type("a and r in a field are letters")
    await expect(page.locator("#why-reject")).to_have_value("a and r in a field are letters")
    await page.keyboard.press("Escape")
    await page.keyboard.press("a")
    await expect(page.locator("#why-approve")).to_be_focused()
    assert (await desk.services.approvals.get(run.pending[0].id)).status == "pending"
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Approve")).to_be_focused()
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("This call is decided")).to_be_visible()
    await desk.background.wait(run.id, until="end", seconds=30)
    assert paid() == ["7 12000"]


async def test_keys_can_be_turned_off(window, asked):
    await asked("please make the payout for order 7")
    page = await window("li")
    await page.get_by_role("button", name="Turn keys off").click()
    await page.reload()
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="pay_out")).not_to_be_focused()
    await page.get_by_role("button", name="Turn keys on").click()
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="pay_out")).to_be_focused()


async def test_decides_without_javascript(window, asked, desk, paid):
    run = await asked("please make the payout for order 7")
    page = await window("li", java_script_enabled=False)
    await page.get_by_role("button", name="Take").click()
    await expect(page.get_by_text("Taken by you")).to_be_visible()
    await page.get_by_label("Search").fill("nothing like this")
    await page.get_by_role("button", name="Filter").click()
    await expect(page.get_by_text("Nothing that waits is like this")).to_be_visible()
    await page.get_by_role("link", name="Show everything").click()
    await page.get_by_role("link", name="pay_out").click()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("This call is decided")).to_be_visible()
    await desk.background.wait(run.id, until="end", seconds=30)
    assert paid() == ["7 12000"]


async def test_narrow_screens_do_not_scroll_sideways(window, asked):
    long = "W" * 120
    run = await asked(f"please make the payout for order 7, note: {long} <b>{long}</b>")
    page = await window("li", viewport={"width": 360, "height": 740})
    base = page.url.partition("/console")[0]
    where = f"/console/approvals/payouts/{run.pending[0].id}"
    paths = ("", "/history", "/threads", "/dashboard", f"/threads/payouts/{run.id}", "/nowhere")
    for path in (where, *(f"/console{path}" for path in paths)):
        if path != "/console/nowhere":
            await page.goto(f"{base}{path}")
            assert not await wide(page), path
    await page.goto(f"{base}{where}")
    await page.locator("summary", has_text="Edit").click()
    assert not await wide(page)
    await page.get_by_label("Amount Cents").fill("4500")
    await page.locator("#why-edit").fill("x")
    await page.get_by_role("button", name="Show the changes").click()
    await expect(page.locator(".diff")).to_be_visible()
    assert not await wide(page)


UNNAMED = """() => {
  const found = [];
  const seen = new Set();
  for (const e of document.querySelectorAll('[id]')) {
    if (seen.has(e.id)) found.push(`twice: ${e.id}`);
    seen.add(e.id);
  }
  for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!e.labels.length && !e.ariaLabel) found.push(`no label: ${e.outerHTML}`);
  }
  for (const e of document.querySelectorAll('a, button, summary, svg[role=img]')) {
    if (!e.textContent.trim() && !e.ariaLabel) found.push(`no name: ${e.outerHTML}`);
  }
  for (const e of document.querySelectorAll('[aria-labelledby], [aria-describedby]')) {
    for (const name of ['aria-labelledby', 'aria-describedby']) {
      for (const id of (e.getAttribute(name) || '').split(' ').filter(Boolean)) {
        if (!document.getElementById(id)) found.push(`nowhere: ${id}`);
      }
    }
  }
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  if (!document.documentElement.lang || !document.title) found.push('no language or title');
  return found;
}"""


async def test_everything_has_a_name(window, asked):
    run = await asked("please make the payout for order 7")
    page = await window()
    assert await page.evaluate(UNNAMED) == []
    page = await window("li")
    base = page.url.partition("/console")[0]
    for path in (
        "",
        "/history",
        "/threads",
        f"/threads/payouts/{run.id}",
        f"/approvals/payouts/{run.pending[0].id}",
        "/dashboard",
    ):
        await page.goto(f"{base}/console{path}")
        assert await page.evaluate(UNNAMED) == [], path


async def test_dark_where_people_like_it_dark(window):
    shades = {}
    for scheme in ("light", "dark"):
        page = await window("li", color_scheme=scheme, reduced_motion="reduce")
        colour = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(int(part) for part in re.findall(r"\d+", colour)[:3])
        moving = await page.evaluate(
            "getComputedStyle(document.querySelector('button')).transitionDuration"
        )
        assert moving == "0s"
    assert shades["dark"] < 150 < 600 < shades["light"]


async def test_attacks_do_not_run(window, asked):
    attack = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 2'>"
    run = await asked(f"please make the payout for order 7, note: {attack}")
    page = await window("li")
    base = page.url.partition("/console")[0]
    for path in (
        "",
        "/threads",
        f"/threads/payouts/{run.id}",
        f"/approvals/payouts/{run.pending[0].id}",
    ):
        await page.goto(f"{base}/console{path}")
        await expect(page.get_by_text("<script>window.pwned = 1").first).to_be_attached()
        assert await page.evaluate("window.pwned") is None, path
        assert await page.locator("main img, main script").count() == 0, path
    # Even a script that were let onto a page would not run.
    await page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned = 3\">')"
    )
    await page.wait_for_timeout(300)
    assert await page.evaluate("window.pwned") is None
    assert any("Content Security Policy" in text for text in window.complaints)
    window.complaints.clear()


async def test_below_another_path(desk, chromium, serve, asked):
    async def host_knows(connection) -> Principal | None:
        return _finance("li") if connection.cookies.get("host") == "li" else None

    outer = FastAPI()
    inner = create_app(desk, auth=host_knows)
    outer.mount("/desk", inner)
    outer.state.host = inner.state.host  # For the server, which tells it when to stop.
    run = await asked("please make the payout for order 7")
    base = await serve(outer)
    context = await chromium.new_context()
    page = await context.new_page()
    response = await page.goto(f"{base}/desk/console")
    assert response.status == 401
    await context.add_cookies([{"name": "host", "value": "li", "url": base}])
    await page.goto(f"{base}/desk/console")
    await page.get_by_role("link", name="pay_out").click()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("This call is decided")).to_be_visible()
    await page.get_by_role("link", name="See how the run goes on").click()
    await expect(page.locator("#run-status")).to_contain_text("answered")
    assert (await desk.background.wait(run.id, until="end", seconds=30)).status == "answered"
    await context.close()


def _finance(who: str):
    return Principal(id=who, roles=("staff", "finance"))


@pytest.fixture
def desk_as_the_readme_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Serve the sample desk by the commands of the README; return its address and two keys."""
    root = Path(__file__).resolve().parents[3]
    run = [sys.executable, "-m", "concertmaster"]

    def said(*arguments: str) -> str:
        done = subprocess.run(
            [*run, *arguments], capture_output=True, text=True, timeout=240, check=True, cwd=root
        )
        return done.stdout.strip()

    said("users", "import", "examples/support_desk")
    keys = {who: said("users", "key", "create", who) for who in ("ana", "li")}
    server = subprocess.Popen(
        [*run, "serve", "examples/support_desk", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    told = [server.stdout.readline() for _ in range(4)]
    yield re.search(r"(http://\S+)/v1$", told[1].strip())[1], keys
    server.terminate()
    server.wait(60)
    server.stdout.close()


async def test_what_a_client_asks_for_is_decided_in_the_browser_and_goes_on_in_the_client(
    chromium: Browser, desk_as_the_readme_has_it
):
    url, keys = desk_as_the_readme_has_it
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=keys["ana"]) as client:
        # A streamed answer that cites its sources.
        asked = {"role": "user", "content": "How long do I have to return a lamp?"}
        answer, cited = "", []
        async for chunk in await client.chat.completions.create(
            model="support_desk", messages=[asked], stream=True
        ):
            delta = chunk.choices[0].delta
            answer += delta.content or ""
            cited += (delta.model_extra or {}).get("citations") or []
        assert "30 days from delivery" in answer
        assert "[1]" in answer
        assert cited

        # A request that a person has to look at.
        first = await client.responses.create(
            model="support_desk", input="Please refund order 1042, it was charged twice"
        )
        [approval] = [item for item in first.output if item.type == "mcp_approval_request"]
        assert approval.name == "refund_payment"

        # The person decides in a browser.
        context = await chromium.new_context()
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        await page.goto(f"{url}/console")
        await page.get_by_label("API key or one-time code").fill(keys["li"])
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("link", name=re.compile("refund_payment")).first.click()
        await page.locator("textarea[name=reason]").first.fill("both charges seen")
        await page.get_by_role("button", name="Approve", exact=True).click()
        await expect(page.get_by_text("approved").first).to_be_visible()
        await context.close()

        # The client sees how it went on.
        async with asyncio.timeout(60):
            while (after := await client.responses.retrieve(first.id)).status != "completed":
                await asyncio.sleep(0.05)
        assert "I have refunded 129.00 EUR" in after.output_text
