"""The workspaces of the benchmark: one desk that refunds, with each kind of tool."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import product
from pathlib import Path

__all__ = ["KINDS", "Kind", "write_workspace"]


@dataclass(frozen=True)
class Kind:
    """A kind of tool: how it runs, and what is known after it was cut off."""

    run: str
    after: str

    @property
    def name(self) -> str:
        """Its name, for people and for folders."""
        return f"{self.run}-{self.after}"


KINDS = tuple(
    Kind(run, after)
    for run, after in product(("sync", "async"), ("idempotent", "reconciler", "neither"))
)

_STEP = """
  - id: {id}
    agent: {id}
    owner: ops
    purpose: {purpose}
    input: [{input}]
    model: none
    tools: [{tools}]
    permission: {permission}
    review: {review}
    success_metric: {{name: {id}_done, target: 1.0}}
    timeout: 60s
    retry: {{attempts: 1}}
    fallback: escalate
"""

_WORKFLOW = (
    "workflow: refunds\nowner: ops\nsuccess_metric: {name: done_once, target: 1.0}\n"
    "owners: {ops: {role: ops, contact: ops@shop.example}}\nsteps:\n"
    + _STEP.format(
        id="executor",
        purpose="Refund orders.",
        input="request",
        tools="get_order, refund",
        permission="policies/refunds.cedar",
        review="policy",
    ).rstrip()
    + "\n    playbook: refund\n"
    + _STEP.format(
        id="responder",
        purpose="Tell what was done.",
        input="actions",
        tools="",
        permission="none",
        review="none",
    )
    + _STEP.format(
        id="critic",
        purpose="Check the answer.",
        input="draft",
        tools="",
        permission="none",
        review="none",
    )
    + """
routes:
  - {when: "!('executor' in done)", to: executor}
  - {when: "draft == null", to: responder}
  - {when: "verdict == null", to: critic}
  - {when: "verdict.status == 'pass'", to: finish}
  - {to: escalate, owner: ops, why: "the answer did not pass"}
"""
)

_PLAYBOOKS = """
playbooks:
  - name: refund
    slots:
      - {name: order_id, type: integer, pattern: 'order\\s*#?(\\d+)', carry: true}
    calls:
      - {key: order, tool: get_order, arguments: {order_id: "=slots.order_id"}}
      - key: refund
        tool: refund
        arguments: {order_id: "=slots.order_id", amount_cents: "=results.order.total_cents"}
    reply:
      - {text: "Refunded {=money(results.refund.amount_cents, 'EUR')} for order {=slots.order_id}."}
"""

_TOOLS = """
from crash.client import ask, ask_async
from crash.worker import boundary
from concertmaster.tools import ToolContext, declare

def found(arguments, ctx):
    if not ask("look up", key=ctx.idempotency_key):
        return None
    return {"order_id": arguments["order_id"], "amount_cents": arguments["amount_cents"]}

@declare(effect="read", label="internal")
def get_order(order_id: int) -> dict[str, int]:
    "Look an order up."
    return {"id": order_id, "total_cents": 12000}

"""

_REFUND = {
    "sync": """
def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict[str, int]:
    "Pay money back."
    boundary("tool before its effect")
    ask("effect", key=ctx.idempotency_key, idempotent=IDEMPOTENT)
    boundary("tool after its effect")
    return {"order_id": order_id, "amount_cents": amount_cents}
""",
    "async": """
async def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict[str, int]:
    "Pay money back."
    boundary("tool before its effect")
    await ask_async("effect", key=ctx.idempotency_key, idempotent=IDEMPOTENT)
    boundary("tool after its effect")
    return {"order_id": order_id, "amount_cents": amount_cents}
""",
}

_MORE = {"idempotent": ", idempotent=True", "reconciler": ", reconcile=found", "neither": ""}

_POLICY = """
@id("orders.read") permit (principal, action == Action::"get_order", resource);

@id("refunds") @reason("refunds go to finance") @obligation("review:finance")
permit (principal, action == Action::"refund", resource);
"""

_PRINCIPALS = """
principals:
  - {id: ana, roles: [customer]}
  - {id: li, roles: [finance]}
"""


def write_workspace(folder: Path, kind: Kind) -> Path:
    """Write the workspace with a tool of this kind, and return its folder."""
    declared = f'@declare(effect="irreversible", label="internal", timeout=60{_MORE[kind.after]})'
    source = f"IDEMPOTENT = {kind.after == 'idempotent'}\n{_TOOLS}{declared}{_REFUND[kind.run]}"
    files = {
        "workflow.yaml": _WORKFLOW,
        "playbooks.yaml": _PLAYBOOKS,
        "principals.yaml": _PRINCIPALS,
        "tools.py": source,
        "policies/refunds.cedar": _POLICY,
    }
    place = folder / kind.name
    (place / "policies").mkdir(parents=True)
    for name, text in files.items():
        (place / name).write_text(textwrap.dedent(text))
    return place
