"""Who acts: the authenticated person or service behind a request."""

from __future__ import annotations

from pydantic import Field

from concertmaster.contracts.base import Record

__all__ = ["ANONYMOUS", "EVERYONE", "Principal", "Readers"]

EVERYONE = "everyone"

Readers = tuple[str, ...]
"""Who may read a document: any of `everyone`, `role:NAME`, `group:NAME`, `principal:ID`."""


class Principal(Record):
    """An authenticated identity. The host authenticates; Concertmaster authorizes.

    >>> ana = Principal(id="ana", roles=("customer",))
    >>> ana.may_read(("role:staff",))
    False
    """

    id: str = Field(min_length=1, max_length=200)
    name: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tenant: str | None = None

    @property
    def authenticated(self) -> bool:
        """Whether a host vouched for this identity."""
        return self.id != ANONYMOUS.id

    def grants(self) -> Readers:
        """Return every reader entry that this principal satisfies, `everyone` first."""
        own = (f"principal:{self.id}",) if self.authenticated else ()
        return (
            EVERYONE,
            *(f"role:{r}" for r in self.roles),
            *(f"group:{g}" for g in self.groups),
            *own,
        )

    def may_read(self, readers: Readers) -> bool:
        """Tell whether one of the readers is this principal; no readers means nobody."""
        return not set(readers).isdisjoint(self.grants())


ANONYMOUS = Principal(id="anonymous")
