"""Reviews inside of somebody else's graph: who may answer, what an answer is good for."""

import pytest
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph.types import Command, interrupt

import concertmaster as cm
from concertmaster.testing import Call

LARGE = Call("send_money", {"to": "ben", "euros": 200})
HUGE = Call("send_money", {"to": "ben", "euros": 2000})
APPROVE = {"decisions": [{"type": "approve"}]}
REJECT = {"decisions": [{"type": "reject", "message": "not today"}]}


def edit(**args):
    action = {"name": args.pop("name", "send_money"), "args": args}
    return {"decisions": [{"type": "edit", "edited_action": action}]}


def test_review_interrupts_in_langchains_form_with_reasons(bank, govern, agent):
    governance = govern(bank)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    (asked,) = made.ask("Please send 200 to ben")["__interrupt__"]
    request = asked.value["action_requests"][0]
    assert (request["name"], request["args"]) == ("send_money", {"to": "ben", "euros": 200})
    assert "more than 50 euros are looked at by finance" in request["description"]
    assert "for ana; needs 1 × finance" in request["description"]
    assert asked.value["review_configs"][0]["allowed_decisions"] == [
        "approve", "edit", "reject", "respond",
    ]  # fmt: skip
    (approval,) = governance.pending("t")
    assert asked.value["approval"] == approval.id
    assert bank.sent == []


def test_approved_call_runs_once(bank, govern, agent, people, results):
    governance = govern(bank)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    made.ask()
    assert results(made.resume(APPROVE, reviewer=people.li)) == [("success", "sent 200 to ben")]
    assert bank.sent == [("ben", 200)]
    assert governance.pending() == []


async def test_approved_call_runs_once_async(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    await made.aask()
    state = await made.aresume(APPROVE, reviewer=people.li)
    assert results(state) == [("success", "sent 200 to ben")]


def test_rejected_call_is_not_made_and_the_reason_is_told(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    status, text = results(made.resume(REJECT, reviewer=people.li))[0]
    assert (status, "not today" in text) == ("error", True)
    assert bank.sent == []


def test_responded_call_is_not_made(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    respond = {"decisions": [{"type": "respond", "message": "ask me tomorrow"}]}
    assert results(made.resume(respond, reviewer=people.li)) == [("success", "ask me tomorrow")]
    assert bank.sent == []


def nobody(people):
    return None


REFUSED = {
    "nobody": nobody,
    "anonymous": lambda people: cm.Principal(id="anonymous", roles=("finance",)),
    "another role": lambda people: people.sam,
    "the requester": lambda people: cm.Principal(id="ana", roles=("customer", "finance")),
    "json": lambda people: {"id": "li", "roles": ["finance"]},
}


@pytest.mark.parametrize("who", REFUSED)
def test_resume_without_a_reviewer_who_may_is_refused(who, bank, govern, agent, people, results):
    governance = govern(bank)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    made.ask()
    state = made.resume(APPROVE, reviewer=REFUSED[who](people))
    assert results(state)[0][0] == "error"
    assert bank.sent == []
    assert governance.pending() == []


def test_principal_who_resumes_does_not_approve_their_own_call(bank, govern, agent, people):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    both = cm.Principal(id="li", roles=("finance", "customer"))
    made.resume(APPROVE, principal=both, reviewer=both)
    assert bank.sent == []


@pytest.mark.parametrize(
    "value",
    [
        True,
        "approve",
        {"type": "approve"},
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "Approve"}]},
        {"decisions": {"type": "approve"}},
        [{"type": "accept"}, {"type": "accept"}],
        {"approved": True},
    ],
)
def test_resume_that_is_not_understood_is_refused(value, bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(value, reviewer=people.li)
    assert "no answer" in results(state)[0][1]
    assert bank.sent == []


def test_edit_is_decided_again(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(edit(to="ben", euros=30), reviewer=people.li)
    assert results(state) == [("success", "sent 30 to ben")]


def test_edit_into_a_forbidden_call_is_denied(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(edit(to="ben", euros=9000), reviewer=people.li)
    assert "5000" in results(state)[0][1]
    assert bank.sent == []


def test_edit_that_names_another_tool_is_refused(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(edit(name="close_account", account="a"), reviewer=people.li)
    assert results(state)[0][0] == "error"
    assert bank.sent == []


def test_edit_that_needs_a_review_is_reviewed_by_somebody_else(
    bank, govern, agent, people, results
):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(edit(to="ben", euros=300), reviewer=people.li)
    assert state["__interrupt__"][0].value["action_requests"][0]["args"]["euros"] == 300
    again = cm.Principal(id="mo", roles=("finance",))
    assert results(made.resume(APPROVE, reviewer=again)) == [("success", "sent 300 to ben")]
    assert bank.sent == [("ben", 300)]


def test_author_of_an_edit_does_not_approve_it(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    made.resume(edit(to="ben", euros=300), reviewer=people.li)
    assert results(made.resume(APPROVE, reviewer=people.li))[0][0] == "error"
    assert bank.sent == []


def test_edit_that_changes_nothing_is_refused(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(edit(to="ben", euros=200), reviewer=people.li)
    assert "approve or reject it instead" in results(state)[0][1]
    assert bank.sent == []


def test_edits_that_lead_in_a_circle_are_refused(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    made.resume(edit(to="ben", euros=300), reviewer=people.li)
    again = cm.Principal(id="mo", roles=("finance",))
    state = made.resume(edit(to="ben", euros=200), reviewer=again)
    assert "approve or reject it instead" in results(state)[0][1]
    assert bank.sent == []


def test_two_of_a_role_have_to_approve(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), HUGE, "Ok.")
    made.ask()
    half = made.resume(APPROVE, reviewer=people.li)  # finance is due, too
    assert "__interrupt__" in half
    assert "__interrupt__" in made.resume(APPROVE, reviewer=people.sam)
    assert bank.sent == []
    assert results(made.resume(APPROVE, reviewer=people.kim)) == [("success", "sent 2000 to ben")]
    assert bank.sent == [("ben", 2000)]


def test_an_earlier_answer_is_not_taken_for_the_next_reviewers(bank, govern, agent, people):
    made = agent(bank.tools(), govern(bank), HUGE, "Ok.")
    made.ask()
    made.resume(APPROVE, reviewer=people.li)
    made.resume(APPROVE, reviewer=people.sam)
    # LangGraph hands the two approvals out again; what Kim says is the rejection.
    made.resume(REJECT, reviewer=people.kim)
    assert bank.sent == []


def test_one_person_does_not_approve_twice(bank, govern, agent, people):
    made = agent(bank.tools(), govern(bank), HUGE, "Ok.")
    made.ask()
    made.resume(APPROVE, reviewer=people.li)
    made.resume(APPROVE, reviewer=people.sam)
    made.resume(APPROVE, reviewer=people.sam)
    assert bank.sent == []


def asked_for(state):
    return {i.value["action_requests"][0]["args"]["to"]: i.id for i in state["__interrupt__"]}


CALLS = [
    Call("send_money", {"to": "ben", "euros": 200}),
    Call("send_money", {"to": "eve", "euros": 300}),
    Call("send_money", {"to": "tim", "euros": 10}),
]


def test_parallel_reviews_are_answered_each_by_its_id(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), CALLS, "Ok.")
    ids = asked_for(made.ask())
    assert set(ids) == {"ben", "eve"}
    assert bank.sent == [("tim", 10)]
    state = made.resume({ids["eve"]: REJECT, ids["ben"]: APPROVE}, reviewer=people.li)
    assert [s for s, _ in results(state)] == ["success", "error", "success"]
    assert sorted(bank.sent) == [("ben", 200), ("tim", 10)]


async def test_parallel_reviews_one_after_the_other_async(bank, govern, agent, people, results):
    made = agent(bank.tools(), govern(bank), CALLS, "Ok.")
    ids = asked_for(await made.aask())
    state = await made.aresume({ids["eve"]: REJECT}, reviewer=people.li)
    ids = asked_for(state)
    state = await made.aresume({ids["ben"]: APPROVE}, reviewer=people.li)
    assert sorted(bank.sent) == [("ben", 200), ("tim", 10)]


def test_approval_is_for_this_call_alone(bank, govern, agent, people):
    made = agent(bank.tools(), govern(bank), LARGE, LARGE, "Ok.")
    made.ask()
    state = made.resume(APPROVE, reviewer=people.li)
    assert "__interrupt__" in state
    assert bank.sent == [("ben", 200)]


def test_call_changed_in_the_state_after_the_approval_is_asked_about_anew(
    bank, govern, agent, people
):
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.graph.get_state(made.config)
    message = state.values["messages"][-1].model_copy(deep=True)
    message.tool_calls[0]["args"] = {"to": "eve", "euros": 900}
    made.graph.update_state(made.config, {"messages": [message]}, as_node="model")
    made.resume(APPROVE, reviewer=people.li)
    assert bank.sent == []


def test_stored_answer_counts_and_the_resume_only_wakes(bank, govern, agent, people, results):
    governance = govern(bank)
    made = agent(bank.tools(), governance, LARGE, "Ok.")
    made.ask()
    governance.decide(governance.pending()[0].id, cm.Approve(), people.li)
    assert results(made.resume("woken")) == [("success", "sent 200 to ben")]


def test_answer_given_before_a_restart_without_a_home_counts_for_nothing(
    bank, govern, agent, people, tmp_path
):
    from langchain.agents import create_agent
    from langgraph.checkpoint.memory import InMemorySaver

    from concertmaster.testing import ScriptedModel

    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}

    def start(*script):
        return create_agent(
            ScriptedModel(*script),
            bank.tools(),
            middleware=[cm.GovernanceMiddleware(govern(bank))],
            checkpointer=saver,
            context_schema=cm.Acting,
        )

    acting = cm.Acting(principal=people.ana)
    start(LARGE).invoke({"messages": [("user", "go")]}, config, context=acting)
    after = start("Ok.")
    acting = cm.Acting(principal=people.ana, reviewer=people.li)
    state = after.invoke(Command(resume=APPROVE), config, context=acting)
    assert "__interrupt__" in state
    assert bank.sent == []
    after.invoke(Command(resume=APPROVE), config, context=acting)
    assert bank.sent == [("ben", 200)]


def test_policy_that_changed_while_a_call_waited_counts(bank, govern, agent, people, tmp_path):
    from langchain.agents import create_agent
    from langgraph.checkpoint.memory import InMemorySaver

    from concertmaster.testing import ScriptedModel

    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    home = tmp_path / "home"

    def start(governance, *script):
        return create_agent(
            ScriptedModel(*script),
            bank.tools(),
            middleware=[cm.GovernanceMiddleware(governance)],
            checkpointer=saver,
            context_schema=cm.Acting,
        )

    first = govern(bank, home=home)
    acting = cm.Acting(principal=people.ana)
    start(first, LARGE).invoke({"messages": [("user", "go")]}, config, context=acting)
    first.decide(first.pending()[0].id, cm.Approve(), people.li)
    first.close()
    stricter = govern(bank, '@id("no") forbid (principal, action, resource);', home=home)
    start(stricter, "Ok.").invoke(Command(resume="woken"), config, context=acting)
    assert bank.sent == []


def test_home_keeps_what_waits(bank, govern, agent, people, tmp_path, results):
    from langgraph.checkpoint.memory import InMemorySaver  # noqa: F401

    first = govern(bank, home=tmp_path / "home")
    made = agent(bank.tools(), first, LARGE, "Ok.")
    made.ask()
    waits = first.pending()[0].id
    first.close()
    assert govern(bank, home=tmp_path / "home").pending()[0].id == waits


def test_graph_without_checkpointer_cannot_wait(bank, govern, people, results):
    from langchain.agents import create_agent

    from concertmaster.testing import ScriptedModel

    graph = create_agent(
        ScriptedModel(LARGE, "Ok."),
        bank.tools(),
        middleware=[cm.GovernanceMiddleware(govern(bank))],
    )
    state = graph.invoke({"messages": [("user", "go")]}, context=people.ana)
    assert "no graph with a checkpointer" in results(state)[0][1]


def test_a_tools_own_question_gets_its_own_answer(bank, govern, agent, people, results):
    def send_money(to: str, euros: int) -> str:
        """Send money, after a question of its own."""
        code = interrupt("the code?")
        bank.sent.append((to, euros))
        return f"sent with {code}"

    made = agent([send_money], govern(bank), LARGE, "Ok.")
    made.ask()
    state = made.resume(APPROVE, reviewer=people.li)
    assert state["__interrupt__"][0].value == "the code?"
    assert results(made.resume("1234")) == [("success", "sent with 1234")]
    assert bank.sent == [("ben", 200)]


@pytest.mark.parametrize("mode", ["batched", "per_call"])
def test_langchains_own_review_comes_on_top(mode, bank, govern, agent, people, results):
    hitl = HumanInTheLoopMiddleware(interrupt_on={"send_money": True}, interrupt_mode=mode)
    made = agent(bank.tools(), govern(bank), LARGE, "Ok.", middleware=[hitl])
    made.ask()
    theirs = {"type": "approve"} if mode == "per_call" else APPROVE
    state = made.resume(theirs, reviewer=people.li)
    assert "approval" in state["__interrupt__"][0].value
    assert bank.sent == []
    assert results(made.resume(APPROVE, reviewer=people.li)) == [("success", "sent 200 to ben")]
