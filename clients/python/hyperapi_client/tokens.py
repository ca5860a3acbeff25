"""The tokens that a client holds, and where they are kept."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from hyperapi_client.errors import NotHyperapi


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gave.

    :param access: sent with every request to the server's own origin.
    :param refresh: gives new ones when the access token has expired; None when there is none.
    :param uri: of the session, for signing out; empty when it is not known.
    """

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    uri: str = ""

    @classmethod
    def read(cls, members: Mapping[str, Any], uri: str = "") -> Self:
        """The tokens in a token resource, as the reply that made them shows it.

        :raises NotHyperapi: when it shows none.
        """
        if "access_token" not in members:
            raise NotHyperapi(f"Signing in{f' at {uri}' if uri else ''} gave no token.")
        refresh = members.get("refresh_token")
        return cls(str(members["access_token"]), None if refresh is None else str(refresh), uri)


class Keeper(Protocol):
    """Keeps a client's tokens, perhaps for other processes too."""

    def load(self) -> Tokens | None:
        """The tokens as they are kept now."""

    def save(self, tokens: Tokens | None) -> None:
        """Keep these, in place of those before; None forgets them."""

    def turn(self) -> AbstractContextManager[object]:
        """A context in which nobody else renews the same tokens: used twice, a refresh token
        counts as stolen."""


class InMemory:
    """Keeps tokens as long as the client lives."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    def load(self) -> Tokens | None:
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def turn(self) -> AbstractContextManager[object]:
        return nullcontext()
