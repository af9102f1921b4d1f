"""What is kept of a decision is enough to make it again, whatever it rested on."""

from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.contracts import (
    Confidentiality,
    History,
    Label,
    Past,
    Principal,
    ToolShape,
    Trust,
    digest,
)
from concertmaster.contracts.spec import ReviewSpec
from concertmaster.evaluation.replay.difference import verdict
from concertmaster.evaluation.replay.reading import _call
from concertmaster.evaluation.replay.recorded import Recorded, WhatIf
from concertmaster.policies.bases import Basis, basis_of, shape_digest
from concertmaster.policies.bundle import read_bundle
from concertmaster.policies.call import Call
from concertmaster.policies.engine import PolicyEngine
from concertmaster.policies.gate import Gate
from concertmaster.policies.provenance import Source, Sources

POLICIES = """
@id("own") permit (principal, action == Action::"pay", resource)
when { context.facts.owner == principal.id && context.args.cents <= 5000
       && context.provenance.targets_trusted };
@id("large") @obligation("review:2-of:finance, deadline:4h:reject, redact:iban")
permit (principal, action == Action::"pay", resource)
when { context.args.cents > 5000 && principal.roles.contains("customer") };
@id("secret") forbid (principal, action == Action::"pay", resource)
when { !context.label.cleared || context.history.thread.done.contains("move") };
@id("intent") @obligation("notify:risk") permit (principal, action == Action::"pay", resource)
when { context has intent && context.intent == "refund" && context.provenance.asked };
"""
SHAPE = ToolShape(
    name="pay",
    effect="irreversible",
    clearance=Confidentiality.internal,
    targets=("to",),
    asks=("pay",),
    arguments={
        "type": "object",
        "properties": {"to": {"type": "string"}, "cents": {"type": "integer"}},
        "required": ["to", "cents"],
    },
    facts={
        "type": "object",
        "properties": {"owner": {"type": "string"}, "large": {"type": "integer"}},
        "required": ["owner"],
    },
)
WORDS = st.sampled_from(["ana", "ben", "DE89 3704", "pay 20 euros to ana", "  ", "ünïcode \ud7ff"])
pasts = st.builds(
    Past,
    done=st.frozensets(st.sampled_from(["move", "look", "pay"])),
    calls=st.integers(0, 5),
    consequential=st.integers(0, 5),
    refused=st.integers(0, 5),
)
facts = st.fixed_dictionaries(
    {"owner": st.sampled_from(["ana", "ben"])}, optional={"large": st.integers(2**53, 2**62)}
)
calls = st.builds(
    Call,
    tool=st.just("pay"),
    arguments=st.fixed_dictionaries(
        {"to": WORDS, "cents": st.integers(0, 20000) | st.integers(-(2**63), 2**63 - 1)}
    ),
    principal=st.builds(
        Principal,
        id=st.sampled_from(["ana", "ben", "anonymous"]),
        name=st.none() | WORDS,
        roles=st.sampled_from([("customer",), ("staff", "customer"), ()]),
        groups=st.lists(WORDS, max_size=1).map(tuple),
        tenant=st.none() | st.just("shop"),
    ),
    step=st.just("executor"),
    allowed=st.just(("pay",)),
    review=st.sampled_from(
        [
            ReviewSpec(),
            ReviewSpec(mode="none"),
            ReviewSpec(mode="always", roles=("boss",), deadline=90, at_deadline="escalate:chief"),
        ]
    ),
    facts=facts | facts.map(dict) | st.none(),
    intent=st.none() | st.sampled_from(["refund", "other"]),
    label=st.builds(
        Label, trust=st.sampled_from(Trust), confidentiality=st.sampled_from(Confidentiality)
    ),
    sources=st.lists(
        st.builds(
            Source, st.just("s"), st.sampled_from(["principal", "trusted", "untrusted"]), WORDS
        ),
        max_size=2,
    ).map(lambda found: Sources(*found)),
    history=st.builds(History, run=pasts, thread=pasts),
    offered=st.sampled_from([frozenset(), frozenset({"pay"})]),
)


def _engine(tmp):
    (tmp / "all.cedar").write_text(POLICIES)
    found = read_bundle(tmp, {"pay": SHAPE})
    assert not found.problems, found.problems
    return PolicyEngine(found.policies, {"pay": SHAPE})


def test_a_kept_basis_gives_the_same_decision(tmp_path_factory):
    engine = _engine(tmp_path_factory.mktemp("policies"))
    gate, again = (kind(engine, {"pay": SHAPE}, "desk") for kind in (Gate, WhatIf))
    seen = set()

    @settings(max_examples=500, deadline=None, derandomize=True)
    @given(calls)
    def reproduces(call):
        decision = gate.decide(call)
        text = basis_of(call, decision.provenance, shape_digest(SHAPE)).written()
        kept = Basis.model_validate_json(text)
        assert kept.written() == text
        recorded = Recorded(
            seq=1,
            time="",
            run="run",
            thread="t",
            principal="ana",
            actor="gate",
            tool="pay",
            position=0,
            call=decision.call,
            kind=decision.kind,
            policies=(),
            needs=(),
            duties=(),
            bundle="",
        )
        replayed = again.decide(_call(recorded, kept, call.arguments))
        assert replayed == decision
        assert verdict(replayed) == verdict(decision)
        seen.add(decision.kind)

    reproduces()
    assert seen == {"allow", "review", "deny"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(WORDS, json_values, max_size=4))
def test_arguments_that_are_kept_have_the_digest_that_the_event_names(arguments):
    call = Call(
        tool="pay",
        arguments=arguments,
        principal=Principal(id="ana"),
        step="agent",
        allowed=("pay",),
        review=ReviewSpec(),
    )
    try:
        named = call.digest()
    except ValueError:
        return  # What has no digest is denied before anything is kept of it.
    kept = Basis.model_validate_json(basis_of(call, None, None, arguments).written())
    assert digest({"tool": "pay", "arguments": kept.arguments}) == named
