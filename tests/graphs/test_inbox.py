import pytest

from concertmaster.contracts import Action, Approval, Approve, Edit, Reject, Respond, ReviewNeed
from concertmaster.graphs.inbox import read_answer

APPROVAL = Approval(
    id="apr-1",
    run="r",
    thread="t",
    position=0,
    action=Action(position=0, step="executor", tool="refund", arguments={}, key="k", why="w"),
    requester="ana",
    digest="sha256:0",
    needs=(ReviewNeed(role="finance"),),
    created="2026-01-01T00:00:00+00:00",
)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ({"decisions": [{"type": "approve"}]}, Approve()),
        ({"decisions": [{"type": "reject", "message": "no"}]}, Reject(reason="no")),
        ({"decisions": [{"type": "respond", "message": "later"}]}, Respond(text="later")),
        (
            {
                "decisions": [
                    {"type": "edit", "edited_action": {"name": "refund", "args": {"amount": 1}}}
                ]
            },
            Edit(arguments={"amount": 1}),
        ),
        ([{"type": "accept", "args": None}], Approve()),
        ([{"type": "ignore"}], Reject(reason="ignored in the inbox")),
        ([{"type": "response", "args": "wait"}], Respond(text="wait")),
        (
            [{"type": "edit", "args": {"action": "refund", "args": {"amount": 2}}}],
            Edit(arguments={"amount": 2}),
        ),
    ],
)
def test_known_forms_are_read(value, answer):
    assert read_answer(value, APPROVAL) == answer


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "approve",
        "wake",
        {},
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": ["approve"]},
        {"decisions": [{"type": "APPROVE"}]},
        {"decisions": [{"type": "edit", "edited_action": {"name": "wire", "args": {}}}]},
        {"decisions": [{"type": "edit", "edited_action": {"name": "refund", "args": "x"}}]},
        [],
        [{"type": "edit", "args": {"action": "wire", "args": {}}}],
    ],
)
def test_anything_else_is_no_answer(value):
    assert read_answer(value, APPROVAL) is None
