"""What holds of every call and every source."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.contracts import Confidentiality, Label, ToolShape, Trust
from concertmaster.contracts.provenance import Provenance
from concertmaster.policies.provenance import Source, Sources, trace

RANK = {"principal": 0, "trusted": 1, "untrusted": 2, "composed": 3}
TOOL = ToolShape(
    name="tool",
    effect="write",
    targets=("to", "amount_cents"),
    asks=("send", "cancel order"),
    arguments={
        "properties": {
            "kind": {"enum": ["one_way", "return"]},
            "n": {"default": 3},
            **{name: {} for name in ("to", "body", "amount_cents", "fields")},
        }
    },
)

TOKENS = (
    "ana bob banana send cancel order not lunch with Sarah 1042 #1042 21042 20 20.00 1,200.50 two "
    "$20 20€ 2024-05-26 14:30 bob@x.com xbob@x.com http://good.com/ http://good.com/evil good.com "
    "DE89370400440532013000 +49170123456 one_way true \\n ' . , : ; - / ünïcode 中文 \u200b"
).split(" ")

text = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=12).map(" ".join)
scalar = (
    st.none() | st.booleans() | st.integers() | st.floats() | text | st.sampled_from(TOKENS)
    | st.sampled_from([20, 1042, 2000, 1200.5, 2])
)  # fmt: skip
json = st.recursive(
    scalar,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
calls = st.dictionaries(
    st.sampled_from(["to", "body", "amount_cents", "kind", "n", "fields"]), json, max_size=4
)
standing = st.sampled_from(["principal", "trusted", "untrusted"])
source = st.builds(Source, st.sampled_from("abcdef"), standing, text | json)
many = st.lists(source, max_size=5)


def origins(found: Provenance) -> list[tuple[str, str, bool, int]]:
    return [(v.argument, v.path, v.embedded, RANK[v.origin]) for v in found.values]


@given(calls, many)
@settings(max_examples=300, deadline=None)
def test_every_call_can_be_traced(call: dict[str, Any], sources: list[Source]):
    found = trace(TOOL, call, Sources(*sources))
    assert {v.argument for v in found.values} <= set(call)
    ids = {s.id for s in sources}
    for value in found.values:
        assert set(value.sources) <= ids
        assert bool(value.sources) == (value.origin != "composed")


@given(calls, many, source)
@settings(max_examples=300, deadline=None)
def test_one_more_source_makes_no_origin_worse(
    call: dict[str, Any], sources: list[Source], more: Source
):
    before = origins(trace(TOOL, call, Sources(*sources)))
    after = origins(trace(TOOL, call, Sources(*sources).plus(more)))
    assert [one[:3] for one in before] == [one[:3] for one in after]
    assert all(new[3] <= old[3] for old, new in zip(before, after, strict=True))


@given(calls, many, json)
@settings(max_examples=300, deadline=None)
def test_untrusted_output_makes_nothing_trusted(
    call: dict[str, Any], sources: list[Source], output: Any
):
    before = trace(TOOL, call, Sources(*sources))
    after = trace(TOOL, call, Sources(*sources, Source("z", "untrusted", output)))
    assert after.arguments("composed", "untrusted") == before.arguments("composed", "untrusted")
    assert after.unproven(embedded=True) == before.unproven(embedded=True)
    assert (after.asked, after.asked_why) == (before.asked, before.asked_why)


@given(calls, many, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_sources_does_not_matter(
    call: dict[str, Any], sources: list[Source], shuffle: Any
):
    mixed = list(sources)
    shuffle.shuffle(mixed)
    first, second = (trace(TOOL, call, Sources(*one)) for one in (sources, mixed))
    assert first.values == second.values
    assert first.asked == second.asked


words = st.lists(
    st.sampled_from([t for t in TOKENS if "/" not in t and "\\" not in t]), max_size=12
)


@given(calls, words, st.data())
@settings(max_examples=300, deadline=None)
def test_case_spaces_and_invisible_characters_do_not_matter(
    call: dict[str, Any], said: list[str], data: st.DataObject
):
    changed = [
        data.draw(st.sampled_from([word, word.upper(), word.lower(), word.swapcase()]))
        for word in said
    ]
    gaps = [
        data.draw(st.sampled_from([" ", "  ", "\n", "\t", "\u00a0", " \u2003\r\n"])) for _ in said
    ]
    loose = "".join(word + gap for word, gap in zip(changed, gaps, strict=True))
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(loose)))
        loose = (
            loose[:at]
            + data.draw(st.sampled_from("\u200b\u202e\u2066\u00ad\ufeff\x00"))
            + loose[at:]
        )
    before = trace(TOOL, call, Sources(Source("a", "principal", " ".join(said))))
    after = trace(TOOL, call, Sources(Source("a", "principal", loose)))
    assert before == after


PROVEN = [
    "bob@x.com", "Ana", "#1042", "1042", "http://good.com/a", "fine.org", "DE89370400440532013000",
    "4111 1111 1111 1111", "+49 170 1234567", "ORD-1042", "2024-05-26", "14:30", "1200.5",
    "Sarah Jones",
]  # fmt: skip


@given(
    st.sampled_from(PROVEN),
    st.text("abcxy123456789.@-_/", min_size=1, max_size=6).filter(lambda t: t[-1] not in ".-_/@"),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_a_proven_value_with_more_characters_is_not_proven(value: str, more: str, front: bool):
    said = Sources(Source("a", "principal", "; ".join(PROVEN)))
    assert trace(TOOL, {"to": value}, said).values[0].origin == "principal"
    longer = more[::-1] + value if front else value + more
    if any(longer.casefold() == known.casefold() for known in PROVEN):
        return
    found = trace(TOOL, {"to": longer}, said)
    assert [v.origin for v in found.values if not v.embedded] == ["composed"], longer


labels = st.builds(
    Label,
    trust=st.sampled_from(Trust),
    confidentiality=st.sampled_from(Confidentiality),
    sources=st.lists(st.sampled_from("abc")).map(lambda ids: tuple(sorted(set(ids)))),
)


@given(labels, labels, labels)
def test_labels_join_in_any_order(first: Label, second: Label, third: Label):
    assert first.join(second) == second.join(first)
    assert first.join(second).join(third) == first.join(second.join(third))
    assert first.join(first) == first


@given(labels, labels)
def test_joins_only_go_up(first: Label, second: Label):
    both = first.join(second)
    assert both.trust <= first.trust
    assert both.confidentiality >= first.confidentiality
    assert set(both.sources) >= set(first.sources)
    assert both.join(first) == both
