"""A small workspace that opens quickly: an order is looked up, then refunded.

Refunds over 50.00 wait for finance; there are no intents and no documents. The pieces are there
for workspaces that do almost the same.
"""

from tests.workspaces import step

HEAD = """
workflow: refunds
owner: ops
success_metric: {name: done_once, target: 1.0}
owners: {ops: {role: ops, contact: ops@shop.example}}
"""

RULES = "policies/refunds.cedar"

WORKFLOW = (
    HEAD
    + "steps:\n"
    + step(
        "executor",
        "Refund orders.",
        model="{need: plan}",
        tools="get_order, refund",
        policy=RULES,
        metric="done_once",
        playbook="refund",
    )
    + step(
        "other",
        "Look orders up.",
        agent="executor",
        tools="get_order",
        policy=RULES,
        metric="looked_up",
        playbook="lookup",
    )
    + step("responder", "Tell what was done.", reads="actions", metric="told")
    + step("critic", "Check the answer.", reads="draft", metric="checked")
    + """\
routes:
  - {when: "principal.id == 'viewer' && !('other' in done)", to: other}
  - {when: "principal.id != 'viewer' && !('executor' in done)", to: executor}
  - {when: "draft == null", to: responder}
  - {when: "verdict == null", to: critic}
  - {when: "verdict.status == 'revise' && revisions < 2", to: responder}
  - {when: "verdict.status == 'pass'", to: finish}
  - {to: escalate, owner: ops, why: "the answer did not pass"}
"""
)

REFUND = """
playbooks:
  - name: refund
    slots:
      - {name: order_id, type: integer, pattern: 'order\\s*#?(\\d+)', carry: true}
      - {name: amount, type: money, required: false}
    calls:
      - {key: order, tool: get_order, arguments: {order_id: "=slots.order_id"}}
      - key: refund
        tool: refund
        arguments:
          order_id: "=slots.order_id"
          amount_cents: "=slots.amount != null ? slots.amount : results.order.total_cents"
    reply:
      - {text: "Refunded {=money(results.refund.amount_cents, 'EUR')} for order {=slots.order_id}."}
"""

PLAYBOOKS = (
    REFUND
    + """\
  - name: lookup
    slots:
      - {name: order_id, type: integer, pattern: 'order\\s*#?(\\d+)'}
    calls:
      - {key: order, tool: get_order, arguments: {order_id: "=slots.order_id"}}
    reply:
      - {text: "Order {=slots.order_id} is over {=money(results.order.total_cents, 'EUR')}."}
"""
)

TOOLS = """
import os, sqlite3, time
from typing_extensions import TypedDict
from concertmaster.tools import ToolContext, declare
from concertmaster.errors import ToolError

class Facts(TypedDict):
    customer: str

def owner(arguments, ctx) -> Facts:
    return {"customer": "ben" if arguments["order_id"] == 13 else "ana"}

def setup(data_dir):
    with sqlite3.connect(data_dir / "shop.sqlite3") as db:
        db.execute("CREATE TABLE IF NOT EXISTS refunds (key TEXT, order_id INT, amount INT)")
    db.close()

@declare(effect="read", label="internal", facts=owner)
def get_order(order_id: int, ctx: ToolContext) -> dict[str, int]:
    "Look an order up."
    if order_id == 404:
        raise ToolError("there is no such order")
    return {"id": order_id, "total_cents": 12000}

@declare(effect="irreversible", label="internal", facts=owner, timeout=5)
def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict[str, int]:
    "Pay money back."
    if order_id == 500:
        raise RuntimeError("the line went dead")
    if order_id == 503:
        raise ToolError("the bank is closed")
    if os.environ.get("DIE_BEFORE_EFFECT"):
        os.kill(os.getpid(), 9)
    with sqlite3.connect(ctx.data_dir / "shop.sqlite3") as db:
        row = (ctx.idempotency_key, order_id, amount_cents)
        db.execute("INSERT INTO refunds VALUES (?, ?, ?)", row)
    db.close()
    if os.environ.get("DIE_AFTER_EFFECT"):
        os.kill(os.getpid(), 9)
    return {"order_id": order_id, "amount_cents": amount_cents}
"""

POLICY = """
@id("orders.read")
permit (principal, action == Action::"get_order", resource)
when { principal.id == context.facts.customer || principal.id == "viewer" };

@id("refunds.small") @reason("refunds up to 50.00 need nobody")
permit (principal, action == Action::"refund", resource)
when { principal.id == context.facts.customer && context.args.amount_cents <= 5000 };

@id("refunds.large") @reason("refunds over 50.00 go to finance") @obligation("review:finance")
permit (principal, action == Action::"refund", resource)
when { principal.id == context.facts.customer && context.args.amount_cents > 5000 };
"""

# Of workspaces whose tools have no facts.
POLICY_FOR_ANYBODY = """
@id("orders.read")
permit (principal, action == Action::"get_order", resource);

@id("refunds.small") @reason("refunds up to 50.00 need nobody")
permit (principal, action == Action::"refund", resource)
when { context.args.amount_cents <= 5000 };

@id("refunds.large") @reason("refunds over 50.00 go to finance") @obligation("review:finance")
permit (principal, action == Action::"refund", resource)
when { context.args.amount_cents > 5000 && context.args.amount_cents <= 90000 };
"""

PRINCIPALS = """
principals:
  - {id: ana, roles: [customer]}
  - {id: ben, roles: [customer]}
  - {id: viewer, roles: [customer]}
  - {id: li, roles: [finance]}
  - {id: mo, roles: [finance]}
  - {id: sam, roles: [support]}
"""

FILES = {
    "workflow.yaml": WORKFLOW,
    "playbooks.yaml": PLAYBOOKS,
    "principals.yaml": PRINCIPALS,
    "tools.py": TOOLS,
    "policies/refunds.cedar": POLICY,
}
