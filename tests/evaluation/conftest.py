"""A small desk over real files that refunds orders, and cases over it."""

import json
import textwrap
from pathlib import Path

import pytest

from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.recorded import Recorded, RecordedTurn

STEP = """
  - {{id: {id}, agent: {agent}, owner: ops, purpose: Works., input: [request], model: none,
     tools: [{tools}], permission: {permission}, review: {review}, timeout: 10s, fallback: escalate,
     success_metric: {{name: done, target: 1.0}}, retry: {{attempts: 1}}{more}}}"""
ACTING = {"permission": "policies/refunds.cedar", "review": "policy", "more": ", playbook: refund"}
QUIET = {"tools": "", "permission": "none", "review": "none", "more": ""}
WORKFLOW = (
    """
workflow: refunds
owner: ops
success_metric: {name: done_once, target: 1.0}
owners: {ops: {role: finance, contact: ops@shop.example}}
steps:"""
    + STEP.format(id="executor", agent="executor", tools="get_order, refund", **ACTING)
    + STEP.format(id="responder", agent="responder", **QUIET)
    + STEP.format(id="critic", agent="critic", **QUIET)
    + """
routes:
  - {when: "!('executor' in done)", to: executor}
  - {when: "draft == null", to: responder}
  - {when: "verdict == null", to: critic}
  - {when: "verdict.status == 'pass'", to: finish}
  - {to: escalate, owner: ops, why: "the answer did not pass"}
"""
)
PLAYBOOKS = """
playbooks:
  - name: refund
    slots:
      - {name: order_id, type: integer, pattern: 'order\\s*#?(\\d+)'}
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
TOOLS = """
from concertmaster.tools import ToolContext, declare

@declare(effect="read", label="internal")
def get_order(order_id: int, ctx: ToolContext) -> dict[str, int]:
    "Look an order up; 13 breaks."
    if order_id == 13:
        raise RuntimeError("unlucky")
    return {"id": order_id, "total_cents": 12000}

@declare(effect="irreversible", label="internal")
def refund(order_id: int, amount_cents: int, ctx: ToolContext) -> dict[str, int]:
    "Pay money back, once for each order."
    paid = ctx.data_dir / f"paid-{order_id}"
    if paid.exists():
        raise RuntimeError("paid before")
    paid.touch()
    return {"order_id": order_id, "amount_cents": amount_cents}
"""
POLICY = """
@id("orders.read")
permit (principal, action == Action::"get_order", resource);
@id("refunds.small") @reason("up to 50.00 needs nobody")
permit (principal, action == Action::"refund", resource) when { context.args.amount_cents <= 5000 };
@id("refunds.large") @reason("over 50.00 goes to finance") @obligation("review:finance")
permit (principal, action == Action::"refund", resource)
when { context.args.amount_cents > 5000 && context.args.amount_cents <= 90000 };
"""
PRINCIPALS = """
principals:
  - {id: ana, roles: [customer]}
  - {id: li, roles: [finance]}
"""
FILES = {
    "workflow.yaml": WORKFLOW,
    "playbooks.yaml": PLAYBOOKS,
    "principals.yaml": PRINCIPALS,
    "tools.py": TOOLS,
    "policies/refunds.cedar": POLICY,
}

SMALL = {
    "id": "small",
    "principal": "ana",
    "messages": ["refund 20 euros for order 1"],
    "tags": ["money"],
    "expected": {
        "status": "answered",
        "effects": ["refund"],
        "reviewers": [],
        "tools": [{"tool": "get_order"}, {"tool": "refund", "arguments": {"amount_cents": 2000}}],
        "path": ["executor", "responder", "critic", "finish"],
        "path_match": "in_order",
        "contains": ["20.00"],
    },
}
LARGE = {
    "id": "large",
    "principal": "ana",
    "messages": ["refund 80 euros for order 1"],
    "reviewer": [{"as": "li", "tool": "refund", "answer": "approve"}],
    "expected": {"status": "answered", "effects": ["refund"], "reviewers": ["finance"]},
}
WAITS = {
    "id": "waits",
    "principal": "ana",
    "messages": ["refund 80 euros for order 1"],
    "expected": {"status": "awaiting_review", "effects": [], "forbidden": ["refund"]},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return the folder of a small workspace."""
    folder = tmp_path / "refunds"
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def write(tmp_path: Path):
    """Write cases, or lines as they are, to a file of their own."""

    def written(*cases, name="cases.jsonl") -> Path:
        file = tmp_path / name
        lines = [case if isinstance(case, str) else json.dumps(case) for case in cases]
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    return written


@pytest.fixture
def small():
    return dict(SMALL)


@pytest.fixture
def large():
    return dict(LARGE)


@pytest.fixture
def waits():
    return dict(WAITS)


@pytest.fixture
def case():
    """Make a case of one message with what is expected."""

    def made(*said: dict, **expected) -> Case:
        messages = [*({"text": "hello", "expected": e} for e in said), "hello"]
        return Case.model_validate(
            {"id": "c", "principal": "ana", "messages": messages, "expected": expected}
        )

    return made


@pytest.fixture
def went():
    """Make the record of a case from what its messages came to."""

    def made(*turns: dict, error: str | None = None) -> Recorded:
        base = {"run": "r", "thread": "t", "status": "answered", "first": "answered"}
        return Recorded(
            case="c",
            turns=tuple(RecordedTurn.model_validate({**base, **t}) for t in turns),
            error=error,
        )

    return made
