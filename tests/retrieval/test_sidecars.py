from datetime import date
from pathlib import Path

import pytest

from concertmaster.contracts.spec import AccessRule, KnowledgeSpec
from concertmaster.retrieval.documents import Document
from concertmaster.retrieval.loading import load

SPEC = KnowledgeSpec(
    default_readers=("role:customer",),
    default_owner="desk",
    rules=(AccessRule(title="^Ruled", readers=("role:ruled",)),),
)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def loaded(folder: Path) -> dict[str, Document]:
    documents, skipped = load([folder], SPEC)
    assert skipped == []
    return {d.id: d for d in documents}


def told(folder: Path) -> list[str]:
    _, skipped = load([folder], SPEC)
    return [f"{s.source.removeprefix(f'{folder}/')}: {s.why}" for s in skipped]


def test_sidecar_says_who_reads_a_file_that_cannot_say_it_itself(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "fees.csv": "Card,Fee\nGold,12\n",
            "fees.csv.meta.yaml": "title: Fees\nid: fees\nowner: pricing\nreaders: [role:staff]\n"
            "valid_from: 2026-01-01\nvalid_until: 2026-12-31\nversion: 3.2\n",
        },
    )
    found = loaded(tmp_path)["fees"]
    assert (found.title, found.owner, found.readers) == ("Fees", "pricing", ("role:staff",))
    assert (found.valid_from, found.valid_until) == (date(2026, 1, 1), date(2026, 12, 31))
    assert found.edition == "3.2"


def test_folder_speaks_for_all_in_it_and_the_nearest_one_most(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "_meta.yaml": "readers: [role:staff]\nowner: back-office\n",
            "a.txt": "Text.",
            "inner/_meta.yaml": "readers: [role:manager]\n",
            "inner/b.txt": "Text.",
            "inner/deep/c.md": "---\nreaders: everyone\n---\nText.",
            "inner/d.txt": "Text.",
            "inner/d.txt.meta.yaml": "owner: d-owner\n",
            "lines.jsonl": '{"id": "x", "content": "T", "readers": ["role:x"]}\n'
            '{"id": "y", "content": "T"}\n',
        },
    )
    found = loaded(tmp_path)
    assert {k: (d.readers, d.owner) for k, d in found.items()} == {
        "a": (("role:staff",), "back-office"),
        "inner/b": (("role:manager",), "back-office"),
        "inner/deep/c": (("everyone",), "back-office"),
        "inner/d": (("role:manager",), "d-owner"),
        "x": (("role:x",), "back-office"),
        "y": (("role:staff",), "back-office"),
    }


def test_folder_outweighs_rules_and_defaults(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": "# Ruled\n\nText.", "b/_meta.yaml": "readers: role:own"})
    write(tmp_path, {"b/c.md": "# Ruled\n\nText."})
    found = loaded(tmp_path)
    assert found["a"].readers == ("role:ruled",)
    assert found["b/c"].readers == ("role:own",)


def test_single_file_has_its_sidecar_and_folder(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "Text.", "_meta.yaml": "owner: o", "a.txt.meta.yaml": "title: T"})
    [found], _ = load([tmp_path / "a.txt"], SPEC)
    assert (found.owner, found.title) == ("o", "T")


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ("readers: staff", "_meta.yaml:1: 'staff' is no reader"),
        ("owner: x\nreader: role:a", "_meta.yaml:2: unknown key 'reader'; did you mean 'readers'?"),
        ("access: role:a", "_meta.yaml:1: unknown key 'access'; known are owner, readers"),
        ("id: x", "_meta.yaml:1: unknown key 'id'"),
        ("- a", "_meta.yaml:1: the file is no list of `key: value`"),
        ("owner: 'x", "_meta.yaml:1: the file is no YAML"),
        ("owner: " + "x" * 70_000, "_meta.yaml: is larger than 0 MiB"),
        ("a: &a [x]\nb: [*a, *a]", "_meta.yaml:1: unknown key 'a'"),
    ],
)
def test_broken_folder_metadata_lets_nobody_read_what_it_covers(
    tmp_path: Path, meta: str, why: str
) -> None:
    write(tmp_path, {"_meta.yaml": meta, "a.md": "Text.", "b/c.md": "Text.", "d.jsonl": "{}"})
    documents, skipped = load([tmp_path], SPEC)
    assert documents == []
    lines = told(tmp_path)
    assert lines[0].startswith(why)
    assert [s.source.rpartition("/")[2].partition(":")[0] for s in skipped] == [
        "_meta.yaml",
        "a.md",
        "d.jsonl",
        "c.md",
    ]
    assert "has metadata in" in lines[1]


def test_broken_sidecar_takes_its_file_away_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "Text.", "a.txt.meta.yaml": "readers: []", "b.txt": "Text."})
    documents, [skipped] = load([tmp_path], SPEC)
    assert [d.id for d in documents] == ["b"]
    assert skipped.source.endswith("a.txt")
    assert "a.txt.meta.yaml:1, but readers is empty" in skipped.why


def test_sidecar_that_leads_nowhere_denies(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "Text."})
    (tmp_path / "a.txt.meta.yaml").symlink_to(tmp_path / "nothing")
    documents, _ = load([tmp_path], SPEC)
    assert documents == []


def test_sidecar_and_head_must_not_contradict_each_other(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.md": "---\nreaders: everyone\nowner: x\n---\nText.",
            "a.md.meta.yaml": "readers: role:staff",
            "b.md": "---\nreaders: role:staff\nowner: x\n---\nText.",
            "b.md.meta.yaml": "readers: role:staff",
        },
    )
    documents, [skipped] = load([tmp_path], SPEC)
    assert [d.id for d in documents] == ["b"]
    assert skipped.why == "readers is not the same in its head and in a.md.meta.yaml"


def test_sidecar_without_its_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"gone.pdf.meta.yaml": "owner: x", "a.md": "Text."})
    assert told(tmp_path) == [
        "gone.pdf.meta.yaml: describes gone.pdf, which is not there",
    ]
