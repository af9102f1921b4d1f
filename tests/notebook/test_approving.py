import asyncio
import sys

import pytest

import concertmaster as cm
from concertmaster.errors import ApprovalError, ApprovalUnknown, ConfigError, ToolError

WAITS = "refund order 7"


def button(deciding, label):
    return next(b for b in deciding.widget().children[-2].children if b.description == label)


def field(deciding, label):
    return next(w for w in deciding.widget().children if getattr(w, "description", "") == label)


def told(deciding) -> str:
    return deciding.widget().children[-1].value


async def settled(deciding) -> None:
    async with asyncio.timeout(30):
        while deciding.run is None and deciding.refused is None:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)


@pytest.fixture
async def waiting(desk) -> cm.Run:
    run = await desk.run(WAITS, principal="ana")
    assert run.status == "awaiting_review"
    return run


async def test_lines_that_are_printed_decide(desk, waiting, capsys):
    cm.approve(desk, waiting, principal="li")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{waiting.pending[0].id} waits for 1 × finance: refund for ana")
    line = next(text for text in printed.splitlines() if "cm.Approve(" in text)
    scope = {"cm": cm, "desk": desk}
    exec(f"async def decide():\n    {line}\n    return run", scope)
    assert (await scope["decide"]()).status == "answered"


async def test_line_of_an_edit_holds_the_arguments(desk, waiting, capsys):
    who = cm.Principal(id="li", roles=("finance",))
    cm.approve(desk, waiting.pending[0], principal=who)
    line = next(t for t in capsys.readouterr().out.splitlines() if "cm.Edit(" in t)
    line = line.replace("12000", "4000")
    scope = {"cm": cm, "desk": desk}
    exec(f"async def decide():\n    {line}\n    return run", scope)
    assert "40.00 EUR" in (await scope["decide"]()).outcome.text


async def test_card_without_ipywidgets_has_the_lines(desk, waiting, page, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "concertmaster.notebook.controls", raising=False)
    deciding = cm.approve(desk, waiting, principal="li")
    bundle = deciding._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert "await desk.decide(" in bundle["text/html"]
    assert waiting.pending[0]._repr_html_() in bundle["text/html"]


async def test_buttons_are_shown_where_there_are_widgets(desk, waiting, page, capsys):
    bundle = cm.approve(desk, waiting, principal="li")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "await desk.decide(" in bundle["text/html"]
    assert capsys.readouterr().out == ""


async def test_click_approves_and_the_run_takes_the_place_of_the_controls(desk, waiting, page):
    deciding = cm.approve(desk, waiting, principal="li")
    button(deciding, "Approve").click()
    assert button(deciding, "Approve").disabled
    await settled(deciding)
    assert deciding.run.status == "answered"
    assert deciding.approval.status == "approved"
    card, run = deciding.widget().children
    assert "approved" in card.value
    assert run.value == deciding.run._repr_html_()


async def test_fields_come_from_the_schema_and_an_edit_runs_with_them(desk, waiting, page):
    deciding = cm.approve(desk, waiting, principal="li")
    assert [f.name for f in deciding.fields] == ["order_id", "amount_cents"]
    field(deciding, "Amount Cents").value = "4000"
    field(deciding, "Words").value = "a third is enough"
    button(deciding, "Edit").click()
    await settled(deciding)
    assert "40.00 EUR" in deciding.run.outcome.text
    assert deciding.approval.votes[0].answer.reason == "a third is enough"


@pytest.mark.parametrize(
    ("text", "said"),
    [("much", "this is no whole number"), ("12000", "nothing is changed"), ("", "whole number")],
)
async def test_edit_that_is_none_is_told_and_nothing_is_decided(desk, waiting, page, text, said):
    deciding = cm.approve(desk, waiting, principal="li")
    field(deciding, "Amount Cents").value = text
    button(deciding, "Edit").click()
    assert said in told(deciding)
    assert not button(deciding, "Edit").disabled
    assert await desk.approvals() == list(waiting.pending)


async def test_edit_that_the_tool_does_not_take_is_refused(desk, waiting):
    deciding = cm.approve(desk, waiting, principal="li")
    with pytest.raises(ApprovalError, match="nothing is changed"):
        deciding.edit({})
    with pytest.raises((ApprovalError, ToolError)):
        deciding.edit({"arg.order_id": "9" * 60})


@pytest.mark.parametrize(("who", "said"), [("ana", "may not decide it"), ("nobody", "nobody")])
async def test_refusal_is_told_in_its_own_words_and_the_controls_stay(
    desk, waiting, page, who, said
):
    deciding = cm.approve(desk, waiting, principal=who)
    button(deciding, "Approve").click()
    await settled(deciding)
    assert deciding.run is None
    assert said in told(deciding)
    assert not button(deciding, "Approve").disabled
    assert [a.status for a in await desk.approvals()] == ["pending"]


async def test_what_was_decided_elsewhere_is_not_decided_again(desk, waiting, page):
    deciding = cm.approve(desk, waiting, principal="li")
    await desk.decide(waiting.pending[0].id, cm.Reject(reason="no"), principal="li")
    button(deciding, "Approve").click()
    await settled(deciding)
    assert "rejected" in told(deciding)
    assert deciding.run is None


async def test_reject_and_respond_take_the_words(desk, page):
    for label, status in (("Reject", "rejected"), ("Respond", "responded")):
        run = await desk.run(WAITS, principal="ana")
        deciding = cm.approve(desk, run, principal="li")
        field(deciding, "Words").value = "the parcel came back"
        button(deciding, label).click()
        await settled(deciding)
        assert deciding.approval.status == status


async def test_response_without_words_is_refused(desk, waiting, page):
    deciding = cm.approve(desk, waiting, principal="li")
    button(deciding, "Respond").click()
    await settled(deciding)
    assert deciding.refused
    assert told(deciding)


async def test_second_click_while_the_first_is_decided_does_nothing(desk, waiting):
    deciding = cm.approve(desk, waiting, principal="li")
    first, second = await asyncio.gather(
        deciding.decide(cm.Approve()), deciding.decide(cm.Reject())
    )
    assert first.status == "answered"
    assert second is None
    assert deciding.approval.status == "approved"


async def test_run_that_waits_for_nobody_is_told(desk):
    run = await desk.run("refund order 7, 20 EUR", principal="ana")
    with pytest.raises(ApprovalUnknown, match="waits for nobody"):
        cm.approve(desk, run, principal="li")


async def test_what_is_no_approval_or_no_desk_is_told(desk, waiting):
    with pytest.raises(ConfigError, match="takes a run or an approval, not a str"):
        cm.approve(desk, waiting.pending[0].id, principal="li")
    with pytest.raises(ConfigError, match="needs an open desk"):
        cm.approve(None, waiting, principal="li")


async def test_arguments_of_others_are_text_in_card_and_code(desk, waiting):
    hostile = "</pre><script>alert(1)</script>\u202e"
    approval = waiting.pending[0]
    arguments = {**approval.action.arguments, "note": hostile}
    action = approval.action.model_copy(update={"arguments": arguments})
    there = approval.model_copy(update={"action": action, "reasons": (hostile,)})
    deciding = cm.approve(desk, there, principal="li")
    for shown in (deciding._repr_html_(), deciding.widget().children[0].value):
        assert "<script" not in shown
        assert "\u202e" not in shown
    assert "\u202e" not in deciding.text()
