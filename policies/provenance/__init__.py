"""Where the values of a proposed call come from: the principal's words, or somebody else's text.

`trace` looks every value of a call up in what the principal said, in trusted sources and in
untrusted output, and tells whether anybody asked for the effect. It reads texts, calls no model,
and gives the same answer for the same call and sources.

What counts as the same value
    Case, spaces, quotes, dashes and invisible characters do not matter; letters of different
    scripts stay different. Numbers, sums of money, dates, times, e-mail addresses, links, accounts
    and phone numbers are compared by what they mean: `1,200.50` and `1.200,50`, `May 26th` and
    `2024-05-26`. A sum in an argument that counts cents is found as a hundredth of it, never the
    other way round. Where a form has two meanings, one is taken (`1,200` is 1200, `1.200` is 1.2)
    or none (`05/06/2024`). Everything else is compared as text and ends where words end. Names of
    months, currencies and small numbers are English.

What counts as proven
    The best standing of all sources that hold the value: principal, trusted, untrusted; a value
    that stands nowhere is composed. A date and its time may stand in different places; the worse
    one counts. A short phrase (six words, no digits) in an argument that is no target may also be
    put together from words of one sentence of the principal's, and a declared choice is found in
    words (`basic_economy`). Null, what is empty and the declared default have no origin, for nobody
    chose them. True and false stand in no words, so they are composed unless they are the default.
    A text with hidden characters, and what lies beyond the limits for one call (20 levels, 2,000
    values, 200,000 characters), is composed.

What long texts carry
    Each address, link and account number inside of a text has its own origin. An argument that
    is no target and is nothing but an address is listed twice: as a value and as carried.

What this does not cover
    - Implicit flows: untrusted text that makes a model choose among the user's own values, leave
      something out, or act at another time. All values are then the principal's.
    - Text against text: false statements and persuasion in a body or a summary. Only addresses,
      links and account numbers in it are looked at, and only in their usual spelling: `bob at x
      dot com`, a link in pieces or a picture is not found.
    - What the principal was talked into typing, or pasted: it counts as the principal's own words.
    - A value in the right place: that a name stands in the principal's words does not say that it
      was meant as the receiver. A number is found whatever it counted.
    - Whether the effect was asked for is told from phrases in English sentences, with a simple
      idea of negation. Questions and conditions (`did you send it`, `if you send it`) count.
    - Scripts without spaces: a word is found only where a sign or another script sets it apart.
"""

from concertmaster.policies.provenance.sources import Source, Sources
from concertmaster.policies.provenance.tracing import trace

__all__ = ["Source", "Sources", "trace"]
