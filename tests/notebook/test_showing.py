import asyncio
import subprocess
import sys

import pytest

import concertmaster as cm
from concertmaster.contracts.events import ActionChanged, Hopped
from concertmaster.errors import ConfigError, RequestError
from concertmaster.notebook.front import in_notebook
from concertmaster.notebook.progress import Progress, line_of

HOSTILE = "<script>alert(1)</script>\u202e"
IDS = {"run": "run-1", "thread": "t"}


def html_of(page) -> list[str]:
    return [message["data"]["text/html"] for message in page]


async def test_lines_are_printed_where_there_is_no_notebook(desk, capsys):
    run = await cm.show(desk, "refund order 7, 20 EUR", principal="ana")
    told = capsys.readouterr().out
    assert run.status == "answered"
    lines = told.splitlines()
    assert lines[0].startswith("→ executor")
    assert "  refund: done" in lines
    assert lines[-1] == run.outcome.text


async def test_one_place_is_written_anew_and_holds_the_run_in_the_end(desk, page, capsys):
    run = await cm.show(desk, "refund order 7, 20 EUR", principal="ana", thread="t")
    assert capsys.readouterr().out == ""
    first, *later = page
    assert not first.get("update")
    assert all(message["update"] for message in later)
    assert len({message["transient"]["display_id"] for message in page}) == 1
    while_it_runs, last = html_of(page)[:-1], html_of(page)[-1]
    assert all(">running</b>" in card for card in while_it_runs)
    assert any("<code>refund</code></td>" in card for card in while_it_runs)
    assert "Refunded" in while_it_runs[-1]
    assert last == run._repr_html_()
    assert page[-1]["data"]["text/plain"] == repr(run)


async def test_run_that_waits_is_shown_with_its_approval(desk, page):
    run = await cm.show(desk, "refund order 7", principal="ana")
    assert run.status == "awaiting_review"
    assert run.pending[0].id in html_of(page)[-1]
    assert "waits for" in html_of(page)[-1]


async def test_run_that_was_shown_is_the_one_that_run_returns(desk):
    run = await cm.show(desk, "refund order 7, 20 EUR", principal="ana")
    assert run.turn is not None
    assert run.events == (await desk.get(run.id)).events
    assert [a.tool for a in run.turn.actions] == ["get_order", "refund"]


async def test_message_that_is_not_taken_shows_nothing(desk, page):
    with pytest.raises(RequestError):
        await cm.show(desk, "", principal="ana")
    assert page == []


async def test_cell_that_is_interrupted_does_not_go_on_saying_that_it_runs(desk, page):
    task = asyncio.create_task(cm.show(desk, "refund order 7, 20 EUR", principal="ana"))
    while not page:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ">stopped</b>" in html_of(page)[-1]
    assert "interrupted" in html_of(page)[-1]


async def test_synchronous_desk_is_refused_with_the_way_out(tmp_path):
    desk = cm.open_sync(tmp_path)
    with pytest.raises(ConfigError, match="not a SyncDesk") as told:
        await cm.show(desk, "hello", principal="ana")
    assert "async with cm.open" in str(told.value)


async def test_listener_that_fails_keeps_no_run_from_going_on(desk, caplog):
    def broken(event):
        raise RuntimeError("secret")

    run = await desk.run("refund order 7, 20 EUR", principal="ana", tell=broken)
    assert run.status == "answered"
    (told,) = [r.getMessage() for r in caplog.records if "listens" in r.getMessage()]
    assert "RuntimeError" in told
    assert "secret" not in told


async def test_listener_hears_what_a_stream_yields(desk):
    heard = []
    await desk.run("refund order 7, 20 EUR", principal="ana", tell=heard.append)
    streamed = [e async for e in desk.stream("refund order 7, 20 EUR", principal="ana")]
    assert [e.kind for e in heard] == [e.kind for e in streamed]
    assert heard[-1].kind == "run_ended"


def test_what_others_wrote_is_text_in_the_card_and_in_lines():
    progress = Progress(text=HOSTILE)
    for event in (
        Hopped(**IDS, to=HOSTILE, why=HOSTILE),
        ActionChanged(**IDS, tool=HOSTILE, status="done", why=HOSTILE),
    ):
        progress = progress.after(event)
        assert "\u202e" not in line_of(event)
    assert "<script" not in progress.html()
    assert "\u202e" not in progress.html("stopped", HOSTILE)


def test_long_run_is_shown_by_its_latest_rows():
    progress = Progress(text="x")
    for number in range(1000):
        progress = progress.after(Hopped(**IDS, to=f"step-{number}", why=""))
    assert "step-999" in progress.html()
    assert len(progress.html()) < 40_000


def test_a_kernel_is_told_from_a_plain_interpreter(page):
    assert in_notebook()
    code = "import sys, concertmaster.notebook as n; from concertmaster.notebook.front import *"
    code += "; print(in_notebook(), 'IPython' in sys.modules, 'ipywidgets' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False", "False"]
