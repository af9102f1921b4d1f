"""`concertmaster policy replay` of an agent's home: calls of LangChain's `create_agent`."""

import json
import sqlite3

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from typing_extensions import TypedDict

import concertmaster as cm
from concertmaster.graphs.langchain.stores import FILE
from concertmaster.testing import Call, ScriptedModel

POLICIES = """
@id("read") permit (principal, action == Action::"balance", resource);

@id("small") permit (principal, action == Action::"pay", resource)
when { principal.roles.contains("customer") && context.args.euros <= 50 };

@id("large") @obligation("review:finance, notify:risk")
permit (principal, action == Action::"pay", resource)
when { principal.roles.contains("customer") && context.args.euros > 50 };

@id("never") forbid (principal, action == Action::"pay", resource)
when { context.args.euros > 5000 };
"""
STRICT = """
@id("read") permit (principal, action == Action::"balance", resource);

@id("seen-first") @obligation("review:finance")
permit (principal, action == Action::"pay", resource)
when { context.args.euros <= 100 && context.history.thread.done.contains("balance")
       && context.facts.limit >= 1000 && context.provenance.asked };

@id("never") forbid (principal, action == Action::"pay", resource)
when { context.args.euros > 100 };
"""
ANA = cm.Principal(id="ana", roles=("customer",))
BEN = cm.Principal(id="ben", roles=("customer",))
LI = cm.Principal(id="li", roles=("finance",))
APPROVE = {"decisions": [{"type": "approve"}]}


@tool
def balance(account: str) -> int:
    """Tell a balance."""
    return 700


@tool
def pay(account: str, euros: int) -> str:
    """Pay money."""
    return f"paid {euros}"


class Limit(TypedDict):
    limit: int


def limit_of(arguments: dict[str, object], ctx: object) -> Limit:
    return {"limit": 1000}


def declared():
    return [
        cm.declare(balance, effect="read", label="internal"),
        cm.declare(
            pay,
            effect="irreversible",
            targets=["account"],
            asks=["pay"],
            facts=limit_of,
        ),
    ]


def folder_of(path, text):
    path.mkdir()
    (path / "all.cedar").write_text(text)
    return path


@pytest.fixture
def own(tmp_path):
    return folder_of(tmp_path / "own", POLICIES)


@pytest.fixture
def strict(tmp_path):
    return folder_of(tmp_path / "strict", STRICT)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "agent"


def ask(governance, thread, principal, said, *calls, answer=APPROVE):
    """Let an agent make calls, one after the other; answer its review."""
    agent = create_agent(
        ScriptedModel(*calls, "Done."),
        [balance, pay],
        middleware=[cm.GovernanceMiddleware(governance)],
        checkpointer=InMemorySaver(),
        context_schema=cm.Acting,
    )
    config = {"configurable": {"thread_id": thread}}
    acting = cm.Acting(principal=principal, reviewer=LI)
    state = agent.invoke({"messages": [("user", said)]}, config, context=acting)
    if "__interrupt__" in state:
        agent.invoke(Command(resume=answer), config, context=acting)


def payment(euros):
    return Call("pay", {"account": "NL91", "euros": euros})


@pytest.fixture
def recorded(own, home):
    """Permitted, reviewed and denied: a small payment, one that was approved, one far too large."""
    with cm.Governance.load(own, tools=declared(), home=home) as governance:
        look = Call("balance", {"account": "NL91"})
        ask(governance, "t-1", ANA, "Please pay 20 to NL91", look, payment(20))
        ask(governance, "t-2", BEN, "Please pay 80 to NL91", look, payment(80))
        ask(governance, "t-3", ANA, "Please pay 9000 to NL91", payment(9000))
        ask(governance, "t-4", ANA, "Please pay 300 to NL91", payment(300))
    return home


@pytest.fixture
def replay(recorded, cli):
    def run(policies, *options):
        done = cli(
            "policy", "replay", "--policies", policies, "--home", recorded, *options, "--json"
        )
        return json.loads(done.stdout), done.exit_code

    return run


def change(home, sql):
    with sqlite3.connect(home / FILE) as connection:
        connection.execute(sql)
    connection.close()


def test_every_decision_of_an_agent_is_reproduced_under_the_same_policies(replay, own):
    found, code = replay(own)
    assert code == 0
    assert found["workspace"] == "agent"
    assert found["changes"] == {"same": 6}
    assert found["decisions"] == {
        "read": 12,
        "exact": 12,
        "settled": {},
        "approximate": {},
        "not_at_all": {},
        "erased": 0,
    }
    assert (found["check"]["decisions"], found["check"]["reproduced"]) == (12, 12)


def test_a_stricter_policy_shows_the_difference_by_rule_tool_and_principal(replay, strict):
    found, code = replay(strict)
    assert code == 1
    assert found["changes"] == {"same": 3, "sent_to_person": 1, "stopped": 1, "other_duties": 1}
    assert found["by_rule"] == {
        "never": {"stopped": 1},
        "seen-first": {"sent_to_person": 1, "other_duties": 1},
    }
    assert found["by_tool"] == {"pay": {"sent_to_person": 1, "stopped": 1, "other_duties": 1}}
    assert found["by_principal"] == {
        "ana": {"sent_to_person": 1, "stopped": 1},
        "ben": {"other_duties": 1},
    }
    stopped = next(c for c in found["calls"] if c["change"] == "stopped")
    assert (stopped["thread"], stopped["before"]["decision"]) == ("t-4", "review")
    assert stopped["before"]["needs"] == ["finance"]
    assert stopped["before"]["duties"] == ["notify:risk"]
    assert stopped["effect"] is True
    # The check is by the policies that the agent was opened with, not by those to try.
    assert found["check"]["decisions"] == found["check"]["reproduced"] == 12


def test_it_is_told_in_sentences_without_positions_in_a_plan(recorded, strict, cli):
    told = cli("policy", "replay", "--policies", strict, "--home", recorded).stdout
    assert "1 call would have been sent to a person" in told
    assert "for ana was allowed (small), now reviewed by finance (seen-first)" in told
    assert "it took effect" in told
    assert "call 1:" not in told
    assert "12 decisions made under the present policies, all reproduced" in told


@pytest.mark.parametrize("what", ['"ana"', '"euros":', '"limit":', '"origin"'])
def test_a_basis_that_was_changed_is_no_ground(what, recorded, replay, own):
    change(recorded, f"UPDATE decision_bases SET basis = replace(basis, '{what}', '\"x\"')")
    found, _ = replay(own)
    assert list(found["decisions"]["not_at_all"]) == [
        "what it rested on was erased, or changed since"
    ]
    assert found["check"]["reproduced"] == found["check"]["decisions"] < 12


def test_an_erased_thread_does_not_contribute_any_more(recorded, replay, strict, own):
    with cm.Governance.load(own, tools=declared(), home=recorded) as governance:
        governance.forget("t-4", by=LI, why="request 4711")
    found, _ = replay(strict)
    assert found["decisions"]["erased"] == 4
    assert found["decisions"]["read"] == 8
    assert "stopped" not in found["changes"]


def test_the_agent_may_go_on_meanwhile_and_its_files_are_only_read(recorded, own, strict, cli):
    with cm.Governance.load(own, tools=declared(), home=recorded) as governance:
        ask(governance, "t-5", ANA, "Please pay 30 to NL91", payment(30))
        done = cli("policy", "replay", "--policies", strict, "--home", recorded, "--json")
        found = json.loads(done.stdout)
        ask(governance, "t-6", ANA, "Please pay 30 to NL91", payment(30))
    assert found["check"]["reproduced"] == found["decisions"]["read"] == 13
    assert found["by_principal"]["ana"]["stopped"] == 2


def test_that_a_person_said_no_is_no_decision_of_the_gate(recorded, own, replay):
    with cm.Governance.load(own, tools=declared(), home=recorded) as governance:
        no = {"decisions": [{"type": "reject", "message": "not today"}]}
        ask(governance, "t-5", ANA, "Please pay 300 to NL91", payment(300), answer=no)
    found, code = replay(own)
    assert (found["changes"], code) == ({"same": 7}, 0)
    assert found["decisions"]["exact"] == found["decisions"]["read"]


def test_roles_and_facts_count_as_they_were(recorded, replay, tmp_path):
    rules = """
    @id("old") permit (principal, action, resource)
    when { principal.roles.contains("customer") && context.provenance.asked };
    @id("facts") forbid (principal, action == Action::"pay", resource)
    when { context.facts.limit < 1000 };
    """
    found, _ = replay(folder_of(tmp_path / "other", rules))
    assert found["changes"] == {"let_through": 3, "same": 1, "stopped": 2}


def test_a_thread_of_an_agent_is_erased_from_the_command_line(recorded, replay, strict, cli, ask):
    erase = ("audit", "erase", "--home", recorded, "--as", "li", "--why", "request 4711")
    told, code = ask(*erase, "t-4")
    assert (told["thread"], code) == ("t-4", 0)
    found, _ = replay(strict)
    assert told["events"] > found["decisions"]["erased"] == 4
    again = cli(*erase, "t-4")
    assert again.exit_code != 0
    assert "there is no thread 't-4'" in again.stderr


def test_decisions_of_a_release_that_kept_nothing_are_counted_not_guessed(recorded, replay, own):
    change(recorded, "DROP TRIGGER audit_events_no_update")
    change(
        recorded,
        "UPDATE audit_events SET envelope = json_remove(envelope, '$.data.detail.basis')",
    )
    change(recorded, "DROP TABLE decision_bases")
    found, _ = replay(own)
    assert found["decisions"]["not_at_all"] == {"its arguments are not kept any more": 12}


def test_a_tool_that_is_declared_otherwise_today_makes_it_approximate(recorded, replay, own):
    tools = [cm.declare(balance, effect="read"), declared()[1]]
    with cm.Governance.load(own, tools=tools, home=recorded):
        pass
    found, _ = replay(own)
    assert found["decisions"]["approximate"] == {"the tool's declaration has changed since": 2}


def test_a_home_of_an_earlier_release_says_what_is_missing(recorded, own, cli):
    change(recorded, "DROP TABLE governed_setups")
    done = cli("policy", "replay", "--policies", own, "--home", recorded)
    assert done.exit_code != 0
    assert "open the agent's governance on it once" in " ".join(done.stderr.split())


def test_a_home_of_several_agents_asks_which(recorded, replay, own, cli):
    with cm.Governance.load(own, tools=declared(), home=recorded, name="other"):
        pass
    done = cli("policy", "replay", "--policies", own, "--home", recorded)
    assert done.exit_code == 2
    assert "several agents: agent, other" in " ".join(done.stderr.split())
    assert replay(own, "--agent", "agent")[0]["decisions"]["read"] == 12
    assert replay(own, "--agent", "other")[0]["decisions"]["read"] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "whose calls are to be decided again?"),
        (["--home", "nowhere"], "is no home of a governed agent"),
        (["WORKSPACE", "--agent", "a"], "--agent is for the home of governed agents"),
        (["--home", "HOME", "--agent", "b"], "the home is of no agent 'b'"),
    ],
)
def test_wrong_options_are_told(options, told, recorded, own, workspace, cli):
    names = {"WORKSPACE": workspace, "HOME": recorded}
    done = cli("policy", "replay", *(names.get(o, o) for o in options), "--policies", own)
    assert done.exit_code != 0
    assert told in " ".join(done.stderr.split())
