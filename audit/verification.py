"""What a chain of the trail shows of itself: changed, removed, reordered, inserted, cut off.

Pure: it looks at links, contents and signed heads as they were read, and says what is wrong with
which event. That a whole chain was rewritten, or its end cut off, shows only against a head that
was kept where the writer could not reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from concertmaster.audit.chain import GENESIS, Link, payload_digest

__all__ = ["Content", "Finding", "Mark", "verify"]

Fault = Literal["changed", "removed", "reordered", "inserted", "cut_off", "rewritten"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What lies beside a link; `header` is id, type and time as the content itself tells them.

    `seq` is where the store has it, None where there is no such place.
    """

    salt: bytes
    text: str
    header: tuple[str, str, str] | None
    seq: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A head that was signed before: the stream had this hash at its n-th link."""

    n: int
    hash: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong, with the place in the stream and the event's id if it is known."""

    fault: Fault
    n: int
    event: str | None
    message: str


def verify(
    links: Sequence[Link],
    contents: Mapping[str, Content],
    *,
    marks: Iterable[Mark] = (),
    erased: Callable[[str], Iterable[int]] = lambda text: (),
    left_out: Container[str] = (),
    piece: bool = False,
) -> list[Finding]:
    """Return everything that is wrong with one stream, by place; nothing if it is whole.

    Args:
        links: as they are stored, in the order of the store.
        contents: by event id. A content that is missing was removed, or erased on purpose.
        marks: signed heads of the stream, whose signatures were checked.
        erased: reads from the content of an event which places it says were erased on purpose.
            Only an event of the chain whose own content is untouched is asked.
        left_out: ids of events whose contents are not expected to be there.
        piece: whether the links are a piece of the stream, which may begin anywhere.
    """
    intact = {
        link.id: contents[link.id].text
        for link in links
        if link.id in contents and link.sound and _matches(link, contents[link.id])
    }
    excused = {n for text in intact.values() for n in erased(text)}
    first = min((link.n for link in links), default=1) if piece else 1
    found = [*_order(links), *_gaps(links, first), *_links(links), *_marks(links, marks)]
    found += _contents(links, contents, frozenset(excused), left_out)
    found += _places(links, contents)
    return sorted(found, key=lambda f: (f.n, f.fault))


def _order(links: Sequence[Link]) -> Iterable[Finding]:
    seen: set[int] = set()
    highest = 0
    for link in links:
        if link.n < 1:
            yield _finding("inserted", link, f"no stream has an event {link.n}")
        elif link.n in seen:
            yield _finding("inserted", link, f"there are two events {link.n}")
        elif link.n < highest:
            yield _finding("reordered", link, f"event {link.n} stands after event {highest}")
        seen.add(link.n)
        highest = max(highest, link.n)


def _gaps(links: Sequence[Link], first: int) -> Iterable[Finding]:
    there = sorted({link.n for link in links})
    expected = first
    for n in there:
        if n > expected:
            which = f"event {expected}" if n == expected + 1 else f"events {expected} to {n - 1}"
            verb = "is" if n == expected + 1 else "are"
            yield Finding(
                fault="removed", n=expected, event=None, message=f"{which} {verb} missing"
            )
        expected = n + 1


def _links(links: Sequence[Link]) -> Iterable[Finding]:
    sound = {link.n: link for link in links if link.sound}
    for link in links:
        before = sound.get(link.n - 1)
        if not link.sound:
            yield _finding("changed", link, f"event {link.n} is not what was recorded")
        elif link.n == 1 and link.previous != GENESIS:
            yield _finding("removed", link, "the stream does not begin with its first event")
        elif before is not None and link.previous != before.hash:
            told = f"event {link.n} does not follow the event {before.n} that stands before it"
            yield _finding("rewritten", link, told)


def _contents(
    links: Sequence[Link],
    contents: Mapping[str, Content],
    excused: frozenset[int],
    left_out: Container[str],
) -> Iterable[Finding]:
    known = {link.id for link in links}
    for link in links:
        content = contents.get(link.id)
        if content is None:
            if link.n not in excused and link.id not in left_out:
                yield _finding("removed", link, f"the content of event {link.n} is missing")
        elif not _matches(link, content):
            yield _finding("changed", link, f"the content of event {link.n} was changed")
    for id_ in sorted(contents.keys() - known):
        last = links[-1].n if links else 0
        told = "a content is there for an event that the chain does not know"
        yield Finding(fault="inserted", n=last + 1, event=id_, message=told)


def _places(links: Sequence[Link], contents: Mapping[str, Content]) -> Iterable[Finding]:
    """Tell which contents the store has in another order than the chain."""
    highest = 0
    for link in sorted(links, key=lambda known: known.n):
        content = contents.get(link.id)
        if content is None or content.seq is None:
            continue
        if content.seq <= highest or content.seq < link.n:
            yield _finding("reordered", link, f"the store has event {link.n} in another place")
        highest = max(highest, content.seq)


def _marks(links: Sequence[Link], marks: Iterable[Mark]) -> Iterable[Finding]:
    hashes: dict[int, set[bytes]] = {}
    for link in links:
        hashes.setdefault(link.n, set()).add(link.hash)
    last = max(hashes, default=0)
    cut: int | None = None
    for mark in sorted(marks, key=lambda m: m.n):
        if mark.n > last:
            cut = max(cut or 0, mark.n)
        elif mark.n in hashes and mark.hash not in hashes[mark.n]:
            told = f"event {mark.n} is not the one whose head was signed"
            yield Finding(fault="rewritten", n=mark.n, event=None, message=told)
    if cut is not None:
        told = f"the stream ends at event {last}, a signed head shows that it had {cut}"
        yield Finding(fault="cut_off", n=last + 1, event=None, message=told)


def _matches(link: Link, content: Content) -> bool:
    header = (link.id, link.type, link.time)
    return content.header == header and payload_digest(content.salt, content.text) == link.payload


def _finding(fault: Fault, link: Link, message: str) -> Finding:
    return Finding(fault=fault, n=link.n, event=link.id, message=message)
