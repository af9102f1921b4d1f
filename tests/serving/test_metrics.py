"""`/metrics`: there if it is asked for, for whom the settings say, and without anybody's data."""

import pytest

import concertmaster as cm
from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError
from concertmaster.serving.app import create_app
from concertmaster.serving.settings import Settings, read_settings

SCRAPERS = {
    "prometheus-token": Principal(id="prometheus", roles=("metrics",)),
    "tenant-token": Principal(id="prometheus", roles=("metrics",), tenant="elsewhere"),
}


@pytest.fixture
def scraped(auth, client_of, refunds):
    async def known(connection) -> Principal | None:
        shown = connection.headers.get("authorization", "").removeprefix("Bearer ")
        return SCRAPERS.get(shown) or await auth(connection)

    async def ask(who: str | None, **given):
        app = create_app(refunds, auth=known, settings=Settings(**given))
        async with client_of(app, who) as client:
            return await client.get("/metrics")

    return ask


async def test_there_is_none_unless_it_is_asked_for(scraped):
    assert (await scraped("prometheus")).status_code == 404


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("ana", 403), ("tenant", 403)])
async def test_others_are_turned_away(scraped, who, status):
    answer = await scraped(who, metrics=True)
    assert answer.status_code == status
    assert "concertmaster_" not in answer.text


async def test_another_role_may_be_named(scraped):
    assert (await scraped("li", metrics=True, metrics_roles=["finance"])).status_code == 200
    assert (await scraped("prometheus", metrics=True, metrics_roles=["finance"])).status_code == 403


async def test_everybody_may_be_named(scraped):
    assert (await scraped(None, metrics=True, metrics_roles=["*"])).status_code == 200


def test_nobody_may_not_be_named(tmp_path):
    path = tmp_path / "serve.yaml"
    path.write_text("metrics: true\nmetrics_roles: []\n")
    with pytest.raises(ConfigError, match="metrics_roles"):
        read_settings(path)


async def test_figures_are_told_without_people_and_ids(refunds, auth, client_of):
    settings = Settings(metrics=True, metrics_roles=("finance",))
    app = create_app(refunds, auth=auth, settings=settings)
    first = await refunds.run("refund 20 EUR of order 42", principal="ana")
    waiting = await refunds.run("refund 80 EUR of order 42", principal="ana", thread="petrova")
    async with client_of(app, "li") as client:
        answer = await client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'concertmaster_runs_total{outcome="answered",workflow="refunds"} 1' in answer.text
        assert 'concertmaster_approvals_pending{workflow="refunds"} 1' in answer.text
        approved = cm.Approve(reason="seen")
        await refunds.decide(waiting.pending[0].id, approved, principal="li")
        later = (await client.get("/metrics")).text
    assert 'concertmaster_runs_total{outcome="answered",workflow="refunds"} 2' in later
    assert 'concertmaster_approvals_pending{workflow="refunds"} 0' in later
    for word in (first.id, waiting.id, "petrova", "ana", "8000"):
        assert word not in later, word
