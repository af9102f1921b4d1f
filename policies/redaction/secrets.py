"""Credentials: tokens of well-known forms, private keys, passwords in URLs, named values.

A text without a word or a form that hints at a credential is looked at once, quickly.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from concertmaster.policies.redaction.folding import lowered

__all__ = ["find_secrets", "names_code", "names_secret"]

_FORMS = tuple(
    "sk- ghp_ gho_ ghs_ ghu_ ghr_ github_pat_ glpat- xox xapp- AKIA ASIA ABIA ACCA AIza ya29."
    " sk_live_ sk_test_ pk_live_ pk_test_ rk_live_ rk_test_ whsec_ SG. npm_ py"
    "pi- hf_ shpat_"
    " dop_v1_ gsk_ xai- r8_ lin_api_ AGE-SECRET-KEY-1 eyJ".split()
)
_NAMES = tuple(
    "pass pwd kennwort contrase senha wachtwoord secret token key credential authoriz sig".split()
)
_CODES = ("pin", "cvv", "cvc", "cv2", "csc", "security code", "otp", "tan", "verification", "code")
_TOKENS = re.compile(
    r"sk-[\w\-]{16,512}"  # OpenAI, Anthropic and those who follow them
    r"|gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w\-]{16,255}"
    r"|xox[a-z]-[A-Za-z0-9\-]{10,255}|xapp-[A-Za-z0-9\-]{10,255}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?!\w)|AIza[\w\-]{35}(?!\w)|ya29\.[\w\-]{20,512}"
    r"|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{16,255}"
    r"|SG\.[\w\-]{16,64}\.[\w\-]{16,64}|npm_[A-Za-z0-9]{36}(?!\w)|py[p]i-[\w\-]{40,512}"
    r"|hf_[A-Za-z0-9]{30,64}|shpat_[a-f0-9]{32}|dop_v1_[a-f0-9]{64}|gsk_[A-Za-z0-9]{20,255}"
    r"|xai-[A-Za-z0-9]{20,255}|r8_[A-Za-z0-9]{30,64}|lin_api_[A-Za-z0-9]{30,64}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{50,64}"
    r"|eyJ[\w\-]{6,4096}\.[\w\-]{6,4096}(?:\.[\w\-]{0,4096})?"  # JWT
)
_KEY_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_IN_URL = re.compile(r"(?<=[A-Za-z0-9])://([^\s/:@]{0,64}:[^\s/@]{1,128})@")
_BEARER = re.compile(r"(?:bearer|basic)\s{1,3}([\w.~+/\-]{8,4096}={0,2})")
_NOUN = (
    r"pass[ \-]?words?|passwd|pwd|pass[ \-]?code|pass[ \-]?phrase|passwort|kennwort|mot de passe"
    r"|contrase[nñ]a|senha|wachtwoord|(?:api|access|private|encryption|signing|secret|account)"
    r"[ _\-]?(?:access[ _\-]?)?key|client[ _\-]?secret|secret|credentials?|authorization|sig"
    r"|(?:(?:api|access|auth|refresh|session|bearer|bot|secret)[ _\-]?)?token"
)
_FOR = r"(?:\s{1,3}(?:for|to|of|on|at|in)(?:\s{1,3}[\w.@\-]{1,40}){1,4}?)?"
_IS = r"(?<=\s)(?:is|was|are|ist|war|est|lautet|es)(?:\s{0,2}:)?(?=\s)"
# Read in lower case; patterns that begin with letters are searched for fast.
_NAMED = re.compile(
    rf"(?:{_NOUN})s?(?![a-z]){_FOR}[\"']?\s{{0,3}}(?:(?P<sign>:=|=>|->|[:=])|{_IS})\s{{0,3}}"
    r"(?:\"(?P<q>[^\"\n]{1,256})\"|'(?P<a>[^'\n]{1,256})'|(?P<v>(?:(?:basic|bearer)\s)?[^\s\"']{3,1024}))"
)
_THEN = r"\b\W{1,3}(?:(?:is|was|code|number|ist)\W{1,3}){0,2}"
_CODE = re.compile(
    rf"(?:(?:cvv2?|cvc2?|cv2|csc|card security code|security code|card verification code){_THEN}"
    r"(?P<short>\d{3,4})|(?:pin code|pin|otp|tan|one.time code|one.time password"
    rf"|verification code|2fa code|mfa code|sms code){_THEN}(?P<long>\d{{4,8}}))(?!\w)"
)
_LONG = re.compile(r"(?<![\w+/=\-:])[\w+/=\-]{20,512}(?![\w])", re.ASCII)
_NEAR = re.compile(r"\b(?:keys?|tokens?|secrets?|passwords?|credentials?)\b")
_WORDS = frozenset(
    "the not none null true false please this that there still was were has have been reset wrong"
    " incorrect required forgotten forgot lost expired changed invalid correct what how why can"
    " could did does same different too very never always also only just empty unknown string"
    " working blocked locked safe ok fine weak strong".split()
)
_PLACEHOLDER = re.compile(
    r"\[[\w\- ]{1,64}\]|<[^>]*>?|\*+|x+|\.+|…+|\{.*|\$\{?\w+\}?", re.IGNORECASE
)
_FIELD = re.compile(
    r"(?:.*_)?(?:password|passwd|pwd|passphrase|passcode|secret|api_?key|secret_?key|private_?key"
    r"|access_?key|(?:access|refresh|auth|id|session|bearer|api)_?token|client_?secret"
    r"|authorization|credentials?|set_cookie|cvv2?|cvc2?|otp)"
)
_CODE_FIELD = re.compile(r"(?:.*_)?(?:cvv2?|cvc2?|cv2|csc|pin|otp)(?:_code)?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def find_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield where credentials stand in folded text."""
    for form in _FORMS:
        if form in text:
            yield from _tokens(text, form)
    if "PRIVATE KEY" in text:
        yield from _key_blocks(text)
    if "://" in text and "@" in text:
        yield from (match.span(1) for match in _IN_URL.finditer(text))
    lower = lowered(text)
    if any(name in lower for name in _NAMES):
        yield from _named(text, lower)
        yield from _near(text, lower)
    if "bearer" in lower or "basic" in lower:
        yield from _bearers(lower)
    if any(code in lower for code in _CODES):
        for match in _CODE.finditer(lower):
            if _begins(lower, match.start()):
                yield match.span("short" if match["short"] else "long")


def names_secret(field: str) -> bool:
    """Tell whether a field of this name holds a credential.

    >>> names_secret("clientSecret"), names_secret("secretary")
    (True, False)
    """
    return _FIELD.fullmatch(_plain(field)) is not None


def names_code(field: str) -> bool:
    """Tell whether a number in a field of this name is a code that nobody else may know."""
    return _CODE_FIELD.fullmatch(_plain(field)) is not None


def _plain(field: str) -> str:
    return _CAMEL.sub("_", field[:80]).lower().replace("-", "_").replace(" ", "_")


def _begins(text: str, at: int, joined: str = "") -> bool:
    """Tell whether a word begins here: a long run of characters is then read only once."""
    before = text[at - 1 : at]
    return not (before.isalnum() or before in joined) if before else True


def _tokens(text: str, form: str) -> Iterator[tuple[int, int]]:
    at = text.find(form)
    while at >= 0:
        match = _TOKENS.match(text, at) if _begins(text, at, "_-") else None
        if match:
            yield match.span()
        at = text.find(form, match.end() if match else at + len(form))


def _bearers(lower: str) -> Iterator[tuple[int, int]]:
    for match in _BEARER.finditer(lower):
        long = len(match[1]) >= 20 or any(c.isdigit() for c in match[1])
        if long and _begins(lower, match.start()):
            yield match.span(1)


def _near(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Yield random strings shortly after a word that announces a credential."""
    for match in _LONG.finditer(text):
        before = lower[max(0, match.start() - 48) : match.start()]
        if _NEAR.search(before) and _random(match[0]):
            yield match.span()


def _key_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield private keys; one whose end is missing reaches to the end of the text."""
    at = 0
    while begin := _KEY_BLOCK.search(text, at):
        end = _KEY_END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield begin.start(), at


def _named(text: str, lower: str) -> Iterator[tuple[int, int]]:
    """Yield what follows the name of a credential.

    After a sign that is anything; after "is" it is what does not look like a word.
    """
    for match in _NAMED.finditer(lower):
        if not _begins(lower, match.start()):
            continue
        group = next(name for name in ("q", "a", "v") if match[name] is not None)
        start, end = match.span(group)
        value = text[start:end]
        if group == "v":
            if match["sign"] == "=":
                value = value.partition("&")[0]
            opened = value.startswith(("[", "<"))
            value = value.rstrip(".,;:!?)}" if opened else ".,;:!?)]}>")
            spoken = match["sign"] is None
            # "tokens: 12" counts something, "token: 9f8a7c6b…" is one.
            counts = lower.startswith(("token", "sig"), match.start())
            vague = (spoken or counts) and not _invented(value)
            if len(value) < (8 if counts else 3) or vague or value.lower() in _WORDS:
                continue
        if _PLACEHOLDER.fullmatch(value) is None:
            yield start, start + len(value)


def _invented(value: str) -> bool:
    """Tell a password from a word: digits, signs or capitals in it."""
    if len(value) < 4 or "'" in value or "’" in value:
        return False
    return re.search(r"\d|[!@#$%^&*_+=~|\\<>]|[a-z][A-Z]", value) is not None


def _random(value: str) -> bool:
    """Tell a random string from words that are joined by signs."""
    longest = max(re.split(r"[_/\-=]", value), key=len)
    if len(longest) < 16 or not re.search(r"\d.*\d", longest):
        return False
    if not re.search(r"[A-Za-z].*[A-Za-z]", longest):
        return False
    counts = Counter(longest).values()
    entropy = -sum(n / len(longest) * math.log2(n / len(longest)) for n in counts)
    return entropy >= 3.0
