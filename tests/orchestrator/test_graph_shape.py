"""Steps go on by themselves; the drawn graph, the trail and forks are those of a supervisor."""

import concertmaster as cm


async def test_supervisor_stands_between_the_steps_in_the_drawing(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        edges = {(e.source, e.target) for e in desk.graph.get_graph().edges}
        steps = desk.services.spec.workflow.steps
        for step in steps:
            after = "authorize" if step.agent == "executor" else "supervisor"
            assert [target for source, target in edges if source == step.id] == [after]
            assert ("supervisor", step.id) in edges
        assert ("intake", "supervisor") in edges
        assert ("act", "supervisor") in edges


async def test_each_hop_is_in_trail_and_turn_once_and_in_order(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
    told = [e.data["to"] for e in run.events if e.type == "route.hop"]
    assert told == [hop.to for hop in run.turn.hops]
    assert [e.data["hop"] for e in run.events if e.type == "route.hop"] == [
        n + 1 for n in range(len(told))
    ]
    assert told[-1] == "finish"


async def test_state_written_in_the_name_of_a_step_goes_on_to_the_supervisor(workspace, home):
    async with cm.open(workspace, home=home) as desk:
        await desk.run("refund 10 euros for order 7", principal="ana", thread="t")
        config = {"configurable": {"thread_id": "t"}}
        names = [s.id for s in desk.services.spec.workflow.steps if s.agent != "executor"]
        for name in ("intake", *names):
            await desk.graph.aupdate_state(config, {"turn": {"said": "other"}}, as_node=name)
            assert (await desk.graph.aget_state(config)).next == ("supervisor",), name
