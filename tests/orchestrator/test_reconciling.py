"""Calls in doubt are looked up again when deadlines are swept."""

import pytest

import concertmaster as cm

PAY = "refund 20 euros for order 1042"
LOOK = """
def look(arguments, ctx):
    if (ctx.data_dir / "down").exists():
        raise RuntimeError("the bank is closed")
    with sqlite3.connect(ctx.data_dir / "shop.sqlite3") as db:
        row = db.execute("SELECT 1 FROM refunds WHERE key = ?", (ctx.idempotency_key,)).fetchone()
    db.close()
    return {"order_id": 1042, "amount_cents": 2000} if row else None

@declare(effect="irreversible", reconcile=look,"""


@pytest.fixture
def uncertain(workspace, home):
    """Have the tool break off after its effect or before it, while its bank cannot be asked."""

    def make(after: bool) -> None:
        tools = workspace / "tools.py"
        text = tools.read_text().replace('@declare(effect="irreversible",', LOOK)
        place = "DIE_AFTER_EFFECT" if after else "DIE_BEFORE_EFFECT"
        text = text.replace(f'os.environ.get("{place}")', "True")
        tools.write_text(text.replace("os.kill(os.getpid(), 9)", 'raise RuntimeError("cut")'))
        (home / "data").mkdir(parents=True)
        (home / "data" / "down").touch()

    return make


async def status(desk, run):
    (effect,) = await desk.services.carrier.ledger.effects(run.id)
    return effect.status


async def test_call_that_is_found_later_is_settled_and_not_made_again(
    workspace, home, uncertain, refunds
):
    uncertain(after=True)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        await desk.sweep()
        assert (run.status, await status(desk, run)) == ("escalated", "in_doubt")
        (home / "data" / "down").unlink()
        assert await desk.sweep() == []
        assert await status(desk, run) == "done"
        assert (await desk.get(run.id)).status == "escalated"
        told = [e.why for e in await desk.events(run=run.id) if e.type == "effect.done"]
        assert "looked up again after its run had ended" in told[0]
    assert refunds() == [(1042, 2000)]


async def test_call_that_is_not_found_stays_with_a_person(workspace, home, uncertain, refunds):
    uncertain(after=False)
    async with cm.open(workspace, home=home) as desk:
        run = await desk.run(PAY, principal="ana", thread="t")
        (home / "data" / "down").unlink()
        await desk.sweep()
        assert await status(desk, run) == "in_doubt"
    assert refunds() == []
