from hypothesis import given
from hypothesis import strategies as st

from concertmaster.graphs.state import merge_turn, update_of

keys = st.text("abc", min_size=1, max_size=2)
parts = st.dictionaries(
    st.sampled_from(["results", "data", "slots", "draft"]),
    st.dictionaries(keys, st.integers(), max_size=3),
    max_size=4,
)


def test_another_run_replaces_the_turn_whole():
    old = {"run": "a", "draft": {"text": "x"}, "verdict": {"status": "pass"}, "results": {"0": 1}}
    assert merge_turn(old, {"run": "b", "results": {}}) == {"run": "b", "results": {}}


def test_same_run_that_begins_again_starts_from_nothing():
    old = {"run": "a", "results": {"0": "denied"}, "data": {"x": 1}}
    fresh = {"run": "a", "request": {"text": "x"}, "results": {}, "data": {}}
    assert merge_turn(old, fresh) == fresh


def test_turn_that_is_none_is_replaced():
    assert merge_turn("nonsense", {"run": "a"}) == {"run": "a"}


def test_integers_that_no_checkpoint_holds_become_text():
    update = update_of({"data": {"n": 2**70, 1: (2, -(2**63))}, "hops": (), "asks": None})
    inner = {"n": str(2**70), "1": [2, -(2**63)]}
    assert update == {"turn": {"data": inner, "hops": [], "asks": None}}


def test_parallel_results_are_merged_by_position():
    old = {"run": "a", "results": {"0": "x"}}
    merged = merge_turn(merge_turn(old, {"results": {"1": "y"}}), {"results": {"2": "z"}})
    assert merged["results"] == {"0": "x", "1": "y", "2": "z"}


@given(parts, parts)
def test_updates_that_touch_different_keys_commute(left, right):
    disjoint = {k: v for k, v in right.items() if k not in left}
    start = {"run": "a"}
    one = merge_turn(merge_turn(start, left), disjoint)
    other = merge_turn(merge_turn(start, disjoint), left)
    assert one == other


@given(parts)
def test_merging_twice_changes_nothing(part):
    once = merge_turn({"run": "a"}, part)
    assert merge_turn(once, part) == once
