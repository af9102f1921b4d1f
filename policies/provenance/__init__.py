"""Where the values of a proposed call come from: the principal's words, or somebody else's text.

`trace` looks every value of a call up in what the principal said, in trusted sources and in
untrusted output, and tells whether the effect was asked for at all. It is a pure function over
texts; it calls no model.
"""

from concertmaster.policies.provenance.sources import Source, Sources
from concertmaster.policies.provenance.tracing import trace

__all__ = ["Source", "Sources", "trace"]
