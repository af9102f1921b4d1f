"""A small workspace without any finding, to be broken in one place at a time."""

from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path

import pytest

from concertmaster.graphs.problems import Problem
from concertmaster.graphs.readiness import check

WORKFLOW = """\
workflow: desk
owner: ops
success_metric: {name: answered, target: 0.8}
owners:
  ops: {role: manager, contact: ops@shop.example}
  money: {role: finance, contact: money@shop.example}
knowledge:
  paths: [knowledge]
  default_owner: ops
steps:
  - id: classify
    agent: intent_classifier
    owner: ops
    input: [request]
    model: none
    tools: []
    permission: none
    review: none
    success_metric: {name: read_right, target: 0.9}
    timeout: 10s
    retry: {attempts: 2}
    fallback: escalate
  - id: search
    agent: retriever
    owner: ops
    input: [request, intent]
    model: none
    tools: []
    permission: none
    review: none
    success_metric: {name: found, target: 0.9}
    timeout: 10s
    retry: {attempts: 2}
    fallback: escalate
  - id: execute
    agent: executor
    owner: money
    input: [request, intent]
    model: {need: plan, tier: capable}
    tools:
      - get_order
      - refund
    permission: policies/desk.cedar
    review: policy
    success_metric: {name: done_once, target: 1.0}
    timeout: 20s
    retry: {attempts: 3}
    fallback: escalate
  - id: respond
    agent: responder
    owner: ops
    input: [evidence, results]
    model: none
    tools: []
    permission: none
    review: none
    success_metric: {name: accepted, target: 0.9}
    timeout: 20s
    retry: {attempts: 1}
    fallback: refuse
routes:
  - {when: "intent == null", to: classify}
  - {when: "!intent.in_scope", to: escalate, owner: intent.owner}
  - {when: "intent.needs_evidence && !retrieved", to: search}
  - {when: "intent.acts && !acted", to: execute}
  - {when: "draft == null", to: respond}
  - {to: finish}
rules:
  - {id: polite, check: "draft.text != ''", why: "answers say something"}
messages:
  waiting: "Somebody looks at it."
"""

INTENTS = """\
intents:
  - name: fees
    owner: ops
    needs_evidence: true
    utterances: [fee one, fee two, fee three, fee four, fee five, fee six, fee seven, fee eight]
  - name: refund
    owner: money
    playbook: refund
    utterances:
      - my money back
      - pay me back
      - refund it
      - i want a refund
      - refund my order
      - give it back
      - return the payment
      - charged twice
out_of_scope: [what is love]
"""

PLAYBOOKS = """\
playbooks:
  - name: refund
    slots:
      - {name: order, type: integer}
      - {name: reason, type: text, pattern: "because (.+)", required: false}
    calls:
      - key: order
        tool: get_order
        arguments: {order: "=slots.order"}
      - {key: unknown, when: "!results.order.found", stop: "There is no order {=slots.order}."}
      - key: paid
        tool: refund
        arguments: {order: "=slots.order", cents: "=results.order.cents"}
    reply:
      - {when: "results.paid.cents > 0", text: "Paid back: {=money(results.paid.cents, 'EUR')}."}
      - {text: "Nothing was to be paid back."}
"""

PRINCIPALS = """\
principals:
  - {id: ana, roles: [customer]}
  - {id: li, roles: [finance]}
"""

TOOLS = """\
from concertmaster.tools import declare

@declare(effect="read")
def get_order(order: int) -> dict[str, int]:
    return {}

@declare(effect="write")
def refund(order: int, cents: int) -> dict[str, int]:
    return {}

@declare(effect="read")
def spare(order: int) -> dict[str, int]:
    return {}
"""

POLICIES = """\
@id("read")
permit (principal, action == Action::"get_order", resource);

@id("refund")
@obligation("review:finance")
permit (principal, action == Action::"refund", resource);
"""

SOUND: Mapping[str, str] = {
    "workflow.yaml": WORKFLOW,
    "intents.yaml": INTENTS,
    "playbooks.yaml": PLAYBOOKS,
    "principals.yaml": PRINCIPALS,
    "tools.py": TOOLS,
    "policies/desk.cedar": POLICIES,
    "knowledge/fees.md": "# Fees\n\nA card is free.\n",
}


class Changed:
    """Writes the workspace with one piece of one file replaced, and says where that stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder

    def __call__(self, file: str = "workflow.yaml", old: str = "", new: str | None = "") -> Path:
        """Write it. Without `old` the file is `new`, or is left out if that is None."""
        texts = {**SOUND}
        if old:
            assert texts[file].count(old) == 1, f"{old!r} stands {texts[file].count(old)} times"
            texts[file] = texts[file].replace(old, new or "")
        elif new is None:
            del texts[file]
        elif new:
            texts[file] = new
        for name, text in texts.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.file = self.folder / file
        return self.folder

    def again(self, old: str, new: str) -> Path:
        """Replace another piece of the same file."""
        text = self.file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        self.file.write_text(text.replace(old, new), encoding="utf-8")
        return self.folder

    def at(self) -> tuple[str, int]:
        """Return the changed file and its line with `#!`, or else the first that is another."""
        lines = self.file.read_text("utf-8").splitlines()
        sound = SOUND.get(self.file.relative_to(self.folder).as_posix(), "").splitlines()
        marked = [n for n, line in enumerate(lines) if "#!" in line]
        other = [n for n, (now, was) in enumerate(zip_longest(lines, sound)) if now != was]
        return str(self.file), (marked or other)[0] + 1


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    return Changed(tmp_path.resolve() / "desk")


Only = Callable[..., Problem]


@pytest.fixture
def only(changed: Changed) -> Only:
    """Check the changed workspace: it has this finding alone, at the change."""

    def one(code: str, severity: str = "error") -> Problem:
        found = check(changed.folder)
        told = [(p.severity, p.code, p.file, p.line) for p in found]
        assert told == [(severity, code, *changed.at())]
        assert found[0].message
        return found[0]

    return one
