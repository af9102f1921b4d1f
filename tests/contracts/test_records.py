import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from concertmaster.contracts import ANONYMOUS, Action, Label, Principal
from concertmaster.contracts.spec import StepSpec, WorkflowSpec

labels = st.builds(
    Label,
    trust=st.sampled_from([0, 1]),
    confidentiality=st.sampled_from([0, 1, 2]),
    sources=st.lists(st.sampled_from("abc"), unique=True).map(lambda s: tuple(sorted(s))),
)


@given(labels, labels, labels)
def test_joins_of_labels_only_go_up_in_any_order(a, b, c):
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(b).trust <= a.trust
    assert a.join(b).confidentiality >= a.confidentiality


def test_nobody_reads_without_readers_and_everybody_what_is_for_everyone():
    ana = Principal(id="ana", roles=("customer",), groups=("g",))
    assert not ana.may_read(())
    assert ana.may_read(("everyone",))
    assert ANONYMOUS.may_read(("everyone",))
    for readers in (("role:customer",), ("group:g",), ("principal:ana",)):
        assert ana.may_read(readers)
        assert not ANONYMOUS.may_read(readers)


def test_anonymous_is_not_a_person_of_that_name():
    assert not ANONYMOUS.may_read(("principal:anonymous",))
    assert not ANONYMOUS.authenticated


def test_names_do_not_pass_for_roles():
    sly = Principal(id="role:staff", roles=("x",), groups=("staff",))
    assert not sly.may_read(("role:staff",))


def test_digest_of_a_call_covers_tool_and_arguments_only():
    call = Action(position=0, step="s", tool="t", arguments={"a": 1, "b": 2}, key="k", why="w")
    same = call.model_copy(update={"position": 7, "why": "other", "arguments": {"b": 2, "a": 1}})
    other = call.model_copy(update={"arguments": {"a": 1, "b": 3}})
    assert call.call_digest() == same.call_digest() != other.call_digest()


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20.0), ("500ms", 0.5), ("2m", 120.0), (3, 3.0)]
)
def test_durations_are_read(text, seconds):
    assert StepSpec(id="s", agent="critic", timeout=text).timeout == seconds


@pytest.mark.parametrize("text", ["soon", "-1s", "0s", "2 weeks", "1e9s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValidationError):
        StepSpec(id="s", agent="critic", timeout=text)


def test_unknown_keys_are_errors_everywhere():
    with pytest.raises(ValidationError):
        StepSpec(id="s", agent="critic", toolz=[])
    with pytest.raises(ValidationError):
        WorkflowSpec(workflow="w", steps=[], routes=[])
    with pytest.raises(ValidationError):
        Principal(id="a", admin=True)
