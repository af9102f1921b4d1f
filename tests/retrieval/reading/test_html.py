import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.retrieval.reading.html import read
from concertmaster.retrieval.reading.reading import Unreadable


def test_structure_becomes_markdown() -> None:
    page = """<!doctype html><html><head><title>Bank | Fees</title></head><body>
    <h1>Fees</h1><p>A <b>card</b> is
    free.</p><h2>Limits <small>2026</small></h2><ul><li>One</li><li><p>Two</p></li></ul>
    <table><caption>All cards</caption><tr><th>Card</th><th>Fee</th></tr>
    <tr><td>Gold</td><td><p>12</p></td></tr></table>
    <pre>if x:\n  y</pre>tail &amp; end</body></html>"""
    found = read(page.encode())
    assert found.title == "Fees"
    assert found.text.split("\n\n") == [
        "# Fees",
        "A card is free.",
        "## Limits 2026",
        "- One",
        "- Two",
        "All cards",
        "- Card: Gold; Fee: 12",
        "```\nif x:\n  y\n```",
        "tail & end",
    ]


HIDDEN = [
    '<p style="display:none">CANARY</p>',
    '<p style="Display : NONE !important">CANARY</p>',
    '<p style="dis/**/play:none">CANARY</p>',
    '<div style="visibility:hidden"><p>a<b>CANARY</b></p></div>',
    '<span style="font-size:0">CANARY</span>',
    '<span style="font-size: 1px; color: red">CANARY</span>',
    '<div style="height:0;overflow:hidden">CANARY</div>',
    '<p style="opacity:0.01">CANARY</p>',
    '<p style="position:absolute; left:-9999px">CANARY</p>',
    '<p style="text-indent:-5000px">CANARY</p>',
    '<p style="color:#FFFFFF">CANARY</p>',
    '<font color="white">CANARY</font>',
    '<p style="color:#123;background-color:#123">CANARY</p>',
    '<p style="color:transparent">CANARY</p>',
    '<p style="clip:rect(0,0,0,0)">CANARY</p>',
    '<p style="transform: scale(0)">CANARY</p>',
    "<p hidden>CANARY</p>",
    "<!-- CANARY -->",
    "<!--[if mso]>CANARY<![endif]-->",
    "<script>CANARY</script>",
    "<style>CANARY</style>",
    "<template><p>CANARY</p></template>",
    "<noscript>CANARY</noscript>",
    "<svg><text>CANARY</text></svg>",
    "<textarea>CANARY</textarea>",
    '<img alt="CANARY" title="CANARY" src="data:CANARY">',
    '<input type="hidden" value="CANARY">',
    "<style>.a {color: red} .b, p.c { display: none }</style><p class='x c'>CANARY</p>",
    "<style>#i{visibility:hidden}</style><div id='i'><ul><li>CANARY</li></ul></div>",
    "<style>@media all { .d { font-size:0px } }</style><td class=d>CANARY</td>",
    "<table><tr style='display:none'><td>CANARY</td></tr><tr><td>seen</td></tr></table>",
    "<table><tr><td><p hidden>CANARY</p>seen</td></tr></table>",
    "<table hidden><tr><td>CANARY</td></tr></table>",
    "<pre>seen<span hidden>CANARY</span></pre>",
    "<h1 hidden>CANARY</h1>",
]


@pytest.mark.parametrize("markup", HIDDEN)
def test_text_that_nobody_sees_is_left_out(markup: str) -> None:
    found = read(f"<html><body><p>Before.</p>{markup}<p>After.</p></body></html>".encode())
    assert "CANARY" not in f"{found.text}{found.title}"
    assert "Before." in found.text
    assert "After." in found.text


def test_how_much_was_hidden_is_told() -> None:
    found = read(b"<p>Seen.</p><p hidden>x</p><div style='display:none'><p>y</p><p>z</p></div>")
    assert found.notes == ("2 hidden elements left out",)


SEEN = [
    '<p style="color:white; background:#000">SEEN</p>',
    '<div style="background:black"><p style="color:white">SEEN</p></div>',
    '<style>body{background:navy}</style><p style="color:white">SEEN</p>',
    "<style>@media print { .np { display:none } }</style><p class='np'>SEEN</p>",
    "<style>.a .b {display:none}</style><p class='b'>SEEN</p>",
    '<p style="font-size:12px; display:block; opacity:1; left:-10px">SEEN</p>',
    '<p style="width:0.5em">SEEN</p>',
    "<details><summary>More</summary>SEEN</details>",
    "<button>SEEN</button>",
    "plain SEEN",
]


@pytest.mark.parametrize("markup", SEEN)
def test_text_that_people_see_stays(markup: str) -> None:
    assert "SEEN" in read(f"<html><body>{markup}</body></html>".encode()).text


WORD = st.text("abcdefghij", min_size=3, max_size=8)
BLOCKS = ("p", "div", "section", "li", "h2", "span", "b", "td")
HIDES = ("hidden", 'style="display:none"', 'style="font-size:0"', 'class="gone"')


def _tree():
    leaf = WORD.map(lambda w: (f" seen{w} ", {f"seen{w}"}, set()))

    def wrap(children):
        def build(parts, tag, hide):
            inner = "".join(p[0] for p in parts)
            seen = set().union(*(p[1] for p in parts))
            gone = set().union(*(p[2] for p in parts))
            if hide:
                hidden = inner.replace("seen", "gone")
                return (
                    f"<{tag} {hide}>{hidden}</{tag}>",
                    set(),
                    gone | {s.replace("seen", "gone") for s in seen},
                )
            return f"<{tag}>{inner}</{tag}>", seen, gone

        parts = st.lists(children, min_size=1, max_size=4)
        return st.builds(
            build,
            parts,
            st.sampled_from(("div", "section", "span", "b")),
            st.none() | st.sampled_from(HIDES),
        )

    return st.recursive(leaf, wrap, max_leaves=12)


@given(_tree())
def test_seen_words_stay_and_hidden_words_go(tree) -> None:
    markup, seen, gone = tree
    page = f"<style>.gone{{display:none}}</style><p>start</p>{markup}"
    words = set(read(page.encode()).text.replace("\n", " ").split())
    text = read(page.encode()).text
    assert all(word in text for word in seen), words
    assert not any(word in text for word in gone)


@pytest.mark.parametrize(
    "page",
    [
        b"<div>" * 100_000 + b"x",
        b"<b>" * 100_000 + b"x" + b"</b>" * 100_000,
        b"<table><tr><td>" * 20_000 + b"x",
        b"<ul><li>" * 50_000 + b"x",
    ],
)
def test_deep_nesting_is_named(page: bytes) -> None:
    with pytest.raises(Unreadable, match="nested too deeply"):
        read(page)


@pytest.mark.parametrize(
    "declared",
    ['<!ENTITY a "boom"><!ENTITY b "&a;&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/passwd">'],
)
def test_entities_of_a_page_are_not_put_in(declared: str) -> None:
    page = f'<?xml version="1.0"?><!DOCTYPE x [{declared}]><html><body>&b; ok</body></html>'
    text = read(page.encode()).text
    assert "boom" not in text
    assert "root:" not in text
    assert text.endswith("ok")


def test_declared_encoding_is_used_and_a_wrong_one_is_not() -> None:
    assert read('<meta charset="iso-8859-2"><p>Zażółć'.encode("iso-8859-2")).text == "Zażółć"
    assert read('<meta charset="iso-8859-2"><p>Zażółć'.encode()).text == "Zażółć"
    assert read('<meta charset="base64"><p>café'.encode("latin-1")).text == "café"
    assert read("<p>Zażółć".encode("utf-16")).text == "Zażółć"


@pytest.mark.parametrize("page", [b"", b"  ", b"<html></html>", b"<!-- only -->"])
def test_page_without_text_has_none(page: bytes) -> None:
    try:
        told = read(page).text
    except Unreadable as error:
        told = error.why
    assert told in ("", "has no text")
