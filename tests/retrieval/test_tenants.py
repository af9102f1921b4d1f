"""What a tenant owns stays with it; what all share is there for all."""

from pathlib import Path

import pytest

from concertmaster.contracts import ANONYMOUS, Principal
from concertmaster.contracts.spec import KnowledgeSpec
from concertmaster.retrieval.tenants import Tenants, tenant_folder

SPEC = KnowledgeSpec(default_owner="desk", passages=3, budget=600)
NAMES = ("north", "North", "north ", "south", "../north", "*", "", "nörth")


def who(tenant: str | None, *roles: str) -> Principal:
    return Principal(id="ana", tenant=tenant, roles=roles)


@pytest.fixture
async def tenants(opened, folder: Path, document) -> Tenants:
    """Every tenant has one document of its own; each says canary and the tenant's number."""
    shared = opened(spec=SPEC)
    await shared.ingest([document("shared", "Parcels are shipped from Lisbon on weekdays.")])
    own = {}
    for number, name in enumerate(NAMES):
        own[name] = opened(folder=tenant_folder(folder, name), tenant=name, spec=SPEC)
        await own[name].ingest(
            [
                document("prices", f"Parcels of canary{number} cost {number} euros to ship."),
                document("staff", f"Staff of canary{number} ship parcels.", "role:staff"),
            ]
        )
    return Tenants(shared, own, SPEC)


async def test_tenant_reads_its_own_and_what_all_share(tenants: Tenants) -> None:
    found = await tenants.retrieve("What do parcels cost to ship?", who("north"), numbers_from=3)
    assert {e.document for e in found.evidence} == {"prices", "shared"}
    assert [e.number for e in found.evidence] == [3, 4]
    assert found.sufficient
    assert "canary0" in found.model_dump_json()


@pytest.mark.parametrize("name", [None, "stranger", *NAMES])
async def test_nothing_of_another_tenant_is_told(tenants: Tenants, name: str | None) -> None:
    person = who(name, "staff")
    found = await tenants.retrieve("What do parcels of canary1 canary2 cost to ship?", person)
    told = found.model_copy(update={"query": ""}).model_dump_json()
    others = [n for n, other in enumerate(NAMES) if other != name]
    assert not [n for n in others if f"canary{n}" in told]
    if name not in NAMES:
        assert found.documents == ("shared",)


async def test_one_id_in_two_tenants_is_two_documents(tenants: Tenants) -> None:
    versions = {}
    for name in ("north", "south"):
        found = await tenants.retrieve("What do parcels cost to ship?", who(name))
        versions[name] = next(e.version for e in found.evidence if e.document == "prices")
    assert versions["north"] != versions["south"]
    for name, other in (("north", "south"), ("south", "north")):
        assert tenants.may_read("prices", versions[name], who(name))
        assert not tenants.may_read("prices", versions[other], who(name))
        assert await tenants.text("prices", versions[other], who(name)) is None
        assert not tenants.may_read("prices", versions[name], ANONYMOUS)
    assert await tenants.text("prices", versions["north"], who("north"))


async def test_readers_hold_within_a_tenant(tenants: Tenants) -> None:
    question = "Which staff ships parcels?"
    assert "staff" not in (await tenants.retrieve(question, who("north"))).documents
    assert "staff" in (await tenants.retrieve(question, who("north", "staff"))).documents


async def test_what_only_the_tenant_knows_is_answered_from_it_alone(
    opened, folder: Path, document
) -> None:
    shared, own = opened(), opened(folder=tenant_folder(folder, "t"), tenant="t")
    await shared.ingest([document("menu", "The canteen serves soup.", owner="kitchen")])
    await own.ingest([document("fees", "The fee of a gold card is four euros.", owner="cards")])
    both = Tenants(shared, {"t": own}, SPEC)
    found = await both.retrieve("What is the fee of a gold card?", who("t"))
    assert ([e.document for e in found.evidence], found.owner) == (["fees"], "cards")
    nothing = await both.retrieve("Who wins the chess tournament in Peru?", who("t"))
    assert (nothing.sufficient, nothing.evidence) == (False, ())
    assert nothing.owner in ("cards", "kitchen")


async def test_budget_and_number_hold_for_both_together(opened, folder: Path, document) -> None:
    shared, own = (
        opened(spec=SPEC),
        opened(folder=tenant_folder(folder, "t"), tenant="t", spec=SPEC),
    )
    await shared.ingest([document(f"s{n}", f"Fee number {n} of a card. " * 9) for n in range(6)])
    await own.ingest([document(f"o{n}", f"Fee note {n} of a card. " * 9) for n in range(6)])
    found = await Tenants(shared, {"t": own}, SPEC).retrieve("fee of a card", who("t"))
    assert 1 <= len(found.evidence) <= 3
    assert sum(len(e.text) for e in found.evidence) <= 600
    assert len(found.documents) == len(set(found.documents)) == 10


def test_folder_of_a_tenant_is_inside_whatever_its_name(folder: Path) -> None:
    folders = {tenant_folder(folder, name) for name in NAMES}
    assert len(folders) == len(NAMES)
    assert {f.parent for f in folders} == {folder / "tenants"}
