"""Leaving out what no policy reads changes no decision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.contracts import Confidentiality, History, Label, Past, ToolShape, Trust
from concertmaster.policies import Call, PolicyEngine
from concertmaster.policies.narrowing import narrowed, paths_read, view_of
from concertmaster.policies.provenance import Source, Sources, trace
from concertmaster.policies.schema import vocabulary

TOOL = "refund_payment"
CONDITIONS = (
    "context.args.amount_cents > 5000",
    "context.args has note && context.args.note == \"x\"",
    "context has intent && context.intent == \"refund\"",
    "context.facts.customer == principal.id",
    "context.facts == context.facts",
    "context.label.trusted",
    "context.label.confidentiality == \"restricted\" || context.label.cleared",
    "context.provenance.asked && context.provenance.targets_trusted",
    "context.provenance.trusted.contains(\"order_id\")",
    "context.history.run.consequential > 1",
    "context.history.thread.done.contains(\"change_address\")",
    "context.history has run",
    "context.step == \"executor\" && resource.effect == \"irreversible\"",
    "principal.roles.contains(\"staff\")",
    "if context.label.trusted then context.args.order_id > 7 else true",
    "[context.args.amount_cents, 1].contains(1)",
    "context == context",
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    policies = ['@id("any") permit (principal, action, resource);']
    for n in range(draw(st.integers(1, 4))):
        effect = draw(st.sampled_from(("permit", "forbid")))
        kind = draw(st.sampled_from(("when", "unless")))
        condition = " && ".join(
            f"({c})" for c in draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3))
        )
        policies.append(
            f'@id("p{n}") {effect} (principal, action, resource) {kind} {{ {condition} }};'
        )
    return "\n".join(policies)


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any]:
    done = st.frozensets(st.sampled_from(("get_order", "change_address")))
    past = st.builds(Past, done=done, consequential=st.integers(0, 3))
    return {
        "arguments": {
            "order_id": draw(st.integers(1, 9)),
            "amount_cents": draw(st.sampled_from((1, 5000, 5001))),
            "note": draw(st.sampled_from((None, "x", "y"))),
        },
        "intent": draw(st.sampled_from((None, "refund", "other"))),
        "label": Label(
            trust=draw(st.sampled_from(Trust)),
            confidentiality=draw(st.sampled_from(Confidentiality)),
        ),
        "history": History(run=draw(past), thread=draw(past)),
        "sources": Sources(Source("request", "principal", draw(st.sampled_from(("order 7", ""))))),
        "offered": draw(st.sampled_from((frozenset(), frozenset({TOOL})))),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=texts(), change=changes())
def test_narrowed_request_gets_the_same_answer(
    text: str,
    change: dict[str, Any],
    shapes: dict[str, ToolShape],
    call: Callable[..., Call],
    tmp_path: Path,
):
    import cedarpy

    (tmp_path / "p.cedar").write_text(text, encoding="utf-8")
    only = {TOOL: shapes[TOOL]}
    engine = PolicyEngine.load(tmp_path, only)
    parsed = cedarpy.PolicySet.from_str(text)
    proposed = call(TOOL, **change)
    origins = trace(shapes[TOOL], proposed.arguments, proposed.sources, offered=proposed.offered)
    full = engine.ask(proposed, origins, "shop", parsed)
    view = view_of(vocabulary(only).cedar_schema(), TOOL, [text])
    small = engine.ask(proposed, origins, "shop", parsed, view=view)
    assert small.decision == full.decision
    assert sorted(small.diagnostics.reasons) == sorted(full.diagnostics.reasons)
    assert bool(small.diagnostics.errors) == bool(full.diagnostics.errors)


@pytest.mark.parametrize(
    ("condition", "paths"),
    [
        ("context.args.a == 1", {("args", "a")}),
        ("context has intent", {("intent",)}),
        ("context.args has a && 1 == context.facts.b", {("args", "a"), ("facts", "b")}),
        ("context.args == context.facts", {("args",), ("facts",)}),
        ("context == context", {()}),
        ("principal.roles.contains(\"x\")", set()),
        ("context.history.run.done.contains(\"x\")", {("history", "run", "done")}),
    ],
)  # fmt: skip
def test_paths_that_a_policy_reads(condition: str, paths: set[tuple[str, ...]]):
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    assert paths_read([text]) == paths


def test_record_is_kept_with_what_is_read_of_it():
    attributes = {
        "a": {"type": "Record", "attributes": {"b": {"type": "Long"}, "c": {"type": "Long"}}},
        "d": {"type": "String"},
    }
    kept = narrowed(attributes, frozenset({("a", "b")}))
    assert kept == {"a": {"type": "Record", "attributes": {"b": {"type": "Long"}}}}
    assert narrowed(attributes, frozenset({()})) == attributes
    assert narrowed(attributes, frozenset()) == {}
