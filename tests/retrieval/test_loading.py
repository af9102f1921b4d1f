import json
from datetime import date
from pathlib import Path

import pytest

from concertmaster.contracts.spec import AccessRule, KnowledgeSpec
from concertmaster.errors import ConfigError, KnowledgeError
from concertmaster.retrieval.loading import load

SPEC = KnowledgeSpec(
    default_readers=("role:customer",),
    default_owner="desk",
    rules=(AccessRule(title="^Internal:", readers=("role:staff",), owner="back-office"),),
)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def skipped_why(folder: Path) -> str:
    documents, skipped = load([folder], SPEC)
    assert documents == []
    [only] = skipped
    return f"{only.source.removeprefix(str(folder) + '/')}: {only.why}"


def test_markdown_says_of_itself_who_reads_and_owns_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a/fees.md",
        "---\nid: fee-table\ntitle: Fees 2026\nowner: pricing\nreaders: [role:staff, group:eu]\n"
        "valid_from: 2026-01-01\nvalid_until: 2026-12-31\ntags: [x]\n---\n# Fees\n\nFree.\n",
    )
    [found], skipped = load([tmp_path], SPEC)
    assert skipped == []
    assert (found.id, found.title, found.owner) == ("fee-table", "Fees 2026", "pricing")
    assert found.readers == ("role:staff", "group:eu")
    assert (found.valid_from, found.valid_until) == (date(2026, 1, 1), date(2026, 12, 31))
    assert found.text == "# Fees\n\nFree."


def test_what_markdown_does_not_say_comes_from_heading_path_and_defaults(tmp_path: Path) -> None:
    write(tmp_path, "cards/gold-card.md", "Intro\n\n# The Gold Card\n\nIt is gold.")
    write(tmp_path, "cards/plain_note.txt", "# no heading here\nJust text.")
    (gold, note), skipped = load([tmp_path], SPEC)
    assert skipped == []
    assert (gold.id, gold.title) == ("cards/gold-card", "The Gold Card")
    assert (gold.readers, gold.owner) == (("role:customer",), "desk")
    assert (note.id, note.title) == ("cards/plain_note", "Plain note")


def test_rule_over_titles_gives_readers_and_owner(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "# Internal: Overrides\n\nText.")
    write(tmp_path, "b.md", "---\nreaders: public\n---\n# Internal: Hours\n\nText.")
    (ruled, own), _ = load([tmp_path], SPEC)
    assert (ruled.readers, ruled.owner) == (("role:staff",), "back-office")
    assert (own.readers, own.owner) == (("everyone",), "back-office")


def test_json_lines_are_documents_and_bad_lines_are_named(tmp_path: Path) -> None:
    good = {"id": "a", "title": "A", "content": "Text.", "readers": ["role:x"], "owner": "me"}
    lines = [
        json.dumps(good).encode(),
        b"{broken",
        b'["no object"]',
        b'{"id": "b", "title": "B"}',
        b'{"id": "c", "title": "C", "content": " \\n"}',
        b'{"id": "a", "title": "again", "content": "Text."}',
        b'{"title": "no id", "content": "Text."}',
        b'{"id": "d", "content": "Text.", "readers": ["staff"]}',
        b'{"id": "e", "content": "caf\xe9"}',
        b"",
        b'{"id": 7, "content": "Text."}',
        b'{"id": "f", "content": "Lone \\ud800 surrogate and \\u0000."}',
    ]
    path = write(tmp_path, "docs.jsonl", b"\n".join(lines))
    documents, skipped = load([path], SPEC)
    assert [d.id for d in documents] == ["a", "f"]
    assert (documents[0].readers, documents[0].owner) == (("role:x",), "me")
    assert documents[1].text == "Lone \ufffd surrogate and ."
    assert documents[1].title == "f"
    told = {s.source.rpartition(":")[2]: s.why for s in skipped}
    assert sorted(told, key=int) == ["2", "3", "4", "5", "6", "7", "8", "9", "11"]
    assert told["2"].startswith("is no JSON")
    assert told["4"] == "content is missing or no text"
    assert told["5"] == "has no text"
    assert told["6"] == f"the id 'a' is taken by {path}:1"
    assert told["7"] == "id is missing"
    assert "'staff' is no reader" in told["8"]
    assert told["9"] == "is not UTF-8"
    assert told["11"] == "id is not text"


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("readers: [role:staff,\n  staff]", "a.md:3: 'staff' is no reader; write everyone"),
        ("title: A\nreaders:\n  - public\n  - 'role:'", "a.md:5: 'role:' is no reader"),
        ("readers: []", "a.md:2: readers is empty"),
        ("readers:", "a.md:2: readers is empty"),
        ("reader: role:staff", "a.md:2: unknown key 'reader'; did you mean 'readers'?"),
        ("Readers: role:staff", "a.md:2: unknown key 'Readers'; did you mean 'readers'?"),
        ("id: a\nid: b", "a.md:3: id stands twice"),
        ("readers: {role: staff}", "a.md:2: readers is neither text nor a list"),
        ("title: [a, b]", "a.md:2: title is no text"),
        ("- a\n- b", "a.md:2: the front matter is no list of"),
        ("title: 'open", "a.md:2: the front matter is no YAML"),
        ("title: @x", "a.md:2: the front matter is no YAML"),
        ("valid_from: soon", "a.md:2: valid_from 'soon' is no day"),
        ("valid_from: 2026-02-01\nvalid_until: 2026-01-01", "a.md:3: valid_until is before"),
        (f"id: {'x' * 400}", "a.md:2: id is longer than 300 characters"),
        ("a: " + "[" * 3000, "a.md:1: the front matter is no YAML"),
    ],
)
def test_broken_front_matter_is_named_with_its_line(tmp_path: Path, head: str, told: str) -> None:
    write(tmp_path, "a.md", f"---\n{head}\n---\nText.\n")
    assert skipped_why(tmp_path).startswith(told)


def test_front_matter_that_never_closes_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "---\nreaders: role:staff\n\nSecret text.\n")
    assert skipped_why(tmp_path) == "a.md:1: the front matter is not closed by a line ---"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.md", "---\nid: x\n---\n\n  \n", "a.md: has no text"),
        ("a.txt", "", "a.txt: has no text"),
        ("a.txt", "---\n***\n", "a.txt: has no text"),
        ("a.md", b"caf\xe9\0", "a.md: is no text: byte 3 is not UTF-8, and there are NUL bytes"),
        ("a.pdf", b"%PDF", "a.pdf: is damaged, or no PDF (PdfStreamError)"),
        ("a.txt", b"x" * (2**24 + 1), "a.txt: has more than 16,777,216 characters of text"),
    ],
)
def test_file_that_is_no_document_is_named(
    tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    write(tmp_path, name, content)
    assert skipped_why(tmp_path) == told


def test_the_rest_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    write(tmp_path, "a.md", b"\xff\xfe")
    write(tmp_path, "b.md", b"\xef\xbb\xbfGood text with a mark.")
    write(tmp_path, ".hidden.md", "Hidden.")
    write(tmp_path, ".git/c.md", "Hidden.")
    documents, skipped = load([tmp_path], SPEC)
    assert [d.text for d in documents] == ["Good text with a mark."]
    assert len(skipped) == 1


def test_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/secret.md", "Secret.")
    inside = write(tmp_path, "kb/a.md", "Inside.")
    (tmp_path / "kb/link.md").symlink_to(outside)
    (tmp_path / "kb/folder").symlink_to(outside.parent)
    (tmp_path / "kb/again.md").symlink_to(inside)
    (tmp_path / "kb/loop").symlink_to(tmp_path / "kb")
    documents, skipped = load([tmp_path / "kb"], SPEC)
    assert [d.text for d in documents] == ["Inside."]
    assert [Path(s.source).name for s in skipped] == ["folder", "link.md"]
    assert all("leads out of" in s.why for s in skipped)


def test_same_id_twice_keeps_the_first_and_names_the_second(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "---\nid: same\n---\nFirst.")
    write(tmp_path, "b.md", "---\nid: same\n---\nSecond.")
    [kept], [dropped] = load([tmp_path], SPEC)
    assert kept.text == "First."
    assert dropped.why == f"the id 'same' is taken by {tmp_path / 'a.md'}"


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="there is no such file or folder"):
        load([tmp_path / "nowhere"], SPEC)


@pytest.mark.parametrize(
    "spec",
    [
        KnowledgeSpec(default_readers=("staff",)),
        KnowledgeSpec(rules=(AccessRule(title="(", readers=("everyone",)),)),
        KnowledgeSpec(rules=(AccessRule(title="x", readers=("staff",)),)),
        KnowledgeSpec(rules=(AccessRule(title="x", readers=()),)),
    ],
)
def test_wrong_access_rule_is_an_error(tmp_path: Path, spec: KnowledgeSpec) -> None:
    with pytest.raises(ConfigError, match="knowledge: "):
        load([tmp_path], spec)


def test_version_follows_the_content_alone(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "---\nid: a\ntitle: T\n---\nText.")
    write(tmp_path, "b.md", "---\nid: b\ntitle: T\nreaders: role:x\nowner: y\n---\nText.")
    write(tmp_path, "c.md", "---\nid: c\ntitle: T\n---\nText!")
    (a, b, c), _ = load([tmp_path], SPEC)
    assert a.version == b.version != c.version
