"""A small desk over real files that refunds orders, and cases over it."""

import json
from collections.abc import Iterator
from pathlib import Path

import langsmith as ls
import pytest
from tests.refunds import HEAD, POLICY_FOR_ANYBODY, REFUND, RULES
from tests.workspaces import step, write_workspace

from concertmaster.evaluation.cases import Case
from concertmaster.evaluation.recorded import Recorded, RecordedTurn
from concertmaster.testing import LangSmithServer, langsmith_server

WORKFLOW = (
    HEAD.replace("role: ops", "role: finance")
    + "steps:\n"
    + step("executor", "Works.", tools="get_order, refund", policy=RULES, playbook="refund")
    + step("responder", "Works.")
    + step("critic", "Works.")
    + """\
routes:
  - {when: "!('executor' in done)", to: executor}
  - {when: "draft == null", to: responder}
  - {when: "verdict == null", to: critic}
  - {when: "verdict.status == 'pass'", to: finish}
  - {to: escalate, owner: ops, why: "the answer did not pass"}
"""
)
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
PRINCIPALS = """
principals:
  - {id: ana, roles: [customer]}
  - {id: li, roles: [finance]}
"""
FILES = {
    "workflow.yaml": WORKFLOW,
    # Every message names its order.
    "playbooks.yaml": REFUND.replace(", carry: true", ""),
    "principals.yaml": PRINCIPALS,
    "tools.py": TOOLS,
    RULES: POLICY_FOR_ANYBODY,
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
    return write_workspace(tmp_path / "refunds", FILES)


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


@pytest.fixture
def server() -> Iterator[LangSmithServer]:
    """Run a stub of LangSmith."""
    with langsmith_server() as running:
        yield running


@pytest.fixture
def client(server: LangSmithServer) -> Iterator[ls.Client]:
    """Return LangSmith's own client of the stub."""
    used = ls.Client(api_url=server.url, api_key="k")
    yield used
    used.close(timeout=5)
