"""A small desk whose calls wait for people, the console over it, and people who sign in to it."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import httpx
import pytest
from tests.workspaces import step, write_workspace

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Settings

WORKFLOW = (
    """
workflow: payouts
owner: ops
success_metric: {name: done_once, target: 1.0}
owners: {ops: {role: ops, contact: ops@shop.example}}
steps:
"""
    + step("retriever", "Find the rule that applies.", metric="found", target=0.9)
    + step(
        "executor",
        "Pay money out.",
        reads="request, evidence",
        model="{need: plan}",
        tools="pay_out",
        policy="policies/payouts.cedar",
        metric="done_once",
        playbook="pay",
    )
    + step("responder", "Tell what was done.", reads="actions", metric="told")
    + """\
routes:
  - {when: "!('retriever' in done)", to: retriever, why: "first, which rule applies"}
  - {when: "!('executor' in done)", to: executor, why: "then the money"}
  - {when: "draft == null", to: responder, why: "tell what was done"}
  - {to: finish, why: "all is said"}
knowledge: {paths: [knowledge], default_readers: [everyone], default_owner: ops}
"""
)

PLAYBOOKS = """
playbooks:
  - name: pay
    slots:
      - {name: order_id, type: integer, pattern: 'order\\s*#?(\\d+)'}
      - {name: amount, type: money, required: false}
      - {name: note, type: text, pattern: '(?s)note: (.*)', required: false}
    calls:
      - key: paid
        tool: pay_out
        why: the customer asks for money
        arguments:
          order_id: "=slots.order_id"
          amount_cents: "=slots.amount != null ? slots.amount : 12000"
          note: "=slots.note != null ? slots.note : slots.order_id == 66 ? 'gnol\u202e lamp\u200b'
            : ''"
    reply:
      - {text: "Paid {=money(results.paid.amount_cents, 'EUR')} for order {=slots.order_id}."}
"""

TOOLS = """
from typing import Any, Literal
from concertmaster.tools import ToolContext, declare

@declare(effect="irreversible", label="internal", clearance="internal", waiver="a test's own")
def pay_out(order_id: int, amount_cents: int, ctx: ToolContext, note: str = "",
            reason: Literal["late", "damaged", "other"] = "other", urgent: bool = False,
            rate: int | None = None, parts: dict[str, Any] | None = None) -> dict[str, int]:
    "Pay money to the customer of an order."
    with (ctx.data_dir / "paid.txt").open("a") as out:
        out.write(f"{order_id} {amount_cents}\\n")
    return {"order_id": order_id, "amount_cents": amount_cents}
"""

POLICY = """
@id("payouts.small") @reason("up to 50.00 need nobody")
permit (principal, action == Action::"pay_out", resource)
when { context.args.amount_cents <= 5000 };

@id("payouts.large") @reason("more than 50.00 is looked at by finance")
@obligation("review:finance")
permit (principal, action == Action::"pay_out", resource)
when { context.args.amount_cents > 5000 && context.args.amount_cents <= 100000 };

@id("payouts.huge") @reason("more than 1,000.00 is looked at by two of finance")
@obligation("review:2-of:finance, deadline:2h:reject")
permit (principal, action == Action::"pay_out", resource)
when { context.args.amount_cents > 100000 };
"""

DOCUMENT = """# Make the payout for an order

Please make the payout for order numbers below 1000. <script>window.pwned = "document"</script>
"""

FILES = {
    "workflow.yaml": WORKFLOW,
    "playbooks.yaml": PLAYBOOKS,
    "tools.py": TOOLS,
    "policies/payouts.cedar": POLICY,
    "knowledge/payouts.md": DOCUMENT,
}

USERS = (
    Principal(id="ana", name="Ana Duarte", roles=("customer",)),
    Principal(id="ben", roles=("customer",)),
    Principal(id="li", name="Li Zhang", roles=("staff", "finance")),
    Principal(id="mats", roles=("staff", "finance")),
    Principal(id="sam", roles=("staff",)),
    Principal(id="olga", roles=("staff", "finance"), tenant="elsewhere"),
)


@pytest.fixture(scope="session")
def payouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a workspace in which money is paid out."""
    return write_workspace(tmp_path_factory.mktemp("payouts"), FILES)


@pytest.fixture
async def desk(payouts: Path, tmp_path: Path) -> AsyncIterator[cm.Desk]:
    """Open the workspace with a home of its own."""
    async with cm.open(payouts, home=tmp_path / "desk") as opened:
        yield opened


@pytest.fixture
def app(desk: cm.Desk, tmp_path: Path):
    """Return the server of the desk, with a store of users of its own."""
    settings = Settings.model_validate({"identity": {"users": tmp_path / "users.db"}})
    made = create_app(desk, settings=settings)
    yield made
    made.state.identity.close()


@pytest.fixture
async def keys(app) -> dict[str, str]:
    """Add everybody to the store; return their API keys."""
    store = app.state.identity.store
    made = {}
    for user in USERS:
        await store.add(user, by="root")
        made[user.id] = (await store.keys.create(user.id, by="root"))[1]
    return made


@pytest.fixture
def paid(tmp_path: Path):
    """Return what was really paid out, as `order cents`."""

    def read() -> list[str]:
        file = tmp_path / "desk" / "data" / "paid.txt"
        return file.read_text().splitlines() if file.exists() else []

    return read


@pytest.fixture
def asked(desk: cm.Desk):
    """Return what has somebody ask, until the run waits or has ended: `await asked("…", "ana")`."""

    async def ask(text: str, who: str = "ana", thread: str | None = None) -> cm.Run:
        principal = next(user for user in USERS if user.id == who)
        return await desk.run(text, principal=principal, thread=thread)

    return ask


class Browser:
    """A client that behaves as a browser does: cookies, origin, forms with their hidden fields."""

    def __init__(self, app, base: str = "http://127.0.0.1:8000", root: str = "") -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url=base)
        self.origin, self.root = base, root
        self.token = ""

    async def get(self, path: str, **more) -> httpx.Response:
        """Load a page, and note the token of its forms."""
        response = await self.client.get(f"{self.root}{path}", **more)
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', response.text)
        self.token = found[1] if found else self.token
        return response

    async def post(self, path: str, form: dict | None = None, **headers) -> httpx.Response:
        """Send a form as a page of the console would."""
        sent = {"origin": self.origin, "sec-fetch-site": "same-origin", **headers}
        data = {"csrf": self.token, **(form or {})}
        kept = {name: value for name, value in sent.items() if value is not None}
        fields = {name: value for name, value in data.items() if value is not None}
        return await self.client.post(f"{self.root}{path}", data=fields, headers=kept)

    async def sign_in(self, key: str) -> httpx.Response:
        """Sign in with a key."""
        response = await self.post("/console/sign-in", {"key": key, "csrf": None})
        await self.get("/console")
        return response

    async def seen(self, path: str) -> str:
        """Return the digest that an approval's form carries."""
        page = await self.get(path)
        found = re.search(r'name="seen" value="([^"]+)"', page.text)
        return unescape(found[1]) if found else ""


@pytest.fixture
async def browser(app, keys) -> AsyncIterator:
    """Return what makes a browser of somebody who is signed in: `await browser("li")`."""
    made: list[Browser] = []

    async def make(who: str | None = None) -> Browser:
        one = Browser(app)
        made.append(one)
        if who is not None:
            response = await one.sign_in(keys[who])
            assert response.status_code == 303, response.text
        return one

    yield make
    for one in made:
        await one.client.aclose()
