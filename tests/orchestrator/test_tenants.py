"""Tenants on one desk: whose documents are whose, through opening, ingesting and rebuilding."""

import pytest

import concertmaster as cm
from concertmaster.errors import KnowledgeError
from concertmaster.graphs.readiness import check
from concertmaster.graphs.workspace import Workspace
from concertmaster.testing import temporary_workspace

from .test_leaks import Words, workflow  # noqa: TID252

NORTH = cm.Principal(id="nora", tenant="north")
SOUTH = cm.Principal(id="sam", tenant="south")
QUESTION = "What is the fee of a card?"


def note(mark: str) -> str:
    return f"---\nid: fees-{mark}\nreaders: [everyone]\n---\nThe fee of a card is {mark} euros.\n"


@pytest.fixture
def folder(tmp_path):
    content = {
        "workflow.yaml": workflow({"north": {"paths": ["north"]}, "south": {}}),
        "shared/all.md": note("sharedmark"),
        "north/own.md": note("northmark"),
    }
    with temporary_workspace(content=content) as made:
        (tmp_path / "south.md").write_text(note("southmark"))
        yield made


def opened(folder, tmp_path):
    return cm.open(folder, home=tmp_path / "home", embedder=Words(), draft=True)


async def found(desk, who) -> set[str]:
    run = await desk.run(QUESTION, principal=who)
    return set(run.turn.retrieved.documents)


async def test_each_tenant_finds_its_own_and_what_is_shared(folder, tmp_path) -> None:
    async with opened(folder, tmp_path) as desk:
        await desk.ingest([tmp_path / "south.md"], tenant="south")
        assert await found(desk, NORTH) == {"fees-sharedmark", "fees-northmark"}
        assert await found(desk, SOUTH) == {"fees-sharedmark", "fees-southmark"}
        assert await found(desk, cm.Principal(id="ben")) == {"fees-sharedmark"}
        assert await found(desk, cm.Principal(id="w", tenant="west")) == {"fees-sharedmark"}
    # The source is remembered with whose it is, and the index made anew from it.
    async with opened(folder, tmp_path) as desk:
        assert await found(desk, SOUTH) == {"fees-sharedmark", "fees-southmark"}
        report = await desk.library.rebuild()
        assert report.added == 3
        assert desk.library.others("south") == [tmp_path / "south.md"]
        assert desk.library.others() == []


async def test_source_of_a_tenant_that_goes_away_takes_its_documents_along(
    folder, tmp_path
) -> None:
    async with opened(folder, tmp_path) as desk:
        assert "fees-northmark" in await found(desk, NORTH)
        (folder / "north" / "own.md").write_text("---\nid: new\nreaders: [everyone]\n---\nFee: 1.")
        await desk.library.sync()
        assert await found(desk, NORTH) == {"fees-sharedmark", "new"}


async def test_tenant_that_is_not_declared_gets_no_documents(folder, tmp_path) -> None:
    async with opened(folder, tmp_path) as desk:
        with pytest.raises(KnowledgeError, match="declares no tenant 'west'"):
            await desk.ingest([tmp_path / "south.md"], tenant="west")


async def test_answer_for_one_tenant_is_withheld_from_another_on_the_same_desk(
    folder, tmp_path
) -> None:
    async with opened(folder, tmp_path) as desk:
        run = await desk.run(QUESTION, principal=NORTH, thread="t")
        assert "northmark" in run.turn.model_dump_json()
        moved = NORTH.model_copy(update={"tenant": "south"})
        with pytest.raises(cm.ConcertmasterError):
            await desk.run("And what was it again?", principal=moved, thread="t")


def test_documents_of_tenants_are_checked_before_the_desk_opens(folder) -> None:
    (folder / "north" / "own.md").unlink()
    (folder / "north" / "bad.md").write_text("---\nid: bad\nreaders: [Staff]\n---\nText.")
    told = [str(p) for p in check(Workspace.load(folder))]
    assert any("'north' holds no documents" in one for one in told)
    assert any("bad.md" in one and "Staff" in one for one in told)
