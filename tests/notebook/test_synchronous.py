import pytest

import concertmaster as cm
from concertmaster.errors import ConfigError


@pytest.fixture
def closed(workspace, tmp_path):
    """Return a synchronous desk over the small workspace, which is not open yet."""
    return cm.open_sync(workspace, home=tmp_path / "home")


async def test_synchronous_desk_works_where_a_loop_runs_already(closed):
    assert repr(closed) == "<SyncDesk, closed>"
    with closed as desk:
        run = desk.run("refund order 7", principal="ana")
        run = desk.decide(run.pending[0].id, cm.Approve(), principal="li")
        assert run.status == "answered"
        assert repr(desk) == "<SyncDesk 'refunds'>"
        assert "refund" in desk._repr_html_()


async def test_call_from_within_its_own_runs_is_refused_instead_of_waiting_for_ever(closed):
    refused = []

    def again(_):
        try:
            closed.history("t")
        except ConfigError as error:
            refused.append(str(error))

    with closed as desk:
        desk.desk.on_approval(again)
        assert desk.run("refund order 7", principal="ana", thread="t").status == "awaiting_review"
    assert len(refused) == 1
    assert "desk.desk" in refused[0]
