import re

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.serving.identity.key_format import PATTERN, new_key_text, parse_key


def test_key_is_recognised_and_its_secret_is_not_shown():
    key = new_key_text()
    assert re.fullmatch(PATTERN, key.text)
    assert len(key.text) == 65
    assert parse_key(key.text) == key
    assert key.text not in repr(key)
    assert key.id == f"apikey-{key.text[3:15]}"


def test_keys_differ():
    assert len({new_key_text().text for _ in range(1000)}) == 1000


@given(st.integers(3, 64), st.sampled_from("aZ09_-"))
def test_typing_error_is_seen_without_a_look_up(place, character):
    text = new_key_text().text
    wrong = text[:place] + character + text[place + 1 :]
    assert (parse_key(wrong) is None) == (wrong != text)


@given(st.text(max_size=80) | st.from_regex(PATTERN, fullmatch=True))
def test_made_up_text_is_no_key(text):
    assert parse_key(text) is None or re.fullmatch(PATTERN, text)


def test_line_break_at_the_end_is_no_key():
    assert parse_key(new_key_text().text + "\n") is None


def test_digest_of_another_key_does_not_fit():
    one, two = new_key_text(), new_key_text()
    assert one.fits(one.digest)
    assert not one.fits(two.digest)
