"""Thread ids of one's own: nobody reaches somebody else's by any name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Principal
from concertmaster.errors import RequestError
from concertmaster.serving.threads import named, shown

ANA, BEN = Principal(id="ana"), Principal(id="ben")
ELSEWHERE = Principal(id="ana", tenant="elsewhere")
NAMES = st.text(st.characters(exclude_characters="~"), min_size=1, max_size=96).filter(
    lambda text: text.isprintable()
)


@given(NAMES)
def test_a_name_comes_back_to_its_owner(name):
    assert shown(ANA, named(ANA, name)) == name
    assert len(named(ANA, name)) <= 128


@given(NAMES, NAMES)
def test_nobody_names_somebody_elses_thread(one, other):
    if not one.startswith("thread-"):
        assert named(ANA, one) != named(BEN, other)
        assert named(ANA, one) != named(ELSEWHERE, other)


def test_roles_do_not_change_which_threads_are_ones_own():
    assert named(ANA, "t") == named(ANA.model_copy(update={"roles": ("staff",)}), "t")


@pytest.mark.parametrize("drawn", ["thread-0123456789abcdef", "thread-" + "0" * 24])
def test_ids_that_the_server_drew_stay_as_they_are(drawn):
    assert named(ANA, drawn) == named(BEN, drawn) == drawn


@pytest.mark.parametrize("made_up", ["thread-1", "thread-" + "0" * 25, "thread-0123456789ABCDEF"])
def test_what_only_looks_drawn_is_a_name_of_ones_own(made_up):
    assert named(ANA, made_up) != named(BEN, made_up)


@pytest.mark.parametrize("name", ["", "x" * 97, "a~b", "~", "a\nb", "\x00", "\ud800", "\u202e", 7])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(RequestError):
        named(ANA, name)


def test_the_mark_of_somebody_else_is_not_taken_away():
    stored = named(BEN, "t")
    assert shown(ANA, stored) == stored
    with pytest.raises(RequestError):
        named(ANA, stored)
