"""Who is behind an id: the host's resolver first, then the workspace's own people."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from concertmaster.contracts import Principal
from concertmaster.errors import ConfigError, UnknownPrincipal

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
        """Return the principal of this id as it is now, or None.

        Raises:
            UnknownPrincipal: the host's resolver failed, so that nobody can tell.
            ConfigError: it returned something else than a principal.
        """
        if self._resolver is not None:
            return self._resolved(who)
        return self._passed.get(who) or self._declared.get(who)

    def again(self, principal: Principal) -> Principal | None:
        """Return the principal of a stored run as it is now, or None if the host dropped it.

        Without a resolver nobody can be dropped, and the stored principal stands for itself.

        Raises:
            UnknownPrincipal, ConfigError: see `find`.
        """
        found = self.find(principal.id)
        return principal if found is None and self._resolver is None else found

    def admit(self, who: Principal | str) -> Principal:
        """Return the principal behind an argument.

        Raises:
            UnknownPrincipal: nobody knows the id.
            ConfigError: see `find`.
        """
        if isinstance(who, Principal):
            if self._resolver is None:
                self._passed[who.id] = who
                return who
            return self.find(who.id) or who
        found = self.find(who) if isinstance(who, str) else None
        if found is None:
            known = ", ".join(sorted(self._declared)) or "nobody"
            raise UnknownPrincipal(
                f"nobody here knows the principal {str(who)[:80]!r}",
                hint=f"principals.yaml declares: {known}; a host passes a Principal or resolve=",
            )
        return found

    def _resolved(self, who: str) -> Principal | None:
        assert self._resolver is not None
        try:
            found = self._resolver(who)
        except Exception as error:
            raise UnknownPrincipal(
                f"who {who[:80]!r} is could not be found out ({type(error).__name__})",
                hint="the host's resolve= failed; look at what it asks, and send the message again",
            ) from None
        if found is not None and not isinstance(found, Principal):
            raise ConfigError(
                f"resolve= returned a {type(found).__name__}",
                hint="return a concertmaster.Principal, or None for nobody; it is no coroutine",
            )
        return found
