"""E-mail addresses and links in texts."""

from __future__ import annotations

import re

__all__ = [
    "email_of",
    "emails",
    "found_emails",
    "found_links",
    "link_of",
    "links",
    "without_addresses",
]

_DOMAINS = r"(?:@(?>[\w-]+(?:\.[\w-]+)*))+"
_EMAIL = re.compile(rf"(?<![\w@])(?<!\w[.+%'-])(?>\w[\w.+%'-]{{0,255}}){_DOMAINS}")
# With all characters that the part before the sign may hold; `a=bob@x.com` is not `bob@x.com`.
_WIDE = r".+%'=!#$&*/?^{|}~-"
_WIDE_EMAIL = re.compile(rf"(?<![\w@])(?<!\w[{_WIDE}])(?>\w[\w{_WIDE}]{{0,255}}){_DOMAINS}")
_ENDINGS = (
    "com|net|org|edu|gov|mil|int|io|ai|dev|app|co|info|biz|xyz|me|ly|gl|gg|to|tv|cc|ru|cn|su|uk|eu"
    "|de|fr|nl|be|ch|at|it|es|pt|se|dk|fi|cz|gr|ie|jp|kr|in|br|mx|ca|au|nz|za|us|online|site|shop"
    "|store|top|club|link|click|live|cloud|page|tech|space|website|fun|icu|onion|example|test"
)
_REST = r"[^\s\"<>\x01]"
_LINK = re.compile(
    rf"""
    (?<![a-z0-9+.-]) [a-z][a-z0-9+.-]* :[/\\]{{2}} {_REST}+
    | (?<![\w:/\\]) [/\\]{{2}} (?=[\w-]+\.) {_REST}+
    | (?<![\w@]) www\. {_REST}+
    | (?<!\w) (?:javascript|vbscript|data|magnet|bitcoin|ethereum) : {_REST}+
    | (?<!\w) (?<!\w[.@-])
      (?: (?:[\w-]+\.)+ (?: (?:{_ENDINGS}) (?![\w@-]|\.\w) | xn--[\w-]+ | [^\W\d_]{{2,}} (?=[/\\]) )
        | \d{{1,3}} (?:\.\d{{1,3}}){{3}} (?![\w@-]|\.\w) )
      (?: :\d+)? (?: [/\\?\#] {_REST}* )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSING = ".,;:!?'\"*_~"
_PAIRS = ((")", "("), ("]", "["), ("}", "{"))


def emails(text: str) -> frozenset[str]:
    """Return the e-mail addresses of a folded text, also those right behind `to=` or the like."""
    if "@" not in text:
        return frozenset()
    chunks = [chunk for chunk in text.split() if "@" in chunk]
    near = (found for chunk in chunks for found in _EMAIL.findall(chunk))
    return frozenset((*(found.strip("'.") for found in near), *found_emails(text)))


def found_emails(text: str) -> list[str]:
    """Return the e-mail addresses of a folded text in their order, as long as they may be."""
    if "@" not in text:
        return []
    return [
        found.strip("'.")
        for chunk in text.split()
        if "@" in chunk
        for found in _WIDE_EMAIL.findall(chunk)
    ]


def email_of(text: str) -> str | None:
    """Return a folded text that is nothing but an e-mail address, or None."""
    text = text.removeprefix("mailto:")
    return text if "." in text.partition("@")[2] and _WIDE_EMAIL.fullmatch(text) else None


def links(text: str) -> frozenset[str]:
    """Return the links of a text as `shown`, in the form in which they compare."""
    return frozenset(found_links(text))


def found_links(text: str) -> list[str]:
    """Return the links of a text as `shown` in their order, in the form in which they compare."""
    return [
        _canonical(_trimmed(found))
        for chunk in text.split()
        if ":" in chunk or "." in chunk[:-1]
        for found in _LINK.findall(chunk)
    ]


def without_addresses(text: str) -> str:
    """Return a text with a comma in place of what holds a link or an e-mail address."""
    if "@" not in text and "." not in text and ":" not in text:
        return text
    return " ".join(
        ","
        if "@" in chunk or ((":" in chunk or "." in chunk[:-1]) and _LINK.search(chunk))
        else chunk
        for chunk in text.split()
    )


def link_of(text: str) -> str | None:
    """Return a text that is nothing but a link in the form in which links compare, or None."""
    if " " in text or not (":" in text or "." in text):
        return None
    return _canonical(text) if _LINK.fullmatch(text) else None


def _trimmed(link: str) -> str:
    """Return a link that was found in a text without the text's own punctuation."""
    while link:
        if link[-1] in _CLOSING or any(
            link[-1] == shut and link.count(shut) > link.count(opened) for shut, opened in _PAIRS
        ):
            link = link[:-1]
        else:
            break
    return link


def _canonical(link: str) -> str:
    """Return a link without http or https and a last slash, its host in lower case.

    The path keeps its case. Everything before the path, user names too, is part of the host.
    """
    scheme, mark, rest = link.removeprefix("//").partition("://")
    if not mark:
        rest, scheme = scheme, ""
    scheme = scheme.lower()
    end = next((i for i, char in enumerate(rest) if char in "/\\?#"), len(rest))
    host, path = rest[:end].lower(), rest[end:]
    if path == "/":
        path = ""
    elif path.endswith("/") and not ("?" in path or "#" in path):
        path = path[:-1]
    prefix = "" if scheme in ("", "http", "https") else scheme + "://"
    return prefix + host + path
