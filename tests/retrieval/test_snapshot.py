from datetime import date

from concertmaster.contracts import ANONYMOUS, Principal
from concertmaster.retrieval.access import day
from concertmaster.retrieval.snapshot import Snapshot

TODAY = day(date(2026, 3, 1))
STAFF = Principal(id="li", roles=("staff",))


async def snapshot_of(knowledge, documents) -> Snapshot:
    await knowledge.ingest(documents)
    return Snapshot(*knowledge._store.every_passage())


async def test_readable_passages_are_those_of_readers_and_days(opened, document) -> None:
    documents = [
        document("a-open", "Text."),
        document("b-staff", "Text.", "role:staff"),
        document("c-old", "Text.", valid_until=date(2026, 2, 28)),
        document("d-last-day", "Text.", valid_until=date(2026, 3, 1)),
        document("e-first-day", "Text.", "role:staff", valid_from=date(2026, 3, 1)),
        document("f-future", "Text.", valid_from=date(2026, 3, 2)),
    ]
    snapshot = await snapshot_of(opened(), documents)
    assert snapshot.readable(STAFF, TODAY).tolist() == [True, True, False, True, True, False]
    assert snapshot.readable(ANONYMOUS, TODAY).tolist() == [True, False, False, True, False, False]
    assert snapshot.dated
    assert snapshot.readers == {"everyone", "role:staff"}


async def test_snapshot_of_nothing_holds_nothing(opened) -> None:
    snapshot = await snapshot_of(opened(), [])
    assert snapshot.readable(STAFF, TODAY).tolist() == []
    assert not snapshot.dated


async def test_restricted_passages_crowd_nobody_out(opened, embedder, document) -> None:
    """Many better matches that may not be read leave the one that may where it is."""
    restricted = [document(f"s{n}", f"Card fee {n}.", "role:staff") for n in range(300)]
    only = document("open", "A note on opening hours, which mentions the fee of a card once.")
    knowledge = opened()
    snapshot = await snapshot_of(knowledge, [*restricted, only])
    allowed = snapshot.readable(ANONYMOUS, TODAY)
    assert [snapshot.ids[i] for i in snapshot.lexical.top("card fee", allowed, 5)] == [
        snapshot.ids[int(allowed.argmax())]
    ]
    assert (await knowledge.retrieve("card fee", ANONYMOUS)).documents == ("open",)
