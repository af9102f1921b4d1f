"""E-mail addresses and links in texts."""

from __future__ import annotations

import re

__all__ = ["EMAIL", "LINK", "email_of", "emails", "link_of", "links"]

EMAIL = re.compile(
    r"(?<![\w@])(?<![\w][.+%'-])(?>[\w.+%'-]+)@(?>[\w-]+(?:\.[\w-]+)*)(?!@)", re.IGNORECASE
)
_ENDINGS = (
    "com|net|org|edu|gov|mil|int|io|ai|dev|app|co|info|biz|xyz|me|ly|gl|gg|to|tv|cc|ru|cn|su|uk|eu"
    "|de|fr|nl|be|ch|at|it|es|pt|se|dk|fi|cz|gr|ie|jp|kr|in|br|mx|ca|au|nz|za|us|online|site|shop"
    "|store|top|club|link|click|live|cloud|page|tech|space|website|fun|icu|onion|example|test"
)
_REST = r"[^\s\"<>\x01]"
_SCHEME = r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:[/\\]{2}"
_BARE = rf"(?<![\w@/\\.:-])(?:[\w-]+\.)+(?:{_ENDINGS})(?![\w@-]|\.\w)(?::\d+)?(?:[/\\?#]{_REST}*)?"
LINK = re.compile(rf"(?:{_SCHEME}|(?<![\w@])www\.){_REST}+|{_BARE}", re.IGNORECASE)
_CLOSING = ".,;:!?'\"*_~"
_PAIRS = ((")", "("), ("]", "["), ("}", "{"))


def emails(text: str) -> frozenset[str]:
    """Return the e-mail addresses of a folded text."""
    if "@" not in text:
        return frozenset()
    return frozenset(_address(found) for found in EMAIL.findall(text))


def email_of(text: str) -> str | None:
    """Return a folded text that is nothing but an e-mail address, or None."""
    text = text.removeprefix("mailto:")
    found = EMAIL.fullmatch(text) if "@" in text else None
    return _address(text) if found and "." in text.partition("@")[2] else None


def links(text: str) -> frozenset[str]:
    """Return the links of a text as `shown`, in the form in which they compare."""
    if "." not in text and "://" not in text:
        return frozenset()
    return frozenset(canonical(trimmed(found)) for found in LINK.findall(text))


def link_of(text: str) -> str | None:
    """Return a text that is nothing but a link in the form in which links compare, or None."""
    return canonical(text) if LINK.fullmatch(text) else None


def trimmed(link: str) -> str:
    """Return a link that was found in a text without the text's own punctuation."""
    while link:
        if link[-1] in _CLOSING or any(
            link[-1] == shut and link.count(shut) > link.count(opened) for shut, opened in _PAIRS
        ):
            link = link[:-1]
        else:
            break
    return link


def canonical(link: str) -> str:
    """Return a link without http or https and a last slash, its host in lower case.

    The path keeps its case. Everything before the path, user names too, is part of the host.
    """
    scheme, mark, rest = link.partition("://")
    if not mark:
        rest, scheme = link, ""
    scheme = scheme.lower()
    end = next((i for i, char in enumerate(rest) if char in "/\\?#"), len(rest))
    host, path = rest[:end].lower(), rest[end:]
    if path == "/":
        path = ""
    elif path.endswith("/") and not ("?" in path or "#" in path):
        path = path[:-1]
    prefix = "" if scheme in ("", "http", "https") else scheme + "://"
    return prefix + host + path


def _address(found: str) -> str:
    return found.strip("'.").removesuffix("'")
