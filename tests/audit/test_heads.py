"""Signed heads and the keys that sign them."""

import json
from pathlib import Path

import pytest

from concertmaster.audit.heads import Heads, read_heads
from concertmaster.audit.keys import Signer, check_signature, key_id, public_keys
from concertmaster.audit.verification import Mark
from concertmaster.errors import StorageError

HASH = bytes(range(32))
ORIGIN = bytes(range(32, 64))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def heads(tmp_path: Path, keys: Path) -> Heads:
    return Heads(tmp_path / "elsewhere" / "heads.jsonl", Signer.open(keys))


def test_head_that_was_put_is_read_as_a_mark(heads: Heads, keys: Path):
    heads.put("desk", 7, HASH, "2026-01-01T00:00:00Z", origin=ORIGIN)
    found = read_heads(heads.path, public_keys(keys))
    assert found.marks("desk", ORIGIN) == (Mark(n=7, hash=HASH),)
    assert found.problems == ()


def test_no_file_shows_nothing(tmp_path: Path):
    found = read_heads(tmp_path / "none.jsonl", {})
    assert (found.heads, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 8),
        ("stream", "other"),
        ("origin", "00" * 32),
        ("hash", "00" * 32),
        ("time", "2027"),
        ("previous", "11" * 32),
        ("signature", "AAAA"),
    ],
)
def test_changed_head_does_not_count(heads: Heads, keys: Path, field: str, value: object):
    heads.put("desk", 7, HASH, "2026-01-01T00:00:00Z", origin=ORIGIN)
    changed = json.loads(heads.path.read_text()) | {field: value}
    heads.path.write_text(json.dumps(changed) + "\n")
    found = read_heads(heads.path, public_keys(keys))
    assert not found.heads
    assert "signature" in found.problems[0]


@pytest.mark.parametrize("line", ["", "{}", "[]", "not json", '{"n": "x"}', "null"])
def test_line_that_is_no_head_is_told(heads: Heads, keys: Path, line: str):
    heads.put("desk", 7, HASH, "t", origin=ORIGIN)
    heads.path.write_text(f"{line}\n{heads.path.read_text()}")
    found = read_heads(heads.path, public_keys(keys))
    assert len(found.heads) == 1
    assert f"{heads.path}:1" in found.problems[0]


def test_head_of_a_stranger_does_not_count(tmp_path: Path, keys: Path):
    Signer.open(keys)
    stranger = Heads(tmp_path / "heads.jsonl", Signer.open(tmp_path / "theirs"))
    stranger.put("desk", 7, HASH, "t", origin=ORIGIN)
    found = read_heads(stranger.path, public_keys(keys))
    assert not found.heads
    assert "unknown key" in found.problems[0]


def test_private_key_is_kept_and_readable_by_its_owner_only(keys: Path):
    first, second = Signer.open(keys), Signer.open(keys)
    assert first.key_id == second.key_id == key_id(first.public)
    assert (keys / "audit.key").stat().st_mode & 0o077 == 0


def test_heads_of_before_a_rotation_still_verify(heads: Heads, keys: Path):
    heads.put("desk", 1, HASH, "t", origin=ORIGIN)
    rotated = Signer.rotate(keys)
    Heads(heads.path, rotated).put("desk", 2, HASH, "t", origin=ORIGIN)
    found = read_heads(heads.path, public_keys(keys))
    assert [head.n for head in found.heads] == [1, 2]
    assert len(public_keys(keys)) == 2


def test_damaged_private_key_is_told(keys: Path):
    Signer.open(keys)
    (keys / "audit.key").write_text("nothing of the kind")
    with pytest.raises(StorageError, match="no private key"):
        Signer.open(keys)


def test_public_file_that_holds_no_key_is_left_out(keys: Path):
    Signer.open(keys)
    (keys / "key-x.pub").write_text("???")
    (keys / "key-y.pub").write_text("AAAA")
    assert len(public_keys(keys)) == 1


def test_signature_is_bound_to_the_message(keys: Path):
    signer = Signer.open(keys)
    signature = signer.sign(b"this")
    assert check_signature(signer.public, signature, b"this")
    assert not check_signature(signer.public, signature, b"that")
    assert not check_signature(b"short", signature, b"this")


def test_file_that_cannot_be_written_is_told(tmp_path: Path, keys: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be kept"):
        Heads(tmp_path / "file" / "heads.jsonl", Signer.open(keys)).put(
            "desk", 1, HASH, "t", origin=ORIGIN
        )


def test_line_written_in_another_way_does_not_count(heads: Heads, keys: Path):
    heads.put("desk", 7, HASH, "t", origin=ORIGIN)
    heads.path.write_text(heads.path.read_text().replace(": ", ":"))
    assert not read_heads(heads.path, public_keys(keys)).heads


def test_head_that_is_missing_in_between_shows(heads: Heads, keys: Path):
    first = heads.put("desk", 1, HASH, "t", origin=ORIGIN)
    second = heads.put("desk", 2, HASH, "t", origin=ORIGIN, previous=first.digest())
    heads.put("desk", 3, HASH, "t", origin=ORIGIN, previous=second.digest())
    assert read_heads(heads.path, public_keys(keys)).problems == ()
    lines = heads.path.read_text().splitlines(keepends=True)
    for wrong in (lines[1:], [lines[0], lines[2]], [lines[1], lines[0], lines[2]]):
        heads.path.write_text("".join(wrong))
        assert "missing" in read_heads(heads.path, public_keys(keys)).problems[0]


def test_heads_of_two_homes_share_a_file(heads: Heads, keys: Path):
    for origin in (ORIGIN, bytes(32)):
        heads.put("desk", 7, HASH, "t", origin=origin)
    found = read_heads(heads.path, public_keys(keys))
    assert found.problems == ()
    assert len(found.of("desk", ORIGIN)) == len(found.of("desk", bytes(32))) == 1


def test_line_that_was_cut_off_does_not_spoil_the_next(heads: Heads, keys: Path):
    heads.put("desk", 1, HASH, "t", origin=ORIGIN)
    whole = heads.path.read_text()
    heads.path.write_text(whole + whole[:40])
    assert "cut off" in read_heads(heads.path, public_keys(keys)).problems[1]
    heads.put("desk", 2, HASH, "t", origin=ORIGIN)
    assert [h.n for h in read_heads(heads.path, public_keys(keys)).heads] == [1, 2]
