import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.contracts import Hop, Principal, Turn
from concertmaster.contracts.request import Request
from concertmaster.contracts.spec import RouteSpec, StepSpec, WorkflowSpec, WorkspaceSpec
from concertmaster.graphs.supervisor import Ask, RouteTable, route, view_of
from concertmaster.policies.conditions import ConditionError

ANA = Principal(id="ana", roles=("customer",))
STEPS = (
    StepSpec(id="classify", agent="intent_classifier", owner="ops"),
    StepSpec(id="search", agent="retriever", owner="library"),
)


def table(*routes: RouteSpec, hops: int = 30) -> RouteTable:
    workflow = WorkflowSpec(
        workflow="w", owner="ops", steps=STEPS, routes=routes, limits={"hops": hops}
    )
    return RouteTable.compile(WorkspaceSpec(workflow=workflow))


def turn(**fields) -> Turn:
    request = Request(text="x", resolved="x", principal="ana", received="2026-01-01")
    return Turn(run="run-1", request=request, **fields)


def hop(view_turn: Turn, *routes: RouteSpec, hops: int = 30) -> Hop | Ask:
    return route(view_of(view_turn, ANA), table(*routes, hops=hops))


def test_first_route_that_holds_decides_and_gives_its_reason():
    found = hop(
        turn(),
        RouteSpec(when="intent != null", to="search"),
        RouteSpec(when="intent == null", to="classify", why="nothing is known yet"),
        RouteSpec(to="escalate"),
    )
    assert (found.to, found.why) == ("classify", "nothing is known yet")


def test_condition_over_null_escalates_instead_of_falling_through():
    found = hop(turn(), RouteSpec(when="intent.acts", to="search"), RouteSpec(to="finish"))
    assert found.to == "escalate"
    assert found.owner == "ops"
    assert "could not be evaluated" in found.why


def test_condition_that_is_no_boolean_escalates():
    found = hop(turn(), RouteSpec(when="size(evidence)", to="search"), RouteSpec(to="finish"))
    assert found.to == "escalate"


def test_no_route_escalates():
    assert hop(turn(), RouteSpec(when="retrieved", to="finish")).to == "escalate"


def test_hop_limit_wins_over_the_table():
    hops = tuple(Hop(to="search", why="w") for _ in range(5))
    found = hop(turn(hops=hops), RouteSpec(to="search"), hops=5)
    assert found.to == "escalate"
    assert "limit of 5 hops" in found.why


def test_failed_step_goes_to_its_declared_fallback():
    failed = {"step": "search", "why": "broke", "fallback": "classify"}
    assert hop(turn(failed=failed), RouteSpec(to="finish")).to == "classify"
    failed["fallback"] = "escalate"
    found = hop(turn(failed=failed), RouteSpec(to="finish"))
    assert (found.to, found.owner) == ("escalate", "library")


def test_effect_in_doubt_goes_to_a_person_whatever_the_table_says():
    action = {
        "position": 0,
        "step": "search",
        "tool": "pay",
        "arguments": {},
        "key": "k",
        "why": "",
    }
    result = {"position": 0, "key": "k", "tool": "pay", "status": "in_doubt"}
    found = hop(turn(actions=[action], results={"0": result}), RouteSpec(to="finish"))
    assert (found.to, found.owner) == ("escalate", "library")
    assert "unknown" in found.why


def test_ask_carries_its_options_and_no_target():
    asked = hop(turn(), RouteSpec(ask=("classify", "search"), otherwise="search", why="unclear"))
    assert isinstance(asked, Ask)
    assert asked.options == ("classify", "search")
    assert asked.otherwise == "search"


def test_owner_of_the_intent_is_looked_up():
    intent = {
        "name": "billing",
        "in_scope": True,
        "confidence": 1.0,
        "method": "linear",
        "why": "w",
        "owner": "finance",
    }
    found = hop(turn(intent=intent), RouteSpec(to="escalate", owner="intent.owner"))
    assert found.owner == "finance"


@pytest.mark.parametrize("when", ["nope == 1", "intent.nope", "intent ==", "verdict.status = 'x'"])
def test_unknown_names_and_broken_conditions_are_found_when_compiled(when):
    with pytest.raises(ConditionError):
        table(RouteSpec(when=when, to="search"))


@given(
    revisions=st.integers(0, 3),
    done=st.lists(st.sampled_from(["classify", "search"]), unique=True),
    data=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
def test_routing_is_a_function_of_the_turn(revisions, done, data):
    given_turn = turn(revisions=revisions, done=done, data=data)
    routes = (
        RouteSpec(when="revisions > 1 && 'search' in done", to="finish"),
        RouteSpec(when="size(data) > 0", to="search"),
        RouteSpec(to="classify"),
    )
    assert hop(given_turn, *routes) == hop(given_turn, *routes)
