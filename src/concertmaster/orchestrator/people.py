"""Who is behind an id: the host's resolver first, then the workspace's own people."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from concertmaster.contracts import Principal
from concertmaster.errors import UnknownPrincipal

__all__ = ["People", "Resolver"]

Resolver = Callable[[str], Principal | None]
"""Returns the principal of an id with its roles as they are now, or None."""


class People:
    """Resolves ids to principals, afresh each time that authority is needed.

    Without a resolver the principals of `principals.yaml` are known; a `Principal` object that
    the host passes in stands for itself and is remembered until the process ends.
    """

    def __init__(self, declared: Iterable[Principal], resolver: Resolver | None) -> None:
        self._declared = {p.id: p for p in declared}
        self._resolver = resolver
        self._passed: dict[str, Principal] = {}

    def find(self, who: str) -> Principal | None:
        """Return the principal of this id as it is now, or None."""
        if self._resolver is not None:
            return self._resolver(who)
        return self._passed.get(who) or self._declared.get(who)

    def admit(self, who: Principal | str) -> Principal:
        """Return the principal behind an argument.

        Raises:
            UnknownPrincipal: nobody knows the id.
        """
        if isinstance(who, Principal):
            if self._resolver is None:
                self._passed[who.id] = who
                return who
            return self._resolver(who.id) or who
        found = self.find(who)
        if found is None:
            known = ", ".join(sorted(self._declared)) or "nobody"
            raise UnknownPrincipal(
                f"nobody here knows the principal {who!r}",
                hint=f"principals.yaml declares: {known}; a host passes a Principal or resolve=",
            )
        return found
