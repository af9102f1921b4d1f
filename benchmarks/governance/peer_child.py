"""Runs in the peer's own environment: the same calls through agent-governance-toolkit-core.

One JSON object a line comes in and one goes out. The first holds calls and policies; each of the
others asks for a round: `{"policies": "50", "calls": 480, "by": "rules"}`. Timed is what the
toolkit's own `govern()` does before it lets a function run: the policy engine's `evaluate` and the
audit log's `log`, in memory. What needs an approval ends with that decision, as at our gate.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import sys
import time
import warnings
from itertools import cycle, islice

warnings.simplefilter("ignore")

from agentmesh.governance.audit import AuditLog  # noqa: E402
from agentmesh.governance.policy import PolicyEngine  # noqa: E402

AGENT = "support-desk-agent"


class Governed:
    """One policy engine with its audit log."""

    def __init__(self, rules=None, cedar=None, entities=()):
        self.engine = PolicyEngine(conflict_strategy="deny_overrides")
        self.audit = AuditLog()
        if rules is not None:
            self.engine.load_json(json.dumps(rules))
        if cedar is not None:
            self.engine.load_cedar(cedar_content=cedar, entities=list(entities), mode="cedarpy")

    def decide(self, context):
        start = time.monotonic()
        decision = self.engine.evaluate(AGENT, context)
        took = (time.monotonic() - start) * 1000
        self.audit.log(
            event_type="policy_evaluation",
            agent_did=AGENT,
            action=context["action"]["type"],
            outcome=decision.action,
            policy_decision=decision.action,
            data={
                "rule": decision.matched_rule or "",
                "reason": decision.reason or "",
                "evaluation_ms": round(took, 3),
            },
        )
        return decision.action

    def round(self, contexts, calls):
        wall, cpu, actions = [], [], []
        gc.collect()
        gc.disable()
        for context in islice(cycle(contexts), calls):
            cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
            action = self.decide(dict(context))
            wall.append(time.perf_counter_ns() - start)
            cpu.append(time.process_time_ns() - cpu_start)
            actions.append(action)
        gc.enable()
        return {"wall": wall, "cpu": cpu, "actions": actions[: len(contexts)]}


def main():
    setup = json.loads(sys.stdin.readline())
    engines = {
        by: {
            policies: Governed(**{by: text}, entities=setup["entities"])
            for policies, text in setup[by].items()
        }
        for by in ("rules", "cedar")
    }
    contexts = {"rules": setup["calls"], "cedar": setup["cedar_calls"]}
    version = importlib.metadata.version("agent-governance-toolkit-core")
    answer({"version": version})
    for line in sys.stdin:
        asked = json.loads(line)
        by = asked["by"]
        answer(engines[by][asked["policies"]].round(contexts[by], asked["calls"]))


def answer(value):
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
