"""The workflows of a server: opened together, bounded, stopped without losing a run."""

import asyncio

import pytest

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, ServerBusy, UnknownWorkflow
from concertmaster.serving.app import create_app
from concertmaster.serving.caller import Rates
from concertmaster.serving.host import Host
from concertmaster.serving.settings import Limits, Settings

ANA, BEN = Principal(id="ana", roles=("customer",)), Principal(id="ben", roles=("customer",))
QUICK = "refund 20 EUR of order 7"
HELD = "refund 20 EUR of order 77"
WAITING = "refund order 1042"


async def test_workflows_are_found_by_their_names(refunds):
    host = Host([refunds])
    assert host.names == ("refunds",)
    assert host.desk("refunds") is refunds
    for name in ("payroll", "", "REFUNDS", "../refunds"):
        with pytest.raises(UnknownWorkflow):
            host.desk(name)


async def test_two_workflows_of_one_name_are_refused(refunds):
    with pytest.raises(ConfigError, match="refunds"):
        Host([refunds, refunds])


async def test_folders_are_opened_and_closed_again(refunds_folder, tmp_path):
    host = Host([refunds_folder], home=tmp_path / "homes")
    assert not host.ready
    async with host:
        assert host.ready
        started = await host.start(host.desk("refunds"), ANA, QUICK)
        assert (await host.desk("refunds").background.wait(started.run)).status == "answered"
    assert not host.ready
    assert (tmp_path / "homes" / "refunds" / "concertmaster.sqlite3").exists()
    # The home is free again.
    async with cm.open(refunds_folder, home=tmp_path / "homes" / "refunds"):
        pass


async def test_a_folder_that_cannot_be_opened_closes_the_others(refunds_folder, tmp_path):
    host = Host([refunds_folder, tmp_path / "nowhere"], home=tmp_path / "homes")
    with pytest.raises(cm.ConcertmasterError):
        async with host:
            pass
    async with cm.open(refunds_folder, home=tmp_path / "homes" / "refunds"):
        pass


async def test_desks_that_were_given_stay_open(refunds):
    async with Host([refunds]):
        pass
    assert (await refunds.run(QUICK, principal="ana")).status == "answered"


async def test_runs_are_bounded_for_each_and_for_all(refunds, let_go):
    host = Host([refunds], settings=Settings(limits=Limits(runs=2, runs_each=1)))
    await host.start(refunds, ANA, HELD)
    with pytest.raises(ServerBusy, match="yours"):
        await host.start(refunds, ANA, QUICK)
    held = await host.start(refunds, BEN, HELD)
    with pytest.raises(ServerBusy, match="under way here"):
        await host.start(refunds, Principal(id="chloe"), QUICK)
    let_go()
    await refunds.background.wait(held.run)
    await asyncio.sleep(0.05)
    await host.start(refunds, BEN, "refund 20 EUR of order 13")


async def test_streams_are_counted_by_principal_and_tenant():
    host = Host([], settings=Settings(limits=Limits(streams_each=1)))
    elsewhere = ANA.model_copy(update={"tenant": "elsewhere"})
    with (
        host.streaming(ANA),
        host.streaming(BEN),
        host.streaming(elsewhere),
        pytest.raises(ServerBusy),
        host.streaming(ANA),
    ):
        pass
    with host.streaming(ANA):
        pass
    assert not host._streams


async def test_stopping_waits_for_what_is_done_in_time(refunds, let_go):
    host = Host([refunds], settings=Settings(drain=20))
    started = await host.start(refunds, ANA, HELD)
    stopping = asyncio.create_task(host.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    assert not host.ready
    with pytest.raises(ServerBusy, match="stop"):
        await host.start(refunds, BEN, QUICK)
    assert not host.ended.is_set()
    let_go()
    assert await stopping == 0
    assert host.ended.is_set()
    assert (await refunds.get(started.run)).status == "answered"
    assert await host.stop() == 0


async def test_what_is_not_done_in_time_goes_on_after_the_restart(refunds_folder, tmp_path):
    homes = tmp_path / "homes"
    go = homes / "refunds" / "data" / "go"
    settings = Settings(drain=0.05)
    async with Host([refunds_folder], settings=settings, home=homes) as host:
        running = await host.start(host.desk("refunds"), ANA, HELD, thread="t")
        queued = await host.start(host.desk("refunds"), ANA, QUICK, thread="t")
        assert await host.stop() == 2
    go.touch()
    async with Host([refunds_folder], settings=settings, home=homes) as host:
        for started in (running, queued):
            run = await host.desk("refunds").background.wait(started.run, seconds=20)
            assert run.status == "answered"


async def test_deadlines_take_effect_although_nobody_looks(refunds_folder, tmp_path):
    spec = refunds_folder / "workflow.yaml"
    timed = "review: {mode: policy, deadline: 1s, at_deadline: reject}"
    spec.write_text(spec.read_text().replace("review: policy", timed, 1))
    opened = Host([refunds_folder], settings=Settings(sweep=1), home=tmp_path / "homes")
    async with opened as host:
        desk = host.desk("refunds")
        started = await host.start(desk, ANA, WAITING)
        run = await desk.background.wait(started.run)
        assert run.pending[0].due
        ended = await desk.background.wait(started.run, until="end", seconds=30)
    assert ended.pending == ()
    assert "Refunded" not in ended.outcome.text


async def test_the_server_tells_when_it_takes_messages(refunds, auth, client_of):
    app = create_app(refunds, auth=auth)
    async with client_of(app) as nobody:
        assert (await nobody.get("/healthz")).json() == {"status": "alive"}
        assert (await nobody.get("/readyz")).status_code == 200
        await app.state.host.stop()
        assert (await nobody.get("/readyz")).status_code == 503
        assert (await nobody.get("/healthz")).status_code == 200


async def test_a_message_to_a_server_that_stops_is_to_come_again(refunds, auth, client_of):
    app = create_app(refunds, auth=auth)
    await app.state.host.stop()
    async with client_of(app, "ana") as ana:
        answer = await ana.post("/api/v1/workflows/refunds/runs", json={"text": QUICK})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert await refunds.threads() == []


def test_rates_are_kept_for_as_many_as_may_be(monkeypatch):
    from concertmaster.serving import caller

    monkeypatch.setattr(caller, "_REMEMBERED", 10)
    rates = Rates(1)
    for number in range(50):
        rates.take(Principal(id=f"p{number}"))
    assert len(rates._left) == 10
    with pytest.raises(ServerBusy) as refused:
        rates.take(Principal(id="p49"))
    assert 0 < refused.value.rest <= 60
