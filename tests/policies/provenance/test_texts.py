"""Long texts: as a whole, and what they carry inside."""

import json
import random
import time
from typing import Any

import pytest
import yaml

from concertmaster.contracts import ToolShape
from concertmaster.policies.provenance import Source, Sources, trace

MAIL = ToolShape(name="mail", effect="irreversible", targets=("to",))


def carried(body: Any, *sources: Source) -> dict[str, str]:
    found = trace(MAIL, {"body": body}, Sources(*sources))
    return {value.path: value.origin for value in found.values if value.embedded}


def test_what_a_text_carries_has_its_own_origin():
    body = (
        "Dear Bob, the slides are at https://good.com/a and http://evil.com/x?d=1. "
        "Write to bob@x.com or eve@evil.org, pay DE89 3704 0044 0532 0130 00 or call "
        "+49 170 1234567 before 2024-05-26 14:30."
    )
    said = "https://good.com/a bob@x.com DE89370400440532013000"
    seen = "Visit http://evil.com/x?d=1, call +491701234567"
    assert carried(
        body, Source("m", "principal", said), Source("t", "untrusted", {"page": seen})
    ) == {
        "body:link[0]": "principal",
        "body:link[1]": "untrusted",
        "body:address[0]": "principal",
        "body:address[1]": "composed",
        "body:account[0]": "principal",
        "body:account[1]": "untrusted",
    }


@pytest.mark.parametrize(
    "text",
    [
        "click https://evil.com",
        "click HTTP://EVIL.COM/x",
        "click www.evil.com",
        "click evil.com",
        "click evil.com/x",
        "see:evil.com",
        "//evil.com/x",
        "[bill](evil.com/pay)",
        '<a href="evil.com">x</a>',
        "evil.weirdtld/pay",
        "xn--e1afmkfd.xn--p1ai",
        "evil。com",
        "evil\u200b.com",
        "ｅｖｉｌ．ｃｏｍ",
        "go to 93.184.216.34/x",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "http:\\\\evil.com",
        "\\\\evil.com\\share",
        "https://good.com\n.evil.com",
        "mail eve@evil.org",
        "mail <eve@evil.org>",
        "mail eve＠evil.org",
        "mail bob@good.com@evil.org",
        "pay GB29NWBK60161331926819",
        "pay GB29 NWBK 6016 1331 9268 19 now",
        "account 12345678",
        "card 4111 1111 1111 1111",
        "call 555-123-4567",
        "call +1 (555) 123 4567",
        "wallet 0x52908400098527886e0f7030069857d2e4169ee7",
        "key AKIA1234567890ABCDEF",
    ],
)
def test_text_carries_something_unproven(text: str):
    origins = carried(f"Hello. {text}", Source("m", "principal", "https://good.com"))
    assert "composed" in origins.values()


@pytest.mark.parametrize(
    "text",
    [
        "Thank you, see you on 2024-05-26 at 14:30, or on 05/26/2024!",
        "The total is 1,200.50 euros for 3 nights, e.g. in Rome.",
        "Version 1.5.2 of report.pdf is attached... ok",
        "Yes/no, and/or; him/her",
        "Meet at 10:00-11:00 in room 4.12",
    ],
)
def test_plain_text_carries_nothing(text: str):
    assert carried(text) == {}


def test_a_whole_text_of_its_own_is_listed_and_carried():
    found = trace(MAIL, {"body": "http://evil.com", "to": "bob@x.com"}, Sources())
    assert [(v.path, v.embedded) for v in found.values] == [
        ("body", False),
        ("body", True),
        ("to", False),
    ]


def test_hidden_characters_count_as_carried():
    hidden = "Hello" + "".join(chr(0xE0000 + ord(c)) for c in "secret")
    assert carried(hidden, Source("m", "principal", "Hello")) == {"body": "composed"}


LONG = (
    'Dear "team", it\'s time: the budget — 1,200.50 € — is done. '
    "Please read the notes that I have put on the shared drive, since they hold all the numbers, "
    "and tell me by Friday whether we can go on with the café.\n\nKind regards\nAna"
)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text,
        lambda text: {"messages": [{"body": text}]},
        lambda text: json.dumps({"body": text}),
        lambda text: json.dumps([{"body": text}], ensure_ascii=False, indent=2),
        lambda text: yaml.safe_dump({"body": text}),
        lambda text: yaml.safe_dump({"body": text}, allow_unicode=True, width=40),
        lambda text: yaml.safe_dump({"body": text}, default_style="'", width=40),
        lambda text: yaml.safe_dump({"body": text}, default_style='"', width=30),
        lambda text: yaml.safe_dump([[{"body": text}]], default_style="|"),
    ],
)
def test_long_text_is_found_however_the_tool_writes_it(write: Any):
    found = trace(MAIL, {"body": LONG}, Sources(Source("t", "trusted", write(LONG))))
    assert [v.origin for v in found.values] == ["trusted"]


def test_long_text_with_a_change_is_composed():
    found = trace(
        MAIL, {"body": LONG.replace("Friday", "Monday")}, Sources(Source("t", "trusted", LONG))
    )
    assert [v.origin for v in found.values] == ["composed"]


@pytest.mark.parametrize(
    "value",
    [
        [["x"] * 50] * 50,
        {str(i): i for i in range(3000)},
        ["evil.com"] * 3000,
        "evil.com " * 30_000,
        "a.b@" * 5000 + "evil.com",
        [None] * 300_000,
    ],
)
def test_more_than_the_limits_is_composed_and_carried(value: Any):
    found = trace(MAIL, {"at": "Bob", "body": value}, Sources(Source("m", "principal", "Bob x")))
    assert found.values[0].origin == "principal"
    assert "body" in found.arguments("composed")
    assert "body" in found.unproven(embedded=True)
    assert len(found.values) <= 2001


def test_too_deep_is_composed_and_carried():
    value: Any = "Bob"
    for _ in range(5000):
        value = [value]
    said = Sources(Source("m", "principal", "Bob"), Source("t", "trusted", value))
    found = trace(MAIL, {"body": value, "to": "Bob"}, said)
    assert [(v.path, v.origin, v.embedded) for v in found.values] == [
        ("body", "composed", True),
        ("to", "principal", False),
    ]


def test_nothing_that_follows_the_limit_is_proven():
    found = trace(
        MAIL, {"a": ["Bob"] * 3000, "to": "Bob"}, Sources(Source("m", "principal", "Bob"))
    )
    assert {v.argument for v in found.values if v.origin == "composed"} == {"a", "to"}


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000,
        "a-" * 50_000,
        "1 " * 50_000,
        "1," * 50_000,
        "111 " * 25_000,
        "." * 100_000,
        "a." * 50_000,
        "..@" * 30_000,
        "@" * 100_000,
        "\\" * 100_000,
        "'" * 100_000,
        "http://" * 14_000,
        "de89 " + "aaaa " * 20_000,
        "may " * 25_000,
        "ab12abcd" * 12_000,
        ", " * 50_000,
        "\u200b" * 100_000,
        "中a" * 50_000,
        "".join(random.Random(1).choices("a1.@-/: '\\\"", k=100_000)),
    ],
)
def test_hostile_text_takes_little_time(text: str):
    shape = ToolShape(name="t", effect="write", asks=("a b", "send", "may"))
    sources = Sources(Source("m", "principal", text), Source("t", "untrusted", {"x": text}))
    values = {
        "body": text, "a": "bob@x.com", "b": "http://x.com/", "c": "1", "d": "2024-05-26T10:00",
        "e": "DE89370400440532013000", "f": "a b", "g": text[:100], "h": 1.5, "i": "a-" * 50 + "1",
    }  # fmt: skip
    start = time.process_time()
    trace(shape, values, sources)
    assert time.process_time() - start < 60
