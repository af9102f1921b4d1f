"""The hash chain: what is whole verifies, and every kind of tampering shows."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertmaster.audit.chain import GENESIS, Link, next_link, payload_digest
from concertmaster.audit.verification import Content, Finding, Mark, verify

Chain = tuple[list[Link], dict[str, Content]]


def chain(length: int) -> Chain:
    links: list[Link] = []
    contents: dict[str, Content] = {}
    for n in range(1, length + 1):
        text, salt = f'{{"id":"evt-{n}","why":"reason {n}"}}', bytes([n % 256]) * 16
        header = (f"evt-{n}", "run.started", f"2026-01-01T00:00:{n % 60:02}Z")
        link = next_link(
            links[-1] if links else None,
            stream="desk",
            id=header[0],
            type=header[1],
            time=header[2],
            payload=payload_digest(salt, text),
        )
        links.append(link)
        contents[link.id] = Content(salt=salt, text=text, header=header)
    return links, contents


def faults(found: list[Finding]) -> set[str]:
    return {f.fault for f in found}


@pytest.mark.parametrize("length", [0, 1, 2, 40])
def test_whole_chain_verifies(length: int):
    links, contents = chain(length)
    marks = [Mark(n=link.n, hash=link.hash) for link in links]
    assert verify(links, contents, marks=marks) == []


def test_chain_counts_from_one_and_begins_at_the_genesis():
    links, _ = chain(3)
    assert [link.n for link in links] == [1, 2, 3]
    assert links[0].previous == GENESIS
    assert links[2].previous == links[1].hash


def says_erased(text: str) -> list[int]:
    return [3] if '"reason 5"' in text else []


def test_erased_content_leaves_the_chain_whole():
    links, contents = chain(5)
    del contents["evt-3"]
    head = Mark(n=5, hash=links[-1].hash)
    assert verify(links, contents, marks=[head], erased=says_erased) == []


def test_erasure_counts_only_while_the_event_that_tells_of_it_is_untouched():
    links, contents = chain(5)
    del contents["evt-3"]
    told = contents["evt-5"]
    contents["evt-5"] = replace(told, text=told.text + " ")
    found = verify(links, contents, erased=says_erased)
    assert [(f.fault, f.n) for f in found] == [("removed", 3), ("changed", 5)]


def test_same_content_has_another_digest_with_another_salt():
    assert payload_digest(b"a" * 16, "x") != payload_digest(b"b" * 16, "x")


CHANGES: dict[str, Callable[[Link], Link]] = {
    "stream": lambda link: replace(link, stream="other"),
    "id": lambda link: replace(link, id="evt-x"),
    "type": lambda link: replace(link, type="run.ended"),
    "time": lambda link: replace(link, time="2027-01-01T00:00:00Z"),
    "previous": lambda link: replace(link, previous=bytes(31) + b"x"),
    "payload": lambda link: replace(link, payload=bytes(31) + b"x"),
    "hash": lambda link: replace(link, hash=bytes(31) + b"x"),
}


@pytest.mark.parametrize("field", sorted(CHANGES))
@pytest.mark.parametrize("n", [1, 4, 8])
def test_changed_field_is_found_at_its_event(field: str, n: int):
    links, contents = chain(8)
    links[n - 1] = CHANGES[field](links[n - 1])
    assert any(f.fault == "changed" and f.n == n for f in verify(links, contents))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_of_a_content_is_found(data: st.DataObject):
    links, contents = chain(6)
    n = data.draw(st.integers(1, 6))
    content = contents[f"evt-{n}"]
    text, salt = content.text, content.salt
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(text) - 1))
        other = data.draw(st.characters(codec="ascii").filter(lambda c: c != text[at]))
        content = replace(content, text=text[:at] + other + text[at + 1 :])
    else:
        at = data.draw(st.integers(0, len(salt) - 1))
        byte = data.draw(st.integers(0, 255).filter(lambda b: b != salt[at]))
        content = replace(content, salt=salt[:at] + bytes([byte]) + salt[at + 1 :])
    contents[f"evt-{n}"] = content
    found = verify(links, contents)
    assert [(f.fault, f.n) for f in found] == [("changed", n)]


@given(st.integers(1, 9), st.integers(1, 3))
def test_removed_events_are_named(first: int, count: int):
    links, contents = chain(12)
    gone = {f"evt-{n}" for n in range(first, first + count)}
    kept = [link for link in links if link.id not in gone]
    found = verify(kept, {i: c for i, c in contents.items() if i not in gone})
    assert [(f.fault, f.n) for f in found] == [("removed", first)]


def test_removed_content_is_found():
    links, contents = chain(4)
    del contents["evt-2"]
    assert [(f.fault, f.n) for f in verify(links, contents)] == [("removed", 2)]


def test_cut_off_end_shows_against_a_signed_head_only():
    links, contents = chain(6)
    head = Mark(n=6, hash=links[5].hash)
    short = links[:4], {f"evt-{n}": contents[f"evt-{n}"] for n in range(1, 5)}
    assert verify(*short) == []
    assert [(f.fault, f.n) for f in verify(*short, marks=[head])] == [("cut_off", 5)]


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_reordered_events_are_found(order: list[int]):
    links, contents = chain(5)
    assert faults(verify([links[i] for i in order], contents)) == {"reordered"}


def test_inserted_event_is_found():
    links, contents = chain(5)
    forged = next_link(
        links[2], stream="desk", id="evt-f", type="run.ended", time="t", payload=bytes(32)
    )
    content = Content(salt=b"s", text="x", header=("evt-f", "run.ended", "t"))
    found = verify([*links[:4], forged, *links[4:]], contents | {"evt-f": content})
    assert "inserted" in faults(found)


def test_content_without_a_link_is_found():
    links, contents = chain(2)
    contents["evt-9"] = Content(salt=b"s", text="x", header=None)
    assert [(f.fault, f.event) for f in verify(links, contents)] == [("inserted", "evt-9")]


def test_chain_that_was_rewritten_whole_shows_against_a_signed_head():
    links, contents = chain(6)
    head = Mark(n=5, hash=links[4].hash)
    rewritten, text = links[:2], "something else"
    for old in links[2:]:
        payload = payload_digest(b"s" * 16, text) if old.n == 3 else old.payload
        rewritten.append(
            next_link(
                rewritten[-1],
                stream="desk",
                id=old.id,
                type=old.type,
                time=old.time,
                payload=payload,
            )
        )
    contents["evt-3"] = replace(contents["evt-3"], salt=b"s" * 16, text=text)
    assert verify(rewritten, contents) == []
    assert [(f.fault, f.n) for f in verify(rewritten, contents, marks=[head])] == [("rewritten", 5)]
