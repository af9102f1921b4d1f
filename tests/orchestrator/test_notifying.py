"""Notices of approvals: signed, tried again, never in the way of a run, without values."""

import asyncio
import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import concertmaster as cm
from concertmaster.contracts import ApprovalNotice
from concertmaster.errors import ConfigError
from concertmaster.orchestrator import outbox
from concertmaster.orchestrator.notifying import LogNotifier, configured, patience
from concertmaster.orchestrator.webhook import NoticeRefused, WebhookNotifier, signature

SECRET = "a secret of enough letters"


class Service:
    """A web service that answers as it is told and remembers what it was sent."""

    def __init__(self, *answers: int, delay: float = 0.0) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                time.sleep(delay)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.seen.append((dict(self.headers), body))
                self.send_response(service._answers.pop(0) if service._answers else 204)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook/part-of-a-secret"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[type]:
    running: list[Service] = []

    def start(*answers: int, delay: float = 0.0) -> Service:
        running.append(Service(*answers, delay=delay))
        return running[-1]

    yield start
    for service in running:
        service.stop()


NOTICE = ApprovalNotice.model_validate(
    {
        "event": "requested",
        "workspace": "shop",
        "approval": "apr-00000000",
        "tool": "refund",
        "needs": ({"role": "finance"},),
        "due": None,
        "at_deadline": None,
        "reasons": ("refunds over 50.00 go to finance",),
        "run": "run-1",
        "at": "2026-03-01T12:00:00.000000+00:00",
    }
)


async def until(true) -> None:
    for _ in range(200):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to pass within 4 seconds")


async def test_request_is_signed_over_timestamp_and_body(serve):
    service = serve()
    await WebhookNotifier(service.url, SECRET, clock=lambda: 1767225600.9).send(NOTICE)
    ((headers, body),) = service.seen
    stamp = headers["Concertmaster-Timestamp"]
    signed = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert (stamp, headers["Concertmaster-Signature"]) == ("1767225600", f"v1={signed}")
    assert signature(SECRET, stamp, body + b" ") != f"v1={signed}"
    assert signature(SECRET, "1767225601", body) != f"v1={signed}"
    assert json.loads(body)["needs"] == [{"count": 1, "role": "finance"}]


async def test_service_that_stumbles_is_asked_again_with_the_same_delivery(serve):
    service = serve(503, 429, 500)
    await WebhookNotifier(service.url, SECRET, pause=0.01).send(NOTICE)
    assert len(service.seen) == 4
    assert len({headers["Concertmaster-Delivery"] for headers, _ in service.seen}) == 1


async def test_attempts_are_bounded(serve):
    service = serve(*[503] * 20)
    with pytest.raises(ConnectionError, match="it answered 503"):
        await WebhookNotifier(service.url, SECRET, pause=0.01, attempts=3).send(NOTICE)
    assert len(service.seen) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 301, 302, 307])
async def test_refusals_and_redirects_are_final(serve, code):
    service = serve(code)
    with pytest.raises(ConnectionError, match=str(code)):
        await WebhookNotifier(service.url, SECRET, pause=0.01).send(NOTICE)
    assert len(service.seen) == 1


async def test_nobody_there_is_said_without_the_address(serve):
    service = serve()
    service.stop()
    notifier = WebhookNotifier(service.url, SECRET, pause=0.01, attempts=2)
    with pytest.raises(ConnectionError, match="could not be reached") as raised:
        await notifier.send(NOTICE)
    assert "part-of-a-secret" not in str(raised.value) + repr(notifier) + notifier.name
    assert SECRET not in repr(notifier)
    service.server.socket.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user:word@example.com/",
        "https://",
        "https://[::1",
        "https://example.com:99999/",
        "hook",
        "",
    ],
)
def test_url_that_will_not_do_is_refused(url):
    with pytest.raises(ConfigError, match="URL"):
        WebhookNotifier(url, SECRET)


@pytest.mark.parametrize("secret", ["", "tiny-one"])
def test_short_secret_is_refused_and_not_repeated(secret):
    with pytest.raises(ConfigError, match="secret") as raised:
        WebhookNotifier("https://example.com/hook", secret)
    assert not secret or secret not in str(raised.value)


def test_environment_configures_the_webhook(monkeypatch: pytest.MonkeyPatch):
    assert [n.name for n in configured()] == ["log"]
    monkeypatch.setenv("CONCERTMASTER_WEBHOOK_SECRET", SECRET)
    with pytest.raises(ConfigError, match="_URL is not"):
        configured()
    monkeypatch.setenv("CONCERTMASTER_WEBHOOK_URL", "https://hooks.example/x")
    assert [n.name for n in configured()] == ["log", "webhook hooks.example"]


async def test_log_tells_tool_role_and_deadline(caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO", logger="concertmaster.approvals")
    await LogNotifier().send(NOTICE.model_copy(update={"due": "2026-03-01T16:00"}))
    assert caplog.messages == [
        "apr-00000000 requested: refund for 1 x finance, due 2026-03-01T16:00"
    ]


# -- over a desk --------------------------------------------------------------------------------


async def until_stored(desk, attempts: int | None) -> None:
    """Wait until the one stored notice was tried so often; None: until there is none."""
    wanted = [] if attempts is None else [attempts]
    for _ in range(200):
        if [row[2] for row in await stored(desk)] == wanted:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it is {await stored(desk)}")


class Clock:
    """A clock that is set forward by hand."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


async def test_desk_tells_a_configured_webhook_no_argument_value(
    workspace, home, serve, monkeypatch: pytest.MonkeyPatch
):
    service = serve()
    monkeypatch.setenv("CONCERTMASTER_WEBHOOK_URL", service.url)
    monkeypatch.setenv("CONCERTMASTER_WEBHOOK_SECRET", SECRET)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("Please refund order 1042", principal="ana")
    ((_, body),) = service.seen
    told = json.loads(body)
    assert (told["approval"], told["tool"]) == (run.pending[0].id, "refund")
    assert told["reasons"] == ["refunds over 50.00 go to finance"]
    assert b"1042" not in body
    assert b"12000" not in body
    assert b"ana" not in body


async def test_slow_service_does_not_hold_a_run_up(desk, serve):
    service = serve(delay=1.5)
    desk.notify(WebhookNotifier(service.url, SECRET))
    begun = time.monotonic()
    run = await desk.run("Please refund order 1042", principal="ana")
    assert time.monotonic() - begun < 1.2
    assert run.status == "awaiting_review"
    await until(lambda: service.seen)


async def test_failure_is_in_the_trail_and_the_run_goes_on(desk, serve, refunds):
    service = serve(401)
    desk.notify(WebhookNotifier(service.url, SECRET))
    run = await desk.run("Please refund order 1042", principal="ana")
    await until(lambda: service.seen)
    done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])
    (untold,) = [e for e in await desk.events(run=run.id) if e.type == "approval.untold"]
    assert untold.why == "webhook 127.0.0.1: it answered 401"
    assert untold.data["approval"] == run.pending[0].id


async def test_notifier_that_raises_harms_nothing_and_gives_nothing_away(desk, refunds):
    class Broken:
        name = "broken"

        async def send(self, notice: ApprovalNotice) -> None:
            raise RuntimeError("password hunter2")

    desk.notify(Broken())
    desk.on_approval(lambda notice: 1 / 0)
    run = await desk.run("Please refund order 1042", principal="ana")
    done = await desk.decide(run.pending[0].id, cm.Approve(), principal="li")
    assert (done.status, refunds()) == ("answered", [(1042, 12000)])
    (untold,) = [e for e in await desk.events(run=run.id) if e.type == "approval.untold"]
    assert untold.why == "broken: RuntimeError; it is tried again"


async def test_what_is_on_its_way_when_the_desk_closes_is_on_record_and_told_later(
    workspace, home, monkeypatch: pytest.MonkeyPatch
):
    class Endless:
        name = "endless"

        async def send(self, notice: ApprovalNotice) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr("concertmaster.orchestrator.notifying.PATIENCE", 0.05)
    async with cm.open(workspace, home=home) as desk:
        desk.notify(Endless())
        run = await desk.run("Please refund order 1042", principal="ana")
    async with cm.open(workspace, home=home) as desk:
        (untold,) = [e for e in await desk.events(run=run.id) if e.type == "approval.untold"]
        assert "closed before it was delivered; it is tried again" in untold.why
        later = Kept("endless")
        desk.notify(later)
        await until(lambda: later.heard)
    assert [notice.approval for notice in later.heard] == [run.pending[0].id]


# Notices outlast the process


class Kept:
    """A notifier that remembers what it heard, after it failed so many times."""

    def __init__(self, name: str = "kept", *, fails: int = 0, refuses: bool = False) -> None:
        self.name, self.heard, self.tried = name, [], 0
        self._fails, self._refuses = fails, refuses

    async def send(self, notice: ApprovalNotice) -> None:
        self.tried += 1
        if self._refuses:
            raise NoticeRefused("it is not for me")
        if self.tried <= self._fails:
            raise ConnectionError("nobody there")
        self.heard.append(notice)


async def stored(desk) -> list[tuple[str, str, int]]:
    sql = "SELECT approval, notifier, attempts FROM notices_due ORDER BY created"
    return await desk.database.read(lambda c: [tuple(row) for row in c.execute(sql)])


async def untold(desk) -> list[str]:
    return [e.why for e in await desk.services.trail.events() if e.type == "approval.untold"]


CRASH = """
import asyncio, os, sys
import concertmaster as cm

class Dying:
    name = "hook"
    async def send(self, notice):
        if sys.argv[3] == "after":
            print(notice.id, flush=True)
        os.kill(os.getpid(), 9)

async def main(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        desk.notify(Dying())
        await desk.run("Please refund order 1042", principal="ana", thread="t")
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:3]))
"""


@pytest.mark.parametrize("when", ["before", "after"])
async def test_notice_that_a_killed_process_was_sending_is_sent_again_with_its_id(
    workspace, home, when
):
    command = [sys.executable, "-c", CRASH, str(workspace), str(home), when]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    hook = Kept("hook")
    async with cm.open(workspace, home=home) as desk:
        desk.notify(hook)
        await until(lambda: hook.heard)
        (run,) = await desk.history("t")
        # Killed in the middle of its segment, the run went on; its approval was asked for once.
        (notice,) = hook.heard
        assert notice.approval == run.pending[0].id
        assert done.stdout.split() in ([], [notice.id])
    async with cm.open(workspace, home=home) as desk:
        desk.notify(Kept("hook"))
        assert await stored(desk) == []


async def test_notice_and_approval_are_stored_together_or_not_at_all(desk):
    desk.notify(Kept(fails=1000))

    def broken(*_):
        raise sqlite3.OperationalError("database or disk is full")

    desk.services.approvals.beside(broken)
    run = await desk.run("Please refund order 1042", principal="ana")
    assert run.status == "failed"
    assert await stored(desk) == []
    assert await desk.approvals(status=None) == []


async def test_vain_attempts_are_repeated_at_growing_intervals_and_told_once(desk):
    hook = Kept(fails=2)
    desk.notify(hook)
    clock = desk._notifying.clock = Clock()
    await desk.run("Please refund order 1042", principal="ana")
    for attempts, seconds in ((1, 30), (2, 60)):
        await until(lambda attempts=attempts: hook.tried == attempts)
        await until_stored(desk, attempts)
        clock.forward(seconds - 1)
        await desk._notifying._round()
        assert hook.tried == attempts
        clock.forward(2)
        await desk._notifying._round()
    await until(lambda: hook.heard)
    await until_stored(desk, None)
    assert await untold(desk) == ["kept: nobody there; it is tried again"]


async def test_notice_is_given_up_after_its_age_and_the_trail_says_so(desk):
    hook = Kept(fails=1000)
    desk.notify(hook)
    clock = desk._notifying.clock = Clock()
    await desk.run("Please refund order 1042", principal="ana")
    await until_stored(desk, 1)
    clock.forward(86400)
    await desk._notifying._round()
    await until_stored(desk, None)
    assert hook.tried == 2
    assert await untold(desk) == [
        "kept: nobody there; it is tried again",
        "kept: nobody there; it is given up",
    ]


async def test_refusal_is_final(desk):
    desk.notify(Kept(refuses=True))
    await desk.run("Please refund order 1042", principal="ana")
    await until_stored(desk, None)
    assert await untold(desk) == ["kept: it is not for me"]


async def test_notice_for_somebody_who_is_told_no_more_waits_for_its_age_and_goes(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        desk.notify(Kept("former", fails=1000))
        await desk.run("Please refund order 1042", principal="ana")
        await until_stored(desk, 1)
    async with cm.open(workspace, home=home) as desk:
        clock = desk._notifying.clock = Clock()
        clock.forward(3600)
        await desk._notifying._round()
        assert len(await stored(desk)) == 1
        clock.forward(86400)
        await desk._notifying._round()
        await until_stored(desk, None)
        assert (await untold(desk))[-1] == "former: nobody of this name is told any more"


async def test_stored_notices_are_bounded_and_what_is_beyond_is_told(desk, monkeypatch):
    monkeypatch.setattr(outbox, "MOST", 2)
    desk.notify(Kept(fails=1000))
    for order in (1, 2, 3):
        await desk.run(f"Please refund order {order}", principal="ana", thread=f"t{order}")
    assert len(await stored(desk)) == 2
    await desk.services.trail.flush()
    assert "kept: too many notices are on their way" in await untold(desk)


async def test_two_of_one_name_are_both_told(desk):
    hooks = [Kept(), Kept()]
    for hook in hooks:
        desk.notify(hook)
    await desk.run("Please refund order 1042", principal="ana")
    await until(lambda: all(hook.heard for hook in hooks))
    assert hooks[0].heard == hooks[1].heard


async def test_erased_thread_leaves_no_notice(desk):
    desk.notify(Kept(fails=1000))
    await desk.run("Please refund order 1042", principal="ana", thread="t")
    await until_stored(desk, 1)
    await desk.forget("t", by="ana", why="asked for it", force=True)
    assert await stored(desk) == []


async def test_row_changed_by_hand_stops_no_other(desk):
    hook = Kept(fails=1)
    desk.notify(hook)
    await desk.run("Please refund order 1", principal="ana", thread="a")
    await until_stored(desk, 1)
    await desk.database.write(lambda c: c.execute("UPDATE notices_due SET notice = '{}'"))
    await desk.run("Please refund order 2", principal="ana", thread="b")
    await until(lambda: hook.heard)


@pytest.mark.parametrize("value", ["soon", "-1h", "0s", "nan"])
def test_age_that_is_none_is_refused(monkeypatch, value):
    monkeypatch.setenv("CONCERTMASTER_NOTICE_AGE", value)
    with pytest.raises(ConfigError, match="CONCERTMASTER_NOTICE_AGE"):
        patience()


async def test_callbacks_hear_of_requests_once_and_of_the_escalation(workspace, home):
    flow = workspace / "workflow.yaml"
    review = "review: {deadline: 50ms, at_deadline: 'escalate:manager'}"
    flow.write_text(flow.read_text().replace("review: policy", review))
    heard: list[tuple[str, str]] = []
    async with cm.open(workspace, home=home) as desk:
        desk.on_approval(lambda n: heard.append((n.event, n.needs[0].role)))
        await desk.run("Please refund order 1042", principal="ana")
        await asyncio.sleep(0.06)
        await desk.sweep()
        await asyncio.sleep(0.06)
        await desk.sweep()
    assert heard == [("requested", "finance"), ("escalated", "manager"), ("overdue", "manager")]
