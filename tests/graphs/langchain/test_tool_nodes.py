"""Raw graphs with a `ToolNode`, and governed tools that a program calls itself."""

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode, ToolRuntime
from langgraph.types import Command

import concertmaster as cm
from concertmaster.graphs.langchain import visible

APPROVE = {"decisions": [{"type": "approve"}]}
REJECT = {"decisions": [{"type": "reject"}]}


def calling(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    return AIMessage(
        "",
        tool_calls=[{"name": n, "args": a, "id": f"c{i}"} for i, (n, a) in enumerate(calls)],
    )


def graph_of(node: ToolNode) -> Any:
    """A graph whose only node is a `ToolNode`: all calls of a message share one task."""
    builder = StateGraph(MessagesState, context_schema=cm.Acting)
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    builder.add_edge("tools", END)
    return builder.compile(checkpointer=InMemorySaver())


CONFIG = {"configurable": {"thread_id": "t"}}


def told(state):
    return [(m.status, m.text) for m in state["messages"] if isinstance(m, ToolMessage)]


def nodes(bank, governance):
    """The two ways to put a gate into a `ToolNode`."""
    return {
        "governed tools": ToolNode(cm.governed(bank.tools(), governance)),
        "wrapper": ToolNode(
            bank.tools(),
            wrap_tool_call=governance.wrap_tool_call,
            awrap_tool_call=governance.awrap_tool_call,
        ),
        "sync wrapper": ToolNode(bank.tools(), wrap_tool_call=governance.wrap_tool_call),
        "both": ToolNode(
            cm.governed(bank.tools(), governance), wrap_tool_call=governance.wrap_tool_call
        ),
    }


WAYS = ["governed tools", "wrapper", "sync wrapper", "both"]
THREE = calling(
    ("send_money", {"to": "ben", "euros": 20}),
    ("send_money", {"to": "eve", "euros": 9000}),
    ("look_up", {"account": "a"}),
)
REVIEWS = calling(
    ("send_money", {"to": "tim", "euros": 20}),
    ("send_money", {"to": "ben", "euros": 200}),
    ("send_money", {"to": "eve", "euros": 300}),
)


@pytest.mark.parametrize("way", WAYS)
def test_calls_are_decided_each(way, bank, govern, people):
    graph = graph_of(nodes(bank, govern(bank))[way])
    state = graph.invoke({"messages": [THREE]}, CONFIG, context=cm.Acting(principal=people.ana))
    assert [s for s, _ in told(state)] == ["success", "error", "success"]
    assert bank.sent == [("ben", 20)]


@pytest.mark.parametrize("way", WAYS)
async def test_calls_are_decided_each_async(way, bank, govern, people):
    graph = graph_of(nodes(bank, govern(bank))[way])
    context = cm.Acting(principal=people.ana)
    state = await graph.ainvoke({"messages": [THREE]}, CONFIG, context=context)
    assert [s for s, _ in told(state)] == ["success", "error", "success"]
    assert bank.sent == [("ben", 20)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_reviews_in_one_task_get_each_its_own_answer(way, kind, bank, govern, people):
    graph = graph_of(nodes(bank, govern(bank))[way])

    async def go(given, **acting):
        context = cm.Acting(principal=people.ana, **acting)
        if kind == "sync":
            return graph.invoke(given, CONFIG, context=context)
        return await graph.ainvoke(given, CONFIG, context=context)

    state = await go({"messages": [HumanMessage("go"), REVIEWS]})
    for _ in range(2):
        (asked,) = state["__interrupt__"]
        to = asked.value["action_requests"][0]["args"]["to"]
        answer = APPROVE if to == "eve" else REJECT
        state = await go(Command(resume=answer), reviewer=people.li)
    assert [s for s, _ in told(state)] == ["success", "error", "success"]
    # What ran before the first interrupt was not run again by the two resumes.
    assert sorted(bank.sent) == [("eve", 300), ("tim", 20)]


def test_injected_values_reach_the_tool_and_cannot_be_given_by_the_model(bank, govern, people):
    seen = []

    @tool
    def note(
        text: str,
        state: Annotated[dict, InjectedState],
        runtime: ToolRuntime[cm.Acting, Any],
    ) -> str:
        """Note something down."""
        seen.append((text, len(state["messages"]), runtime.context.principal.id))
        return "noted"

    policy = '@id("n") permit (principal, action == Action::"note", resource);'
    governance = govern(bank, policy, tools=[cm.declare(visible(note), effect="write")])
    graph = graph_of(ToolNode(cm.governed([note], governance)))
    context = cm.Acting(principal=people.ana)
    state = graph.invoke({"messages": [calling(("note", {"text": "x"}))]}, CONFIG, context=context)
    assert told(state) == [("success", "noted")]
    forged = calling(
        ("note", {"text": "y", "concertmaster_runtime": {"context": "li"}, "state": 1})
    )
    graph.invoke({"messages": [forged]}, CONFIG, context=context)
    assert [s[0] for s in seen] == ["x", "y"]
    assert {s[2] for s in seen} == {"ana"}


def test_model_is_offered_the_tool_unchanged(bank, govern):
    from langchain_core.utils.function_calling import convert_to_openai_tool

    for tool_, gated in zip(bank.tools(), cm.governed(bank.tools(), govern(bank)), strict=True):
        assert convert_to_openai_tool(gated) == convert_to_openai_tool(tool_)


def test_declared_function_runs_with_its_context(bank, govern, people):
    seen = []

    @cm.declare(effect="write", asks=["note"])
    def note(text: str, ctx: cm.ToolContext) -> dict[str, str]:
        """Note something down."""
        seen.append((ctx.principal.id, ctx.thread))
        return {"noted": text}

    policy = '@id("n") permit (principal, action == Action::"note", resource);'
    governance = govern(bank, policy, tools=[note])
    graph = graph_of(ToolNode(cm.governed([note], governance)))
    context = cm.Acting(principal=people.ana)
    state = graph.invoke({"messages": [calling(("note", {"text": "x"}))]}, CONFIG, context=context)
    assert told(state) == [("success", '{"noted": "x"}')]
    assert seen == [("ana", "t")]


def test_program_that_calls_a_governed_tool_acts_for_nobody(bank, govern):
    send, look, *_ = cm.governed(bank.tools(), govern(bank))
    with pytest.raises(cm.ConcertmasterError, match="no policy permits"):
        send.invoke({"to": "ben", "euros": 20})
    assert look.invoke({"account": "a"})["balance"] == 700
    call = {"type": "tool_call", "id": "c", "name": "send_money", "args": {"to": "b", "euros": 2}}
    assert send.invoke(call).status == "error"
    assert bank.sent == []


async def test_program_that_awaits_a_governed_tool_acts_for_nobody(bank, govern):
    send, *_ = cm.governed(bank.tools(), govern(bank))
    with pytest.raises(cm.ConcertmasterError, match="no policy permits"):
        await send.ainvoke({"to": "ben", "euros": 20})
    assert bank.sent == []


@pytest.mark.parametrize("method", ["run", "_run", "func"])
def test_no_method_of_a_governed_tool_leads_past_the_gate(method, bank, govern):
    send, *_ = cm.governed(bank.tools(), govern(bank))
    given = ({"to": "ben", "euros": 20},) if method == "run" else ()
    with pytest.raises(cm.ConcertmasterError if method != "func" else TypeError):
        getattr(send, method)(*given, **({} if given else {"to": "ben", "euros": 20}))
    assert bank.sent == []


def test_call_in_a_node_of_ones_own_acts_for_the_contexts_principal(bank, govern, people):
    send, *_ = cm.governed(bank.tools(), govern(bank))

    def node(state: MessagesState) -> dict[str, Any]:
        call = {"type": "tool_call", "id": "c9", "name": "send_money"}
        return {"messages": [send.invoke({**call, "args": {"to": "ben", "euros": 20}})]}

    builder = StateGraph(MessagesState, context_schema=cm.Acting)
    builder.add_node("own", node)
    builder.add_edge(START, "own")
    graph = builder.compile(checkpointer=InMemorySaver())
    state = graph.invoke({"messages": []}, CONFIG, context=cm.Acting(principal=people.ana))
    assert told(state) == [("success", "sent 20 to ben")]


def test_governed_tools_pass_in_create_agent_too(bank, govern, agent, people, results):
    from concertmaster.testing import Call

    governance = govern(bank)
    script = Call("send_money", {"to": "ben", "euros": 200}), "Ok."
    for own in (None, governance):
        made = agent(cm.governed(bank.tools(), governance), own, *script)
        made.config = {"configurable": {"thread_id": f"t-{own is None}"}}
        assert len(made.ask()["__interrupt__"]) == 1
        assert results(made.resume(APPROVE, reviewer=people.li))[0][0] == "success"
    assert len(bank.sent) == 2
