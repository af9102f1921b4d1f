import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import canonical, digest, plain_text
from concertmaster.contracts.base import _plain

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-1e15, 1e15)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcß✓", max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", max_size=3), json_values, max_size=5))
def test_digest_does_not_depend_on_the_order_of_keys(value):
    assert digest(dict(reversed(list(value.items())))) == digest(value)


@given(json_values)
def test_canonical_form_is_json_and_stable(value):
    once = canonical(value)
    assert canonical(json.loads(once)) == once


@given(json_values)
def test_canonical_form_is_that_of_the_standard(value):
    assert canonical(value) == rfc8785.dumps(_plain(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"x": "\ud800"}, {1, 2}, b"x"])
def test_what_is_no_plain_json_has_no_digest(value):
    with pytest.raises(ValueError, match="plain JSON"):
        digest(value)


def test_integers_that_json_readers_round_stay_apart():
    assert digest(2**53 + 1) != digest(2**53 + 2)


@given(st.text())
def test_cleaned_text_can_be_stored_and_stays_as_it_is(text):
    cleaned = plain_text(text)
    cleaned.encode("utf-8")
    assert plain_text(cleaned) == cleaned
    assert "\x00" not in cleaned


def test_control_and_override_characters_go_and_lines_stay():
    assert plain_text("a\x1b[31mb\u202ec\r\nd\te") == "a[31mbc\nd\te"
    assert plain_text("\ud83d\ude00") == "😀"
    assert plain_text("x\udc00") == "x\ufffd"
