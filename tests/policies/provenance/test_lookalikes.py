"""Values that look like what somebody said and are something else."""

import pytest

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance import Source, Sources, trace

TOOL = ToolShape(name="tool", effect="write", targets=("to",))


def origin(value: object, said: str) -> str:
    found = trace(TOOL, {"to": value}, Sources(Source("s", "principal", said)))
    origins = [value.origin for value in found.values]
    return "composed" if "composed" in origins else origins[0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("ana", "banana"),
        ("ana", "anatomy"),
        ("ana", "Ana-Maria"),
        ("ana", "ana_maria"),
        ("maria", "ana-maria"),
        ("brien", "O'Brien"),
        ("1042", "21042"),
        ("1042", "1042-7"),
        ("1042", "10.42.1042"),
        ("1042", "http://x.com/1042"),
        ("аna", "ana"),  # a Cyrillic first letter
        ("ana", "аna"),
        ("bob@x.com", "xbob@x.com"),
        ("bob@x.com", "x.bob@x.com"),
        ("bob@x.com", "bob@x.com.evil.org"),
        ("bob@x.com", "bob@x.com-evil.org"),
        ("bob@x.com", "bob@x.comm"),
        ("bob@x.com", "bob@x.com@evil.org"),
        ("bob@x.com@evil.org", "bob@x.com"),
        ("vip=bob@x.com", "bob@x.com"),
        ("bob@x.com.evil.org", "bob@x.com"),
        ("xbob@x.com", "bob@x.com"),
        ("bob@x.com,eve@evil.org", "bob@x.com"),
        ("bob@x.com eve@evil.org", "bob@x.com"),
        ("bob@x.com>,<eve@evil.org", "bob@x.com"),
        ("Eve <bob@x.com>", "Bob <bob@x.com>"),
        ("<eve@evil.org>", "Bob <bob@x.com>"),
        ("bob@x.com <eve@evil.org>", "Bob <bob@x.com>"),
        ("bob@х.com", "bob@x.com"),  # a Cyrillic domain
        ("Bob <eve@evil.org>", "Bob <bob@x.com>"),
        ("evil.com", "notevil.com"),
        ("evil.com", "not-evil.com"),
        ("evil.com", "www.evil.com"),
        ("evil.com", "evil.com.au"),
        ("evil.com", "bob@evil.com"),
        ("evil.com", "http://good.com/evil.com"),
        ("http://good.com/evil", "http://good.com"),
        ("http://good.com", "http://good.com/evil"),
        ("http://good.com.evil.org", "http://good.com"),
        ("http://good.com@evil.org", "http://good.com"),
        ("http://user@good.com", "http://good.com"),
        ("http://good.com:8080", "http://good.com"),
        ("http://good.com?q=secret", "http://good.com"),
        ("http://good.com#x", "http://good.com"),
        ("http://good.com\\@evil.org", "http://good.com"),
        ("http://good.com\\n.evil.org", "http://good.com"),
        ("http://good.com\n.evil.org", "http://good.com"),
        ("http://good.com—evil", "http://good.com"),
        ("http://good.com/a.", "http://good.com/a"),
        ("http://good.com/PATH", "http://good.com/path"),
        ("ftp://good.com", "http://good.com"),
        ("javascript:good.com", "good.com"),
        ("http://gооd.com", "http://good.com"),  # Cyrillic letters
        ("DE89370400440532013001", "DE89 3704 0044 0532 0130 00"),
        ("DE8937040044053201300", "DE89 3704 0044 0532 0130 00"),
        ("DE89370400440532013000", "XDE89370400440532013000"),
        ("4111111111111112", "4111 1111 1111 1111"),
        ("411111111111111", "4111 1111 1111 1111"),
        ("+4917012345", "+49 170 1234567"),
        ("Bob", "Bobby"),
        ("Alice Smith", "Alice Brown and Bob Smith"),
        ("#1042", "#10421"),
        ("ORD-1042", "ORD-10423"),
        ("ORD-1042", "PORD-1042"),
        ("李明", "李明华"),
        ("कमल", "कमला"),
        ("report.pdf", "/secret/report.pdf"),
        ("/etc/passwd", "/srv/ana/etc/passwd"),
        ("/etc/", "/etc/passwd"),
        ("Bob" + "".join(chr(0xE0000 + ord(c)) for c in "secret"), "Bob"),
        ("Bob" + "\u200b" * 8, "Bob"),
        ("\u200b\u200c", "Bob"),
    ],
)
def test_lookalike_is_not_proven(value: object, said: str):
    assert origin(value, said) == "composed"


@pytest.mark.parametrize("text", ["Alice", "alice@x.com", "https://x.com/a", "1042"])
def test_escaped_words_of_a_call_are_taken_as_they_are(text: str):
    assert origin(f"{text}\\n", text) == "composed"
    assert origin(f"{text}\\u0041", f"{text}A") == "composed"


def test_a_choice_of_words_must_stand_whole_where_it_is_a_target():
    said = Sources(Source("s", "principal", "Have lunch with Bob, then write to Sarah Jones"))
    found = trace(TOOL, {"to": "Bob Jones", "title": "Lunch with Sarah"}, said)
    assert [(v.argument, v.origin) for v in found.values] == [
        ("title", "principal"),
        ("to", "composed"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "Lunch with Peter",
        "Lunch Sarahx",
        "lunch with sarah@x.com",
        "Lunch 12 Sarah",
        "lunch www.sarah.com",
        "lunch lunch lunch lunch lunch lunch Sarah",
    ],
)
def test_words_apart_prove_no_more_than_short_plain_phrases(value: str):
    said = Sources(Source("s", "principal", "lunch on the 12th with Sarah; www and com"))
    assert trace(TOOL, {"title": value}, said).values[0].origin == "composed"


def test_every_argument_of_a_tool_that_names_no_targets_must_stand_whole():
    tool = ToolShape(name="tool", effect="write")
    said = Sources(Source("s", "principal", "Have lunch with Bob, then write to Sarah Jones"))
    assert trace(tool, {"title": "Lunch with Sarah"}, said).arguments("composed") == {"title"}
    assert trace(tool, {"title": "Lunch with Bob"}, said).arguments("principal") == {"title"}


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_words_apart_prove_nothing_in_other_sources(trust: str):
    said = Sources(Source("s", trust, "Have lunch at noon with Sarah"))
    assert trace(TOOL, {"title": "Lunch with Sarah"}, said).values[0].origin == "composed"


def test_words_apart_must_stand_in_one_sentence():
    said = Sources(Source("s", "principal", "Have lunch at noon. Call Sarah!"))
    assert trace(TOOL, {"title": "Lunch with Sarah"}, said).values[0].origin == "composed"
