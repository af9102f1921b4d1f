"""The content words of a text, reduced to stems."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["RULES", "terms"]

RULES = 1
"""Goes up with every change to what `terms` returns: what was made by other rules is made anew."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

# Function words, and the small talk with which people open a request.
_STOP = frozenset(
    """a able about above across after again against ain all almost also am among an and any are
    aren as at be because been before being below between both but by can cannot could couldn d did
    didn do does doesn doing don down during each either else ever every few for from further get
    gets getting give given go goes going got had hadn has hasn have haven having he hello help her
    here hers herself hey hi him himself his how however i if in into is isn it its itself just kind
    know let like ll m made make many may maybe me might mine more most much must my myself need no
    nor not now o of off ok okay on once one only or other ought our ours ourselves out over own
    please re really s said same say see seem seems shan she should shouldn so some still such sure
    t take tell than thank thanks that the their theirs them themselves then there these they thing
    things this those though through to too under until up us use ve very want wants was wasn way we
    well went were weren what when where which while who whom why will with won would wouldn yes yet
    you your yours yourself yourselves""".split()
)


def terms(text: str) -> list[str]:
    """Return the content words of a text in order, lower-cased and reduced to a stem.

    >>> terms("I'd like to close both of my accounts, please")
    ['clos', 'account']
    """
    found = []
    for word in _WORD.findall(text.lower()):
        plain = word.replace("’", "'").partition("'")[0]
        if plain not in _STOP:
            found.append(_stem(plain))
    return found


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Cut plural and common verb endings: enough to bring forms together, no linguistics."""
    if len(word) > 3 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("es") and word[-3] in "sxz":
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed", "ment", "ly"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    # "shipped" and "ship", "called" and "call", "close" and "closing".
    doubled = len(word) > 3 and word[-1] == word[-2]
    return word[:-1] if doubled or (len(word) > 3 and word.endswith("e")) else word
