"""The choice among 50 models: how long it takes, what it saves against one big model.

    python benchmarks/routing.py --runs FILE [--decisions N]

`--runs` is JSON lines of recorded runs (`traj`: messages in OpenAI's form; `.gz` is read as well).
Every answer of the recorded model is a call to be routed: one with tool calls is a plan, any other
a chat. A recording in which something is written (its tools are named by `--writes`) counts as high
risk, and a rule then asks for the best tier for its plans. All other calls need a capable model.

Money is by the installed price list, for tokens estimated from the recorded texts, without caching
discounts. The one big model is the cheapest of the best tier, so that the saving is not made by
comparing with a dear one. Latencies are assumed, by tier, and printed with the figures. Whether
a capable model would have answered as well is not measured here.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import percentile, report
from rich.progress import track

from concertmaster.contracts.model import ModelEntry, ModelRule, ModelsFile
from concertmaster.contracts.steps import ModelNeed
from concertmaster.models.counting import estimate
from concertmaster.models.prices import expected
from concertmaster.models.registry import Chat, Models, declared
from concertmaster.models.requirement import required
from concertmaster.models.router import Call, rank

TIERS: Mapping[str, Sequence[str]] = {
    "best": ("anthropic:claude-opus-5-5", "openai:gpt-5.5", "google_genai:gemini-3.1-pro-preview"),
    "capable": (
        "anthropic:claude-sonnet-5-5",
        "openai:gpt-5.4-mini",
        "google_genai:gemini-3.6-flash",
        "anthropic:claude-haiku-4-5",
    ),
    "small": ("openai:gpt-5.4-nano", "google_genai:gemini-3.1-flash-lite", "openai:gpt-4o-mini"),
}
REGIONS = ("us", "eu", "uk", "jp", "au")
ASSUMED = {"best": (1.5, 60.0), "capable": (0.8, 120.0), "small": (0.4, 200.0)}
"""By tier: seconds to the first token, then tokens a second."""
USUAL = 150
"""Tokens of an answer for the latency that is declared of a model."""
RULES = (
    ModelRule(id="careful", when="risk == 'high' && need == 'plan'", tier="best"),
    ModelRule(id="long", when="tokens > 100000", prefer="cost"),
    ModelRule(id="private", when="confidentiality == 'restricted'", clearance="restricted"),
)
WRITES = (
    "book_reservation,cancel_reservation,send_certificate,update_reservation_baggages,"
    "update_reservation_flights,update_reservation_passengers"
)


@dataclass(frozen=True)
class Asked:
    """A recorded call: what it needs, its tokens, and what rules know of it."""

    need: ModelNeed
    tokens: int
    output: int
    known: Mapping[str, Any]

    @property
    def call(self) -> Call:
        """What a router is told of it."""
        return Call(tokens=self.tokens, output=self.output)


def catalogue() -> Models:
    """Return fifty models: ten of three providers in five regions, with rules."""
    entries = [
        ModelEntry(
            name=f"{use.split(':')[1].replace('.', '-')}-{region}",
            use=use,
            tier=tier,
            region=region,
            latency=ASSUMED[tier][0] + USUAL / ASSUMED[tier][1],
        )
        for tier, uses in TIERS.items()
        for use in uses
        for region in REGIONS
    ]
    return Models([Chat(declared(e)) for e in entries], ModelsFile(rules=RULES))


def recorded(file: Path, writes: frozenset[str]) -> Iterator[Asked]:
    """Yield the calls of recorded runs, each with the messages before it as its prompt."""
    packed = file.suffix == ".gz"
    with gzip.open(file, "rt") if packed else file.open() as lines:
        for line in lines:
            messages = json.loads(line)["traj"]
            called = {
                call["function"]["name"] for m in messages for call in m.get("tool_calls") or ()
            }
            risk = "high" if called & writes else "normal"
            before = 0
            for message in messages:
                tokens = estimate([message])
                if message["role"] == "assistant":
                    yield _asked(bool(message.get("tool_calls")), risk, before, tokens)
                before += tokens


def _asked(plans: bool, risk: str, tokens: int, output: int) -> Asked:
    ability = "plan" if plans else "chat"
    known = {
        "step": "executor" if plans else "responder",
        "need": ability,
        "risk": risk,
        "confidentiality": "internal",
        "tokens": tokens,
        "turns": 1,
        "intent": None,
        "principal": {"id": "ana", "roles": ["customer"], "groups": [], "tenant": None},
    }
    return Asked(ModelNeed(need=ability), tokens, output, known)


def seconds(tier: str, output: int) -> float:
    """Return what a call takes under the assumptions."""
    first, pace = ASSUMED[tier]
    return first + output / pace


def compared(models: Models, calls: Sequence[Asked]) -> dict[str, Any]:
    """Return money and latency of the routed calls, and of one big model for all of them."""
    big = models.choose(ModelNeed(need="plan", tier="best")).model
    assert big is not None
    money: Counter[str] = Counter()
    time_: Counter[str] = Counter()
    shares: Counter[str] = Counter()
    for asked in track(calls, "routing"):
        choice = models.choose(asked.need, asked.call, asked.known)
        assert choice.model is not None, choice.reason
        for side, chat in (("routed", choice.model), ("one", big)):
            money[side] += _cost(chat, asked)
            time_[side] += seconds(chat.spec.tier, asked.output)
        shares[choice.model.spec.model or ""] += 1
    others = {c.spec.model: c for c in models.chats if c.spec.tier == "best"}
    return {
        "cost_saving": 1 - money["routed"] / money["one"],
        "latency_ratio": time_["routed"] / time_["one"],
        "calls": len(calls),
        "plans_of_high_risk": sum(
            a.need.need == "plan" and a.known["risk"] == "high" for a in calls
        ),
        "one_big_model": big.spec.model,
        "one_usd": money["one"],
        "routed_usd": money["routed"],
        "saving_against": {
            name: 1 - money["routed"] / sum(_cost(chat, a) for a in calls)
            for name, chat in others.items()
        },
        "shares": {name: count / len(calls) for name, count in shares.most_common()},
    }


def _cost(chat: Chat, asked: Asked) -> float:
    cost = expected(chat.price, asked.tokens, asked.output)
    assert cost is not None, f"{chat.name} has no listed price"
    return cost


def timed(models: Models, calls: Sequence[Asked], decisions: int) -> dict[str, Any]:
    """Return what a decision takes: rules, filter, score and the reason in words."""
    chance = random.Random(0)
    drawn = [chance.choice(calls) for _ in range(decisions)]
    whole, ranking = [], []
    for asked in track(drawn, "deciding"):
        call = asked.call
        begun = time.perf_counter()
        models.choose(asked.need, call, asked.known)
        whole.append((time.perf_counter() - begun) * 1000)
        needed = required(asked.need, models.rules, asked.known)
        begun = time.perf_counter()
        rank(models._catalogue, needed, call)
        ranking.append((time.perf_counter() - begun) * 1000)
    return {
        "decision_p50_ms": percentile(whole, 0.5),
        "decision_p99_ms": percentile(whole, 0.99),
        "ranking_p50_ms": percentile(ranking, 0.5),
        "ranking_p99_ms": percentile(ranking, 0.99),
        "models": len(models.chats),
        "rules": len(models.rules),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--writes", default=WRITES, help="tools that write, with commas between")
    parser.add_argument("--decisions", type=int, default=5000)
    given = parser.parse_args()
    models = catalogue()
    calls = list(recorded(given.runs, frozenset(given.writes.split(","))))
    timing = timed(models, calls, given.decisions)
    assumptions = {
        "seconds_to_first_token_and_tokens_a_second": ASSUMED,
        "tokens": "estimated, three bytes each; no caching discount",
        "quality": "not measured: a capable model is taken to serve calls of normal risk",
    }
    report(
        "Routing among models", {**timing, **compared(models, calls), "assumptions": assumptions}
    )


if __name__ == "__main__":
    main()
