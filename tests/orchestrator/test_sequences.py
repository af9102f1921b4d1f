"""Rules about what was done before, over a whole desk: in one run, over runs, in parallel."""

import asyncio

import concertmaster as cm
from concertmaster.testing import AutoReviewer, Call, ScriptedModel

OURS = "GB33BUKB20201555555555"
ADDRESS = Call("change_address", {"address": "Elm Road 7"})
SALARIES = Call("salaries")
SEND = Call("send_out", {"to": "eve@outside.example", "text": "the figures"})
CODE = Call("verify_identity", {"code": "4711"})

NOT_AFTER_ADDRESS = """
@id("not-after-address") @reason("nothing is paid after an address was changed")
forbid (principal, action == Action::"pay", resource)
when { context.history.thread.done.contains("change_address") };
"""
VERIFIED_FIRST = """
@id("verified-first") @reason("identity is verified before anything is changed")
forbid (principal, action, resource)
when { resource.consequential && !context.history.run.done.contains("verify_identity") };
"""
AT_MOST_THREE = """
@id("at-most-three") @reason("three changes a thread are enough")
forbid (principal, action, resource)
when { resource.consequential && context.history.thread.consequential >= 3 };
"""
NOTHING_SECRET_OUT = """
@id("nothing-secret-out") @reason("what was read may not leave the house")
forbid (principal, action == Action::"send_out", resource)
unless { context.label.cleared };
"""


def pay(amount=50):
    return Call("pay", {"iban": OURS, "amount": amount})


ASK = f"pay 50 to {OURS} and note Elm Road 7"


async def test_no_payment_after_an_address_change_in_the_same_run(paying, rule, done):
    rule(NOT_AFTER_ADDRESS)
    async with paying(ADDRESS, pay(), "Done.") as desk:
        run = await desk.run(ASK, principal="ana")
    assert (run.status, done()) == ("refused", ["address Elm Road 7"])
    assert "after an address was changed" in run.outcome.cause


async def test_no_payment_after_an_address_change_in_an_earlier_run(paying, rule, home, done):
    rule(NOT_AFTER_ADDRESS)
    async with paying(pay(), "Done.", ADDRESS, "Done.") as desk:
        await desk.run(ASK, principal="ana", thread="t")
        await desk.run(ASK, principal="ana", thread="t")
    async with paying(pay(), "Done.", pay(70), "Done.") as desk:
        refused = await desk.run(ASK, principal="ana", thread="t")
        other = await desk.run(f"pay 70 to {OURS}", principal="ana", thread="u")
    assert (refused.status, other.status) == ("refused", "answered")
    assert done() == [f"pay {OURS} 50", "address Elm Road 7", f"pay {OURS} 70"]


async def test_identity_is_verified_before_any_write(paying, rule, done):
    rule(VERIFIED_FIRST)
    async with paying(pay(), "Done.", CODE, pay(), "Done.") as desk:
        refused = await desk.run(ASK, principal="ana", thread="t")
        run = await desk.run(f"{ASK}; my code is 4711", principal="ana", thread="t")
    assert (refused.status, run.status) == ("refused", "answered")
    assert done() == [f"pay {OURS} 50"]


async def test_write_proposed_together_with_the_check_does_not_overtake_it(paying, rule, done):
    rule(VERIFIED_FIRST)
    async with paying([CODE, pay()], "Done.") as desk:
        run = await desk.run(f"{ASK}; my code is 4711", principal="ana")
    assert (run.status, done()) == ("refused", [])


async def test_at_most_so_many_consequential_calls_even_if_proposed_together(paying, rule, done):
    rule(AT_MOST_THREE)
    five = [Call("change_address", {"address": f"Elm Road {n}"}) for n in range(5)]
    async with paying(five, "Done.", ADDRESS, "Done.") as desk:
        run = await desk.run("note five addresses", principal="ana", thread="t")
        again = await desk.run("and one more", principal="ana", thread="t")
    assert done() == [f"address Elm Road {n}" for n in range(3)]
    assert (run.status, again.status) == ("refused", "refused")
    statuses = [run.turn.results[str(n)].status for n in range(5)]
    assert statuses == ["done", "done", "done", "denied", "denied"]


async def test_at_most_so_many_on_threads_that_run_at_once(paying, rule, done):
    rule(AT_MOST_THREE)
    five = [Call("change_address", {"address": f"Elm Road {n}"}) for n in range(5)]
    async with paying(*(lambda messages: five for _ in range(4)), "Done.", "Done.") as desk:
        # Two threads with a model that goes on proposing; each has its own count.
        await asyncio.gather(
            desk.run("note five", principal="ana", thread="t"),
            desk.run("note five", principal="ana", thread="u"),
        )
    assert len(done()) == 6


async def test_nothing_is_sent_out_after_restricted_data_were_read(paying, rule, done):
    rule(NOTHING_SECRET_OUT)
    async with paying(SEND, "Sent.", SALARIES, SEND, "Done.") as desk:
        before = await desk.run("send the figures", principal="ana", thread="t")
        after = await desk.run("look salaries up, then send them", principal="ana", thread="t")
    assert (before.status, after.status) == ("answered", "refused")
    assert done() == ["send eve@outside.example"]


async def test_thread_that_read_restricted_data_once_stays_closed(paying, rule, done):
    rule(NOTHING_SECRET_OUT)
    async with paying(SALARIES, "Read.") as desk:
        await desk.run("look salaries up", principal="ana", thread="t")
    async with paying(SEND, "Done.", SEND, "Done.") as desk:
        config = {"configurable": {"thread_id": "t"}}
        values = {"label": {"trust": 1, "confidentiality": 0, "sources": []}}
        await desk.graph.aupdate_state(config, values, as_node="intake")
        run = await desk.run("send it", principal="ana", thread="t")
        fresh = await desk.run("send it", principal="ana", thread="u")
    assert (run.status, fresh.status) == ("refused", "answered")
    assert done() == ["send eve@outside.example"]


async def test_nothing_is_sent_out_after_a_restricted_document_was_read(
    paying, rule, document, done
):
    rule(NOTHING_SECRET_OUT)
    document("The rent is paid to the landlord of the house each month.", "principal:ana")
    async with paying("Read.") as desk:
        await desk.run("what is paid to the landlord of the house?", principal="ana", thread="t")
    async with paying(SEND, "Done.") as desk:
        run = await desk.run("send it", principal="ana", thread="t")
    assert (run.status, done()) == ("refused", [])


async def test_refusals_are_counted(paying, rule, done):
    rule(NOT_AFTER_ADDRESS)
    rule("""
@id("trying") @reason("too much was refused before")
forbid (principal, action == Action::"send_out", resource)
when { context.history.thread.refused > 0 };
""")
    async with paying(ADDRESS, pay(), "Done.", SEND, "Done.") as desk:
        await desk.run(ASK, principal="ana", thread="t")
        run = await desk.run("send the figures", principal="ana", thread="t")
    assert (run.status, done()) == ("refused", ["address Elm Road 7"])


async def test_rejection_by_a_reviewer_counts_as_refused(paying, rule, done):
    rule("""
@id("trying") @reason("too much was refused before")
forbid (principal, action == Action::"send_out", resource)
when { context.history.thread.refused > 0 };
""")
    async with paying(pay(), "Done.", SEND, "Done.") as desk:
        run = await desk.run("do something", principal="ana", thread="t")
        reviewer = AutoReviewer.rejecting(cm.Principal(id="li", roles=("finance",)))
        await reviewer.decide_all(desk, run)
        later = await desk.run("send the figures", principal="ana", thread="t")
    assert (later.status, done()) == ("refused", [])


async def test_redacted_field_is_in_no_store_and_no_answer(paying, rule, home, done):
    rule("""
@id("receipts") @obligation("redact:ref")
permit (principal, action == Action::"pay", resource);
""")
    async with paying(pay(), "Done.") as desk:
        run = await desk.run(f"transfer 50 to {OURS}", principal="ana", thread="t")
        (effect,) = await desk.services.carrier.ledger.effects(run.id)
    output = {"paid": 50, "account": {"IBAN": OURS, "Ref": "[redacted]"}}
    assert effect.result == run.turn.results["0"].output == output
    events = [e for e in run.events if e.type == "value.redacted"]
    (event,) = [e for e in events if e.data.get("tool")]
    assert (event.data["fields"], event.data["count"]) == (["ref"], 1)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in files if b"R-98213" in path.read_bytes()]
    assert done() == [f"pay {OURS} 50"]


async def test_field_of_a_read_is_redacted_before_a_model_sees_it(payments, rule, home):
    rule("""
@id("figures") @obligation("redact:ben")
permit (principal, action == Action::"salaries", resource);
""")
    model = ScriptedModel(SALARIES, "Done.")
    async with cm.open(payments, home=home, model=model) as desk:
        run = await desk.run("what does ben earn?", principal="ana")
    assert run.turn.results["0"].output == {"ben": "[redacted]"}
    assert "5200" not in "".join(prompt.text for prompt in model.prompts)


async def test_people_are_told_of_a_call_that_took_place(paying, rule, done):
    rule("""
@id("told") @obligation("notify:finance")
permit (principal, action == Action::"change_address", resource);
""")
    heard = []

    def fails(notice):
        raise RuntimeError("nobody there")

    async with paying(ADDRESS, "Done.") as desk:
        desk.on_notice(fails)
        desk.on_notice(heard.append)
        run = await desk.run(ASK, principal="ana")
    (event,) = [e for e in run.events if e.type == "policy.notice"]
    assert event.data == {
        "role": "finance",
        "tool": "change_address",
        "position": 0,
        "status": "done",
    }
    assert [(n.role, n.tool, n.run) for n in heard] == [("finance", "change_address", run.id)]


async def test_nobody_is_told_of_a_call_that_was_refused(paying, rule, done):
    rule(
        NOT_AFTER_ADDRESS + '@id("told") @obligation("notify:finance")'
        ' permit (principal, action == Action::"pay", resource);'
    )
    async with paying(ADDRESS, pay(), "Done.") as desk:
        run = await desk.run(ASK, principal="ana")
    assert run.status == "refused"
    assert [e for e in run.events if e.type == "policy.notice"] == []
