"""From the settings to what a server needs: who a caller is, who has an id, who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from concertmaster.contracts import Principal
from concertmaster.serving.identity.authenticator import (
    Authenticator,
    agreed,
    first_of,
    logged,
    one_credential,
    strict,
)
from concertmaster.serving.identity.codes import Codes
from concertmaster.serving.identity.fetched_keys import FetchedKeys
from concertmaster.serving.identity.sessions import Sessions
from concertmaster.serving.identity.settings import IdentitySettings
from concertmaster.serving.identity.user_store import UserStore
from concertmaster.serving.identity.with_key import by_key
from concertmaster.serving.identity.with_session import by_session
from concertmaster.serving.identity.with_token import by_token, keys_of

__all__ = ["Identity", "open_identity"]


@dataclass(frozen=True)
class Identity:
    """Everything that settings of identity stand for, open. Use it with `with`, or `close` it."""

    authenticate: Authenticator
    """Tells who sent a request, by key, token or session."""
    store: UserStore
    sessions: Sessions
    codes: Codes
    _open: ExitStack = field(repr=False)

    @property
    def resolve(self) -> Callable[[str], Principal | None]:
        """What desks are opened with, so that they know everybody's present roles."""
        return self.store.resolve

    def close(self) -> None:
        """Close the file of users, and leave off what is being fetched."""
        self._open.close()

    def __enter__(self) -> Identity:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_identity(settings: IdentitySettings | None = None) -> Identity:
    """Open the store of users and the issuers' keys, as declared.

    Raises:
        HomeError, StorageError: the file of users cannot be opened.
        ConfigError: a file of keys cannot be read, or PyJWT is missing though there are issuers.
    """
    settings = settings or IdentitySettings()
    stack = ExitStack()
    try:
        store = UserStore.open(settings.users)
        stack.callback(store.close)
        sessions = Sessions(store.file, store.resolve, settings.sessions)
        shown: list[Authenticator] = [by_key(store.keys)]
        for issuer in settings.issuers:
            keys = keys_of(issuer)
            if isinstance(keys, FetchedKeys):
                stack.callback(keys.close)
            shown.append(by_token(issuer, keys, store))
    except BaseException:
        stack.close()
        raise
    # What is shown in a header has to be known, whatever cookie comes along with it.
    authenticate = agreed(strict(first_of(*shown)), by_session(sessions))
    return Identity(logged(one_credential(authenticate)), store, sessions, Codes(store), stack)
